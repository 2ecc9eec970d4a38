//! A log on its way to another directory of this broker (KIP-113): a copy beside the log is filled from it, and takes its
//! place once it holds all of it and the controller knows where it will be (KIP-858).
//!
//! | step | who | holds |
//! |---|---|---|
//! | begin: the copy is opened in a folder `<topic>-<partition>.<unique>-future` | AlterReplicaLogDirs, the start | the copy |
//! | copy: some batches go over as they are | a mover | the copy |
//! | cut: what is cut off the log is cut off the copy, or the copy begins anew | a follower | the log, the copy |
//! | promote: the folder of the copy gets the name of the log's | a mover | the right to compact, the folder, the log, the copy |
//!
//! The producers, the high watermark and the followers of a leader are those of the partition; a promotion leaves them.
//! Who reads the former log meanwhile may find its files gone, which it is told as KAFKA_STORAGE_ERROR.
//!
//! Source: `ReplicaAlterLogDirsThread` and `Partition.maybeReplaceCurrentWithFutureReplica` of Apache Kafka.

use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use milena_protocol::Uuid;
use milena_protocol::records::{RecordBatch, batches};
use milena_storage::{Disk, Log, Opening, Placed, ReadLimits, StorageError, dir};

use super::open::entries;
use super::{Partition, log_config, now};
use crate::partitions::LogDir;

/// Bytes that one step copies.
const STEP_BYTES: usize = 1 << 20;

/// The copy.
pub(super) struct Future {
    log: Log,
    dir: Arc<LogDir>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes went over; there may be more.
    Copied(usize),
    /// The copy held all of the log a moment ago.
    CaughtUp,
    /// There is no copy.
    Gone,
}

/// What clients are told of a copy.
pub(crate) struct FutureLog {
    pub(crate) dir: Arc<LogDir>,
    pub(crate) size_bytes: u64,
    /// Offsets that it is behind.
    pub(crate) lag: i64,
}

impl Partition {
    /// Opens the copy in `folder`, which is in `home`, or makes it.
    pub(crate) fn begin_move(
        &self,
        disk: &Arc<dyn Disk>,
        home: &Arc<LogDir>,
        folder: &Path,
    ) -> Result<(), StorageError> {
        let mut future = self.future();
        let opening = Opening {
            clean: true,
            start_offset: Some(self.log().start_offset()),
            now: now(),
            may_have_gaps: true,
            ..Opening::default()
        };
        let log = Log::open(disk.clone(), folder, log_config(&self.config.load()), opening)?;
        dir::write_topic_id(&**disk, folder, self.topic_id)?;
        *future = Some(Future { log, dir: home.clone() });
        Ok(())
    }

    /// The directory of the copy.
    pub(crate) fn future_dir(&self) -> Option<Arc<LogDir>> {
        self.future().as_ref().map(|future| future.dir.clone())
    }

    /// What there is of the copy.
    pub(crate) fn future_log(&self) -> Option<FutureLog> {
        self.future().as_ref().map(|future| FutureLog {
            dir: future.dir.clone(),
            size_bytes: future.log.size_bytes(),
            lag: (self.log().end_offset() - future.log.end_offset()).max(0),
        })
    }

    /// Ends the move and gives the folder of the copy to `take`.
    pub(crate) fn end_move<T>(&self, take: impl FnOnce(&LogDir, &Path) -> T) -> Option<T> {
        let future = self.future().take()?;
        future.log.retire();
        Some(take(&future.dir, future.log.folder()))
    }

    /// Copies some of what the copy lacks. Blocks.
    pub(crate) fn copy_some(&self) -> Result<Step, StorageError> {
        let guard = self.future();
        let Some(future) = guard.as_ref() else { return Ok(Step::Gone) };
        let log = self.log();
        let (start, end) = (log.start_offset(), log.end_offset());
        if future.log.end_offset() < start {
            future.log.truncate_fully(start)?;
        }
        let from = future.log.end_offset();
        if from >= end {
            return Ok(Step::CaughtUp);
        }
        let limits = ReadLimits { end_offset: end, bytes_max: STEP_BYTES, at_least_one: true };
        let bytes = log.read(from, limits)?.into_bytes();
        let bytes =
            bytes.map_err(|source| StorageError::Io { action: "read", path: log.folder().into(), source })?;
        let copied = bytes.len();
        for batch in batches(bytes).map_while(Result::ok) {
            if batch.header().next_offset() > from {
                future.append(&batch)?;
            }
        }
        for aborted in log.aborted_transactions(from, future.log.end_offset())? {
            if (from..future.log.end_offset()).contains(&aborted.last_offset) {
                future.log.append_aborted(&aborted)?;
            }
        }
        Ok(if future.log.end_offset() > from { Step::Copied(copied) } else { Step::CaughtUp })
    }

