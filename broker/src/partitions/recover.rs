//! Start and stop: open every log at once, close every log at once.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use milena_core::config::broker::log;
use milena_core::config::effective::TopicConfig;
use milena_core::metadata::{MetadataImage, TopicImage};
use milena_protocol::{PartitionIndex, TopicId, Uuid};
use milena_storage::dir::{self, DELETED_SUFFIX};
use milena_storage::{CleanShutdown, Opening, PartitionKey};

use super::checkpoints::Known;
use super::{Hosted, HostedTopic, Inner, LogDir, Partitions, key};
use crate::metrics::StorageMetrics;
use crate::partition::{Partition, log_of_future, now};
use crate::task::{self, in_parallel};

/// The metadata log, which is the quorum's.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Ending of the folder of a log that the metadata does not know.
const STRAY_SUFFIX: &str = "-stray";
/// Between two lines about the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// A log to open, or to make where nothing is known of it.
struct Job<'a> {
    topic: &'a TopicImage,
    index: PartitionIndex,
    config: Arc<TopicConfig>,
    known: Option<Known>,
    dir: Arc<LogDir>,
}

/// How far the start came.
struct Progress<'a> {
    metrics: &'a StorageMetrics,
    logs: usize,
    state: Mutex<State>,
}

struct State {
    opened: usize,
    scanned_bytes: u64,
    told: Instant,
}

impl<'a> Progress<'a> {
    fn new(metrics: &'a StorageMetrics, logs: usize) -> Self {
        metrics.recovery_begins(logs);
        let state = Mutex::new(State { opened: 0, scanned_bytes: 0, told: Instant::now() });
        Self { metrics, logs, state }
    }

    fn opened(&self, scanned_bytes: u64) {
        self.metrics.recovered(scanned_bytes);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.opened += 1;
        state.scanned_bytes += scanned_bytes;
        if state.told.elapsed() >= PROGRESS_INTERVAL {
            state.told = Instant::now();
            let (opened, logs, scanned_bytes) = (state.opened, self.logs, state.scanned_bytes);
            tracing::info!(opened, logs, scanned_bytes, "opening logs");
        }
    }

    fn ended(&self, (started, clean): (Instant, bool), unopened: usize) {
        let scanned_bytes = self.state.lock().unwrap_or_else(PoisonError::into_inner).scanned_bytes;
        let (logs, elapsed_ms) = (self.logs, started.elapsed().as_millis());
        tracing::info!(logs, clean, unopened, scanned_bytes, elapsed_ms, "logs opened");
    }
}

impl Partitions {
    /// Opens the logs of every partition that `image` places here, after a crash with repair. To be called once, before
    /// the first `apply`.
    pub(crate) async fn recover(&self, image: &MetadataImage) -> anyhow::Result<()> {
        let (partitions, image) = (self.clone(), image.clone());
        task::spawn_blocking(move || partitions.0.recover(&image)).await.context("recover logs")?
    }

    /// Makes every log durable and marks the directories clean. `broker_epoch` is the one of this run.
    pub(crate) async fn close(&self, broker_epoch: i64) -> anyhow::Result<()> {
        let partitions = self.clone();
        task::spawn_blocking(move || partitions.close_blocking(broker_epoch)).await.context("close logs")?
    }

    fn close_blocking(&self, broker_epoch: i64) -> anyhow::Result<()> {
        if !self.0.is_recovered.load(Ordering::Acquire) {
            // The directories are as the run before left them.
            let marked = self.0.dirs.online().filter_map(|dir| Some((dir, dir.last_end?)));
            return Ok(marked
                .into_iter()
                .try_for_each(|(dir, end)| end.write(&*self.0.disk, &dir.folder))?);
        }
        for dir in self.dirs().iter().filter(|dir| !dir.is_online()) {
            tracing::warn!(folder = %dir.folder.display(), "logs of a failed directory are left as they are");
        }
        let closed = in_parallel(self.all(), self.0.threads(), |partition| {
            partition.close().with_context(|| format!("close {}-{}", partition.topic, partition.index))
        });
        closed.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
        for dir in self.0.dirs.online() {
            // One sync of the disk instead of several of every log.
            let synced = self.0.disk.sync_all(&dir.folder);
            synced.with_context(|| format!("sync the disk of {}", dir.folder.display()))?;
        }
        self.all().iter().for_each(|partition| partition.closed());
        self.0.write_checkpoints(&self.0.hosted.load())?;
        for dir in self.0.dirs.online().filter(|dir| dir.unopened().is_empty()) {
            CleanShutdown { broker_epoch }.write(&*self.0.disk, &dir.folder)?;
        }
        Ok(())
    }
}

