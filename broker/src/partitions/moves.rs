//! Moves of replicas between the directories of this broker: AlterReplicaLogDirs (KIP-113, KIP-858).
//!
//! `num.replica.alter.log.dirs.threads` movers, by default one per directory, copy what is under way in turns, as fast as
//! `replica.alter.log.dirs.io.max.bytes.per.second` lets them. A copy that holds all of its log is told to the
//! controller; once the metadata says so it takes the place of the log. A start goes on with copies that it finds,
//! after a crash from their beginning. A wish for a replica that is not here yet is remembered until it comes.
//!
//! Source: `ReplicaManager.alterReplicaLogDirs` and `ReplicaAlterLogDirsThread` of Apache Kafka.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_core::config::broker::server;
use milena_protocol::{ErrorCode, PartitionIndex, TopicId, Uuid};
use milena_storage::{PartitionKey, StorageError, dir};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::recover::key_of;
use super::{Hosted, Inner, LogDir, Partitions, absolute};
use crate::partition::{Partition, Step, future_folder};
use crate::throttle::Throttle;

/// Pause of a mover that found nothing to do.
const PAUSE: Duration = Duration::from_millis(100);
/// Wishes that are remembered for replicas that are not here.
const WISHES_MAX: usize = 10_000;
/// The longest name a folder may have, in bytes.
const FOLDER_NAME_BYTES_MAX: usize = 255;

type Key = (TopicId, PartitionIndex);

/// What is under way.
pub(super) struct Moves {
    moving: Mutex<BTreeMap<Key, Move>>,
    /// Where replicas that are not here are to go.
    wishes: Mutex<BTreeMap<PartitionKey, Arc<LogDir>>>,
    throttle: Throttle,
}

#[derive(Clone)]
struct Move {
    partition: Arc<Partition>,
    /// The controller may know of the new place.
    is_told: bool,
}

impl Moves {
    pub(super) fn new(throttle: Throttle) -> Self {
        Self { moving: Mutex::default(), wishes: Mutex::default(), throttle }
    }

    /// The directory that was wished for, once.
    pub(super) fn take_wish(&self, key: &PartitionKey) -> Option<Arc<LogDir>> {
        self.wishes().remove(key).filter(|dir| dir.is_online())
    }

    fn moving(&self) -> MutexGuard<'_, BTreeMap<Key, Move>> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wishes(&self) -> MutexGuard<'_, BTreeMap<PartitionKey, Arc<LogDir>>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partitions {
    /// Begins to move a replica to the directory `path`, ends a move that goes elsewhere, or remembers the wish. Blocks.
    pub(crate) fn move_replica(
        &self,
        topic: &str,
        index: PartitionIndex,
        path: &str,
    ) -> Result<(), ErrorCode> {
        let key = PartitionKey { topic: topic.to_owned(), index };
        if future_folder(&key.to_string(), Uuid::nil()).len() > FOLDER_NAME_BYTES_MAX {
            return Err(ErrorCode::InvalidTopicException);
        }
        let named = self.dirs().iter().find(|dir| absolute(&dir.folder) == Path::new(path));
        let dir = named.ok_or(ErrorCode::LogDirNotFound)?;
        if !dir.is_online() {
            return Err(ErrorCode::KafkaStorageError);
        }
        if self.cordoned().contains(&dir.id) {
            return Err(ErrorCode::InvalidReplicaAssignment);
        }
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        match self.of(topic, index) {
            Ok(partition) => self.0.move_to(&partition, dir),
            Err(ErrorCode::KafkaStorageError) => Err(ErrorCode::KafkaStorageError),
            Err(_) => {
                let mut wishes = self.0.moves.wishes();
                if wishes.len() < WISHES_MAX || wishes.contains_key(&key) {
                    wishes.insert(key, dir.clone());
                }
                Err(ErrorCode::ReplicaNotAvailable)
            }
        }
    }

    /// Starts the movers, which end with `stop`.
    pub(super) fn move_in_background(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        if self.dirs().len() < 2 {
            return;
        }
        let wanted = self.0.properties.integer(&server::NUM_REPLICA_ALTER_LOG_DIRS_THREADS);
        let movers = wanted.and_then(|count| usize::try_from(count).ok()).unwrap_or(self.dirs().len());
        for _ in 0..movers {
            let (partitions, stop) = (self.clone(), stop.clone());
            crate::task::spawn(tasks.track_future(async move {
                while !stop.is_cancelled() {
                    let turn = partitions.clone();
                    let is_idle = partitions.0.moves.moving().is_empty();
                    let done = || crate::task::spawn_blocking(move || turn.move_on());
                    if !is_idle && done().await.unwrap_or(false) {
                        continue;
                    }
                    stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                }
            }));
        }
    }

    /// One turn of everything that is under way. False where nothing was copied.
    pub(super) fn move_on(&self) -> bool {
        let moving: Vec<(Key, Move)> =
            self.0.moves.moving().iter().map(|(key, it)| (*key, it.clone())).collect();
        let mut has_copied = false;
        for (key, Move { partition, is_told }) in moving {
            let Some(target) = partition.future_dir() else {
                self.0.moves.moving().remove(&key);
                continue;
            };
            if self.0.moves.throttle.is_exceeded() || target.health.check_write().is_err() {
                continue;
            }
            let stepped = partition.copy_some().and_then(|step| match step {
                Step::Copied(bytes) => {
                    self.0.moves.throttle.record(bytes);
                    has_copied = true;
                    Ok(())
                }
                Step::CaughtUp => self.settle(&partition, &target, is_told),
                Step::Gone => Ok(()),
            });
            if let Err(error) = stepped {
                self.move_failed(&partition, &error);
            }
        }
        has_copied
    }

    /// Tells the controller of a complete copy, or lets it take the place of its log when that is known.
    fn settle(&self, partition: &Arc<Partition>, target: &LogDir, is_told: bool) -> Result<(), StorageError> {
        let key = (partition.topic_id, partition.index);
        let image = self.0.hosted.load().image.clone();
        let assigned = image.partition(&partition.topic, partition.index);
        if assigned.and_then(|assigned| assigned.directory(self.0.node_id)) != Some(target.id) {
            if !is_told && let Some(moving) = self.0.moves.moving().get_mut(&key) {
                moving.is_told = true;
                self.0.assignments.submit(key, target.id);
            }
            return Ok(());
        }
        let renamed = key_of(partition).deleted_folder(Uuid::new_v4());
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(former) = partition.promote(&self.0.disk, &renamed)? else { return Ok(()) };
        self.0.moves.moving().remove(&key);
        former.loses_log();
        self.0.condemned.add(former.folder.join(renamed), partition.file_delete_delay_ms());
        let (from, to) = (former.folder.display(), target.folder.display());
        tracing::info!(topic = %partition.topic, partition = partition.index.0, %from, %to, "replica moved");
        self.0.write_checkpoints(&self.0.hosted.load())
    }

    fn move_failed(&self, partition: &Partition, error: &StorageError) {
        if partition.is_gone_with(error) {
            return;
        }
        let path = match error {
            StorageError::Io { path, .. } => path.as_path(),
            _ => Path::new(""),
        };
        let dir = self.dirs().iter().find(|dir| path.starts_with(&dir.folder));
        let of_directory = dir.is_some_and(|dir| dir.health.report(error));
        if !of_directory {
            tracing::error!(topic = %partition.topic, partition = partition.index.0, %error, "move to another log directory ends");
            let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.cancel_move(partition);
        }
    }
}

impl Inner {
    fn move_to(&self, partition: &Arc<Partition>, dir: &Arc<LogDir>) -> Result<(), ErrorCode> {
        let target = partition.future_dir();
        if target.as_ref().is_some_and(|target| Arc::ptr_eq(target, dir)) {
            return Ok(());
        }
        self.cancel_move(partition);
        if partition.is_in(dir) {
            return Ok(());
        }
        if self.dirs.all().iter().any(|dir| !dir.is_online()) {
            return Err(ErrorCode::KafkaStorageError);
        }
        let folder = dir.folder.join(future_folder(&key_of(partition).to_string(), Uuid::new_v4()));
        self.begin_move(partition, dir, &folder).map_err(|error| {
            if !dir.health.report(&error) {
                tracing::error!(topic = %partition.topic, partition = partition.index.0, %error, "cannot begin to move");
            }
            ErrorCode::KafkaStorageError
        })
    }

