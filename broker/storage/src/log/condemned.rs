//! Files of deleted segments on their way out: renamed to `.deleted` at once, removed after `file.delete.delay.ms` or
//! when the log is opened again. Readers that hold a segment go on reading.

use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};

use milena_protocol::Timestamp;

use super::Log;
use super::clean::swap::{DELETED, remove_if_there};
use crate::error::{Context, StorageError};
use crate::segment::{EXTENSIONS, Segment};

/// Files of one log that may wait; more are removed at once.
const FILES_MAX: usize = 10_000;

/// Renamed files, and since when they are known to wait.
pub(super) type Condemned = Vec<(PathBuf, Option<Timestamp>)>;

impl Log {
    /// Takes the files of `segments` out of the log. Those that were renamed before the disk refused are swept too.
    pub(super) fn condemn(&self, segments: &[Arc<Segment>]) -> Result<(), StorageError> {
        let mut renamed = Vec::new();
        // The log goes last, so that a crash in between leaves a segment whose indexes are made again.
        let mut paths =
            segments.iter().flat_map(|segment| EXTENSIONS.map(|ending| segment.path.with_extension(ending)));
        let done = paths.try_for_each(|path| {
            let target = path.with_added_extension(DELETED);
            match self.disk.rename(&path, &target) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done.context("rename", &path).map(|()| renamed.push((target, None))),
            }
        });
        let mut condemned = self.lock_condemned();
        condemned.append(&mut renamed);
        let excess = condemned.len().saturating_sub(FILES_MAX);
        let now: Vec<_> = condemned.drain(..excess).collect();
        drop(condemned);
        done.and(now.iter().try_for_each(|(path, _)| remove_if_there(&*self.disk, path)))
    }

    /// Removes files of deleted segments that waited for `file.delete.delay.ms`, counted from the first call that sees
    /// them.
    ///
    /// # Errors
    /// Of the disk. What could not be removed is left to the next opening.
    pub fn sweep(&self, now: Timestamp) -> Result<(), StorageError> {
        if self.lock_condemned().is_empty() {
            return Ok(());
        }
        let delay_ms = self.lock().config.file_delete_delay_ms;
        let is_due = |(_, since): &mut (PathBuf, Option<Timestamp>)| {
            now.ms_since(*since.get_or_insert(now)) >= delay_ms
        };
        let due: Vec<_> = self.lock_condemned().extract_if(.., is_due).collect();
        due.iter().try_for_each(|(path, _)| remove_if_there(&*self.disk, path))
    }

    /// Removes the files at once where nobody wants them to wait. The caller does not hold the lock of appends.
    pub(super) fn sweep_unless_delayed(&self) -> Result<(), StorageError> {
        let is_delayed = self.lock().config.file_delete_delay_ms > 0;
        if is_delayed { Ok(()) } else { self.sweep(Timestamp(0)) }
    }

    fn lock_condemned(&self) -> MutexGuard<'_, Condemned> {
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