pub(super) fn key_of(partition: &Partition) -> PartitionKey {
    PartitionKey { topic: partition.topic.to_string(), index: partition.index }
}

impl Inner {
    /// Threads that open or close logs.
    fn threads(&self) -> usize {
        let threads = self.live.current().int(&log::NUM_RECOVERY_THREADS_PER_DATA_DIR);
        usize::try_from(threads).unwrap_or(1).max(1)
    }

    fn recover(&self, image: &MetadataImage) -> anyhow::Result<()> {
        let started = Instant::now();
        let known = self.known_logs(image)?;
        let mut jobs = Vec::new();
        for topic in image.topics() {
            let config = self.topic_config(image, &topic.name);
            for (index, assigned) in topic.partitions() {
                if !assigned.replicas.contains(&self.node_id) {
                    continue;
                }
                let found = known.get(&key(topic, index)).map(|(dir, known)| (dir.clone(), Some(*known)));
                let found = found.or_else(|| Some((self.place(topic, (index, assigned))?, None)));
                let Some((dir, known)) = found else { continue };
                jobs.push(Job { topic, index, config: config.clone(), known, dir });
            }
        }
        let progress = Progress::new(&self.metrics, jobs.len());
        let opened = in_parallel(jobs, self.threads(), |job| {
            let partition = self.open_job(&job);
            progress.opened(partition.as_ref().map_or(0, Partition::scanned_bytes));
            (job.topic.id, partition)
        });
        let mut by_topic = BTreeMap::<TopicId, HostedTopic>::new();
        for (topic, partition) in opened {
            let here = by_topic.entry(topic).or_default();
            here.extend(partition.map(|partition| (partition.index, Arc::new(partition))));
        }
        let mut hosted = Hosted { image: image.clone(), ..Hosted::default() };
        for topic in image.topics() {
            let here = by_topic.remove(&topic.id).unwrap_or_default();
            for (index, assigned) in topic.partitions() {
                if let Some(partition) = here.get(&index) {
                    self.take_role(image, partition, assigned);
                }
            }
            hosted.put(topic, here);
        }
        self.resume_moves(&hosted);
        for partition in hosted.partitions() {
            let assigned = image.partition(&partition.topic, partition.index);
            assigned.into_iter().for_each(|assigned| self.tell_directory(partition, assigned));
        }
        self.hosted.store(Arc::new(hosted));
        let unopened = self.dirs.all().iter().map(|dir| dir.unopened().len()).sum();
        self.is_recovered.store(true, Ordering::Release);
        let clean = self.dirs.all().iter().all(|dir| dir.last_end.is_some());
        progress.ended((started, clean), unopened);
        Ok(())
    }

    /// A log that cannot be opened is left out: it must not keep the others from being served.
    fn open_job(&self, job: &Job<'_>) -> Option<Partition> {
        let known = job.known.unwrap_or_default();
        match self.open_partition((job.topic, job.index), job.config.clone(), known, &job.dir) {
            Ok(partition) => Some(partition),
            Err(error) => {
                self.open_failed(&job.dir, (&job.topic.name, job.index), &error);
                job.dir.unopened().insert(key(job.topic, job.index), known);
                None
            }
        }
    }