    /// Cuts the copy off where the log was. The caller has cut the log, under its lock.
    pub(super) fn cut_future(&self) -> Result<(), StorageError> {
        let Some(future) = &*self.future() else { return Ok(()) };
        let (start, end) = (self.log().start_offset(), self.log().end_offset());
        if future.log.start_offset() > end || future.log.end_offset() < start {
            return future.log.truncate_fully(start);
        }
        future.log.truncate_to(end).map(|_| ())
    }

    /// Puts the copy in the place of the log, if it holds all of it. `renamed` is where the former folder goes, within its
    /// directory. Yields the former directory. Blocks; appends wait meanwhile.
    pub(crate) fn promote(
        &self,
        disk: &Arc<dyn Disk>,
        renamed: &str,
    ) -> Result<Option<Arc<LogDir>>, StorageError> {
        // Most of it is synced before anybody has to wait.
        if let Some(future) = &*self.future() {
            future.log.flush()?;
        }
        let Some(_claim) = self.claim() else { return Ok(None) };
        let is_retired = self.is_retired.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.lock();
        let mut guard = self.future();
        let (Some(future), former) = (guard.as_ref(), self.log.load_full()) else { return Ok(None) };
        if *is_retired || future.log.end_offset() != former.end_offset() {
            return Ok(None);
        }
        future.log.advance_start(former.start_offset())?;
        future.log.write_producer_snapshot(future.log.end_offset(), &entries(&state))?;
        future.log.close()?;
        let log = self.reopen(disk, future, &former)?;
        let home = self.dir.swap(future.dir.clone());
        self.log.store(Arc::new(log));
        *guard = None;
        former.retire();
        let renamed = home.folder.join(renamed);
        if let Err(source) = disk.rename(former.folder(), &renamed) {
            // The next start finds two, of which the record names the other.
            home.health.report(&StorageError::Io { action: "rename", path: renamed, source });
        }
        self.publish(&state);
        Ok(Some(home))
    }

    /// Gives the folder of the copy the name of the log's, and opens it there; or leaves it as it is.
    fn reopen(&self, disk: &Arc<dyn Disk>, future: &Future, former: &Log) -> Result<Log, StorageError> {
        let name = former.folder().file_name().unwrap_or_default();
        let (from, to) = (future.log.folder(), future.dir.folder.join(name));
        let moved = |source| StorageError::Io { action: "rename", path: to.clone(), source };
        disk.rename(from, &to).map_err(moved)?;
        disk.sync_dir(&future.dir.folder).map_err(moved)?;
        let opening = Opening {
            clean: true,
            recovery_point: Some(former.end_offset()),
            start_offset: Some(former.start_offset()),
            now: now(),
            may_have_gaps: true,
            ..Opening::default()
        };
        let opened = Log::open(disk.clone(), &to, log_config(&self.config.load()), opening);
        if opened.is_err() && disk.rename(&to, from).is_err() {
            future.dir.health.fail("a log that took its place there cannot be opened");
        }
        opened
    }

    fn future(&self) -> MutexGuard<'_, Option<Future>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future {
    fn append(&self, batch: &RecordBatch) -> Result<(), StorageError> {
        let header = batch.header();
        let (base_offset, leader_epoch) = (header.base_offset, header.leader_epoch);
        self.log.append(&[Placed { batch, base_offset, leader_epoch }], now()).map(|_| ())
    }
}

/// The name of the folder of a copy; `unique` keeps it apart from others.
pub(crate) fn future_folder(log: &str, unique: Uuid) -> String {
    format!("{log}.{}{FUTURE_SUFFIX}", unique.simple())
}

/// The name of the log of which a folder of this name is a copy.
pub(crate) fn log_of_future(name: &str) -> Option<&str> {
    name.strip_suffix(FUTURE_SUFFIX)?.rsplit_once('.').map(|(log, _)| log)
}

/// Ending of the folder of a copy.
const FUTURE_SUFFIX: &str = "-future";
