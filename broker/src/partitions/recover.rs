//! Start and stop: open every log at once, close every log at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use milena_core::metadata::{MetadataImage, TopicImage};
use milena_protocol::{Offset, PartitionIndex, Uuid};
use milena_storage::dir::{self, DELETED_SUFFIX, Offsets};
use milena_storage::{CleanShutdown, Opening, PartitionKey, StorageError};

use super::{Hosted, HostedTopic, Inner, Partitions};
use crate::partition::{Partition, now};

/// The metadata log, which is the quorum's.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Ending of the folder of a log that the metadata does not know.
const STRAY_SUFFIX: &str = "-stray";
/// Logs opened or closed at a time. They wait for the disk, not for the processor.
const WORKERS: usize = 8;

/// A log to open.
struct Job<'a> {
    topic: &'a TopicImage,
    index: PartitionIndex,
    opening: Opening,
}

impl Partitions {
    /// Opens the logs of every partition that `image` places here, after a crash with repair. To be called once, before
    /// the first `apply`.
    pub(crate) async fn recover(&self, image: &MetadataImage) -> anyhow::Result<()> {
        let (partitions, image) = (self.clone(), image.clone());
        tokio::task::spawn_blocking(move || partitions.0.recover(image)).await.context("recover logs")?
    }

    /// Makes every log durable and marks the directory clean. `broker_epoch` is the one of this run.
    pub(crate) async fn close(&self, broker_epoch: i64) -> anyhow::Result<()> {
        let partitions = self.clone();
        tokio::task::spawn_blocking(move || partitions.close_blocking(broker_epoch))
            .await
            .context("close logs")?
    }

    fn close_blocking(&self, broker_epoch: i64) -> anyhow::Result<()> {
        let (disk, folder) = (&*self.0.disk, &self.0.folder);
        let closed = in_parallel(self.all(), |partition| {
            partition.close().with_context(|| format!("close {}-{}", partition.topic, partition.index))
        });
        closed.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
        self.write_checkpoints()?;
        CleanShutdown { broker_epoch }.write(disk, folder)?;
        Ok(())
    }

    /// Writes how far each log is durable and where it starts.
    pub(super) fn write_checkpoints(&self) -> anyhow::Result<()> {
        // No change in between: what is deleted must not come back into the files.
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.0.write_checkpoints(&self.0.hosted.load())?)
    }

    /// Writes where each log starts.
    pub(super) fn write_start_offsets(&self) -> Result<(), StorageError> {
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.write_start_offsets(&self.0.hosted.load())
    }
}

pub(super) fn key_of(partition: &Partition) -> PartitionKey {
    PartitionKey { topic: partition.topic.to_string(), index: partition.index }
}

impl Hosted {
    fn offsets(&self, offset: fn(&Partition) -> Offset) -> Offsets {
        let all = self.by_id.values().flat_map(|topic| topic.values());
        all.map(|partition| (key_of(partition), offset(partition))).collect()
    }
}

impl Inner {
    /// Takes what was deleted out of the checkpoints, before a partition of the same name is there: they would give it
    /// the log start of its predecessor after a crash.
    pub(super) fn forget_checkpoints(&self, hosted: &Hosted) {
        if let Err(error) = self.write_checkpoints(hosted) {
            tracing::error!(%error, "cannot take a deleted log out of the checkpoints");
        }
    }

    fn write_checkpoints(&self, hosted: &Hosted) -> Result<(), StorageError> {
        dir::write_recovery_points(&*self.disk, &self.folder, &hosted.offsets(Partition::recovery_point))?;
        self.write_start_offsets(hosted)
    }

    fn write_start_offsets(&self, hosted: &Hosted) -> Result<(), StorageError> {
        dir::write_start_offsets(&*self.disk, &self.folder, &hosted.offsets(Partition::log_start_offset))
    }