    fn begin_move(
        &self,
        partition: &Arc<Partition>,
        dir: &Arc<LogDir>,
        folder: &Path,
    ) -> Result<(), StorageError> {
        partition.begin_move(&self.disk, dir, folder)?;
        dir.takes_log();
        let moving = Move { partition: partition.clone(), is_told: false };
        self.moves.moving().insert((partition.topic_id, partition.index), moving);
        Ok(())
    }

    /// Ends a move, and removes the copy; the controller is told again where the log is.
    pub(super) fn cancel_move(&self, partition: &Partition) {
        let key = (partition.topic_id, partition.index);
        let moving = self.moves.moving().remove(&key);
        partition.end_move(|dir, folder| {
            dir.loses_log();
            if dir.is_online() {
                self.condemn(&key_of(partition), dir, (folder, partition.file_delete_delay_ms()));
            }
        });
        if moving.is_some_and(|moving| moving.is_told) {
            self.assignments.submit(key, partition.dir().id);
        }
    }

    fn condemn(&self, key: &PartitionKey, dir: &LogDir, (folder, delay_ms): (&Path, i64)) {
        let renamed = dir.folder.join(key.deleted_folder(Uuid::new_v4()));
        match self.disk.rename(folder, &renamed) {
            Ok(()) => self.condemned.add(renamed, delay_ms),
            Err(error) => tracing::error!(folder = %folder.display(), %error, "cannot rename log"),
        }
    }

    /// Goes on with the copies that the start found.
    pub(super) fn resume_moves(&self, hosted: &Hosted) {
        for dir in self.dirs.online() {
            for (key, folder) in dir.take_futures() {
                let topic = hosted.by_name.get(key.topic.as_str());
                let partition = topic.and_then(|topic| topic.get(&key.index));
                let is_copy = |partition: &&Arc<Partition>| self.is_copy(partition, dir, &folder);
                match partition.filter(is_copy) {
                    Some(partition) => self.resume_move(partition, dir, folder),
                    None => self.condemn(&key, dir, (&folder, 0)),
                }
            }
        }
    }

    fn is_copy(&self, partition: &Arc<Partition>, dir: &LogDir, folder: &Path) -> bool {
        let topic_id = dir::read_topic_id(&*self.disk, folder).ok().flatten();
        topic_id == Some(partition.topic_id) && !partition.is_in(dir) && partition.future_dir().is_none()
    }

    fn resume_move(&self, partition: &Arc<Partition>, dir: &Arc<LogDir>, found: PathBuf) {
        let is_whole = dir.last_end.is_some() && partition.dir().last_end.is_some();
        let mut folder = found;
        if !is_whole {
            // After a crash nobody knows whether the two are the same as far as they go.
            self.condemn(&key_of(partition), dir, (&folder, 0));
            folder = dir.folder.join(future_folder(&key_of(partition).to_string(), Uuid::new_v4()));
        }
        if let Err(error) = self.begin_move(partition, dir, &folder) {
            tracing::error!(topic = %partition.topic, partition = partition.index.0, %error, "cannot go on to move");
        }
    }
}
