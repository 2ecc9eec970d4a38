//! Deletion: of records at the start of logs, as clients ask for it; of the files of logs and segments, when their time
//! is over.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use milena_protocol::{ErrorCode, Offset, Timestamp};

use super::Partitions;
use crate::partition::{Partition, now};

/// Folders of deleted logs, and when each may be removed. Their names say what they are: after a crash the next start
/// finds them.
#[derive(Debug, Default)]
pub(super) struct Condemned(Mutex<Vec<(Timestamp, PathBuf)>>);

impl Condemned {
    pub(super) fn add(&self, folder: PathBuf, delay_ms: i64) {
        let due = Timestamp(now().0.saturating_add(delay_ms));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((due, folder));
    }

    fn take_due(&self, now: Timestamp) -> Vec<PathBuf> {
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        folders.extract_if(.., |(due, _)| *due <= now).map(|(_, folder)| folder).collect()
    }
}

/// Where a partition's log is to start.
#[derive(Clone)]
pub(crate) struct NewStart {
    pub(crate) partition: Arc<Partition>,
    pub(crate) offset: Offset,
}

impl Partitions {
    /// Removes the files of deleted logs and segments that waited for `file.delete.delay.ms`. Blocks.
    pub(super) fn sweep(&self) {
        for folder in self.0.condemned.take_due(now()) {
            if let Err(error) = self.0.disk.remove_dir_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove deleted log");
            }
        }
        for partition in self.all() {
            if let Err(error) = partition.sweep()
                && !partition.dir().health.report(&error)
            {
                tracing::warn!(topic = %partition.topic, partition = partition.index.0, %error, "cannot remove deleted segments");
            }
        }
    }

    /// Moves log starts and makes them durable. Yields one log start or error for each plan, in order. Blocks.
    pub(crate) fn move_starts(
        &self,
        plans: Vec<Result<NewStart, ErrorCode>>,
    ) -> Vec<Result<Offset, ErrorCode>> {
        let moved =
            |plan: Result<NewStart, ErrorCode>| plan.and_then(|new| new.partition.move_start(new.offset));
        let mut moved: Vec<_> = plans.into_iter().map(moved).collect();
        if moved.iter().any(Result::is_ok)
            && let Err(error) = self.write_start_offsets()
        {
            tracing::error!(%error, "cannot write log starts");
            for start in moved.iter_mut().filter(|start| start.is_ok()) {
                *start = Err(ErrorCode::KafkaStorageError);
            }
        }
        moved
    }
}