    fn recover(&self, image: MetadataImage) -> anyhow::Result<()> {
        let started = now();
        let known = self.sort_folders(&image)?;
        let recovery_points = dir::read_recovery_points(&*self.disk, &self.folder)?;
        let start_offsets = dir::read_start_offsets(&*self.disk, &self.folder)?;
        let opening = |key: &PartitionKey| Opening {
            clean: self.is_clean,
            recovery_point: recovery_points.get(key).copied(),
            start_offset: start_offsets.get(key).copied(),
            now: started,
            ..Opening::default()
        };
        let mut jobs = Vec::new();
        for topic in image.topics() {
            for (index, _) in topic.partitions().filter(|(_, image)| image.replicas.contains(&self.node_id)) {
                let key = PartitionKey { topic: topic.name.to_string(), index };
                let opening = if known.contains(&key) { opening(&key) } else { Opening::default() };
                jobs.push(Job { topic, index, opening });
            }
        }
        let count = jobs.len();
        let opened = in_parallel(jobs, |job| {
            self.open_partition(&image, job.topic, job.index, job.opening)
                .with_context(|| format!("open {}-{}", job.topic.name, job.index))
        });
        let mut hosted = Hosted { image: image.clone(), ..Hosted::default() };
        let mut partitions = opened.into_iter().collect::<anyhow::Result<Vec<Partition>>>()?;
        partitions.sort_by(|a, b| (&a.topic, a.index).cmp(&(&b.topic, b.index)));
        for topic in image.topics() {
            let here: HostedTopic = partitions
                .extract_if(.., |partition| partition.topic_id == topic.id)
                .map(|partition| (partition.index, Arc::new(partition)))
                .collect();
            for (index, image) in topic.partitions() {
                here.get(&index).into_iter().for_each(|partition| self.take_role(partition, image));
            }
            hosted.put(topic, here);
        }
        self.hosted.store(Arc::new(hosted));
        let elapsed_ms = now().ms_since(started);
        tracing::info!(partitions = count, clean = self.is_clean, elapsed_ms, "logs opened");
        Ok(())
    }

    /// Tells apart the folders of the directory: logs of the image stay and are returned, half-deleted ones are removed,
    /// others are set aside.
    fn sort_folders(&self, image: &MetadataImage) -> anyhow::Result<BTreeSet<PartitionKey>> {
        let mut known = BTreeSet::new();
        let mut deleted = Vec::new();
        let entries =
            self.disk.list(&self.folder).with_context(|| format!("list {}", self.folder.display()))?;
        for entry in entries.into_iter().filter(|entry| entry.is_dir) {
            let folder = self.folder.join(&entry.name);
            if entry.name.ends_with(DELETED_SUFFIX) {
                deleted.push(folder);
                continue;
            }
            match PartitionKey::of_folder(&entry.name) {
                Some(key) if key.topic == METADATA_TOPIC => {}
                Some(key) if self.belongs_here(image, &key, &folder)? => drop(known.insert(key)),
                Some(key) => self.set_aside(&key, &folder)?,
                None => {}
            }
        }
        self.remove_folders(deleted);
        Ok(known)
    }

    fn belongs_here(&self, image: &MetadataImage, key: &PartitionKey, folder: &Path) -> anyhow::Result<bool> {
        let Some(topic) = image.topic(&key.topic) else { return Ok(false) };
        let is_replica =
            topic.partition(key.index).is_some_and(|partition| partition.replicas.contains(&self.node_id));
        // A crash may come between the folder and the file that names the topic's id; there are no records then.
        let same_topic = dir::read_topic_id(&*self.disk, folder)?.is_none_or(|id| id == topic.id);
        Ok(is_replica && same_topic)
    }

    /// Kafka deletes such logs; here an operator's mistake with volumes must not cost data.
    pub(super) fn set_aside(&self, key: &PartitionKey, folder: &Path) -> anyhow::Result<()> {
        let target = self.folder.join(format!("{key}.{}{STRAY_SUFFIX}", Uuid::new_v4().simple()));
        tracing::warn!(log = %key, folder = %target.display(), "set aside a log that the metadata does not know");
        self.disk.rename(folder, &target).with_context(|| format!("rename {}", folder.display()))
    }
}

/// Does `work` on every item, a few at a time; the results are in no order.
fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let workers = WORKERS.min(items.len());
    let queue = Mutex::new(items);
    let results = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = next() {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}