    /// The logs of the image that are in the directories, and what the files beside them say. A directory that cannot be
    /// looked into goes offline, unless it is the only one.
    fn known_logs(
        &self,
        image: &MetadataImage,
    ) -> anyhow::Result<HashMap<PartitionKey, (Arc<LogDir>, Known)>> {
        let mut all = HashMap::new();
        for dir in self.dirs.online() {
            let known = match self.known_logs_in(dir, image) {
                Ok(known) => known,
                Err(error) if self.dirs.all().len() > 1 => {
                    dir.health.fail(&format!("{error:#}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (key, known) in known {
                let found = (dir.clone(), known);
                let Some(other) = all.insert(key.clone(), found.clone()) else { continue };
                let chosen = self.choose(image, &key, [other, found])?;
                all.insert(key, chosen);
            }
        }
        for dir in self.dirs.online() {
            self.adopt_futures(image, dir, &mut all)?;
        }
        all.values().for_each(|(dir, _)| dir.takes_log());
        Ok(all)
    }

    /// Copies whose log is in no directory that can be looked into, and that the records name, are the logs now.
    fn adopt_futures(
        &self,
        image: &MetadataImage,
        dir: &Arc<LogDir>,
        all: &mut HashMap<PartitionKey, (Arc<LogDir>, Known)>,
    ) -> anyhow::Result<()> {
        for (key, folder) in dir.take_futures() {
            let partition = image.partition(&key.topic, key.index);
            let assigned = partition.and_then(|partition| partition.directory(self.node_id));
            if all.contains_key(&key) || assigned != Some(dir.id) {
                dir.found_future(key, folder);
                continue;
            }
            let target = dir.folder.join(key.to_string());
            tracing::warn!(log = %key, folder = %target.display(), "a copy takes the place of its log, which is gone");
            self.disk.rename(&folder, &target).with_context(|| format!("rename {}", folder.display()))?;
            let opening = Opening { now: now(), may_have_gaps: true, ..Opening::default() };
            all.insert(key, (dir.clone(), Known { opening, ..Known::default() }));
        }
        Ok(())
    }

    /// One of two logs of a partition: the one where its record says it is. The other one is set aside.
    fn choose(
        &self,
        image: &MetadataImage,
        key: &PartitionKey,
        found: [(Arc<LogDir>, Known); 2],
    ) -> anyhow::Result<(Arc<LogDir>, Known)> {
        let partition = image.partition(&key.topic, key.index);
        let assigned = partition.and_then(|partition| partition.directory(self.node_id));
        let folders = || found.each_ref().map(|(dir, _)| dir.folder.display().to_string()).join(" and ");
        let place = found.iter().position(|(dir, _)| Some(dir.id) == assigned);
        let place = place.with_context(|| format!("the log of {key} is in {}, remove one", folders()))?;
        let other = &found[1 - place].0;
        self.set_aside(other, key, &other.folder.join(key.to_string()))?;
        Ok(found[place].clone())
    }

    fn known_logs_in(
        &self,
        dir: &LogDir,
        image: &MetadataImage,
    ) -> anyhow::Result<Vec<(PartitionKey, Known)>> {
        let opened = now();
        let (disk, folder) = (&*self.disk, &dir.folder);
        let recovery_points = dir::read_recovery_points(disk, folder)?;
        let start_offsets = dir::read_start_offsets(disk, folder)?;
        let high_watermarks = dir::read_high_watermarks(disk, folder)?;
        let cleaner_offsets = dir::read_cleaner_offsets(disk, folder)?;
        let known = |key: PartitionKey| {
            let opening = Opening {
                clean: dir.last_end.is_some(),
                recovery_point: recovery_points.get(&key).copied(),
                start_offset: start_offsets.get(&key).copied(),
                now: opened,
                // Without the file nothing tells a loss from an old hole of a compaction, whatever its configuration says.
                may_have_gaps: recovery_points.is_empty() || cleaner_offsets.contains_key(&key),
                ..Opening::default()
            };
            let high_watermark = high_watermarks.get(&key).copied();
            let cleaned_to = cleaner_offsets.get(&key).copied();
            (key, Known { opening, high_watermark, cleaned_to })
        };
        Ok(self.sort_folders(dir, image)?.into_iter().map(known).collect())
    }

    /// Tells apart the folders of the directory: logs of the image stay and are returned, half-deleted ones are removed,
    /// others are set aside.
    fn sort_folders(&self, dir: &LogDir, image: &MetadataImage) -> anyhow::Result<Vec<PartitionKey>> {
        let mut known = Vec::new();
        let mut deleted = Vec::new();
        let entries =
            self.disk.list(&dir.folder).with_context(|| format!("list {}", dir.folder.display()))?;
        for entry in entries.into_iter().filter(|entry| entry.is_dir) {
            let folder = dir.folder.join(&entry.name);
            if entry.name.ends_with(DELETED_SUFFIX) {
                deleted.push(folder);
                continue;
            }
            if let Some(key) = log_of_future(&entry.name).and_then(PartitionKey::of_folder) {
                dir.found_future(key, folder);
                continue;
            }
            match PartitionKey::of_folder(&entry.name) {
                Some(key) if key.topic == METADATA_TOPIC => {}
                Some(key) if self.is_replica(image, &key) => known.push(key),
                Some(key) => self.set_aside(dir, &key, &folder)?,
                None => {}
            }
        }
        deleted.into_iter().for_each(|folder| self.condemned.add(folder, 0));
        Ok(known)
    }

    fn is_replica(&self, image: &MetadataImage, key: &PartitionKey) -> bool {
        let partition = image.partition(&key.topic, key.index);
        partition.is_some_and(|partition| partition.replicas.contains(&self.node_id))
    }

    /// Kafka deletes such logs; here an operator's mistake with volumes must not cost data.
    pub(super) fn set_aside(&self, dir: &LogDir, key: &PartitionKey, folder: &Path) -> anyhow::Result<()> {
        let target = dir.folder.join(format!("{key}.{}{STRAY_SUFFIX}", Uuid::new_v4().simple()));
        tracing::warn!(log = %key, folder = %target.display(), "set aside a log that the metadata does not know");
        self.disk.rename(folder, &target).with_context(|| format!("rename {}", folder.display()))
    }
}
