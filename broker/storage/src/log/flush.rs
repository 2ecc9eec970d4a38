//! What makes a log durable, and how far a crash makes the next start read.
//!
//! | call | syncs | moves |
//! |---|---|---|
//! | [`Log::flush`] | records; of finished segments the indexes too | the durable end; the recovery point to the active segment |
//! | [`Log::checkpoint`] | the active segment's indexes as well | the recovery point to the end |
//!
//! A recovery point promises more than records: the start after a crash trusts indexes and epochs below it.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use milena_protocol::Offset;

use super::{Log, epochs};
use crate::aborted;
use crate::error::{Context, StorageError};
use crate::index::{Index, OffsetEntry, TimeEntry};

impl Log {
    /// The records below are durable.
    pub fn durable_end(&self) -> Offset {
        Offset(self.durable_end.load(Ordering::Acquire))
    }

    /// Where the start after a crash begins to read, if this is given to it.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.recovery_point.load(Ordering::Acquire))
    }

    /// Bytes of the active segment that the start after a crash would have to read.
    pub fn unchecked_bytes(&self) -> u32 {
        self.segments.load().last().map_or(0, |active| active.unchecked_bytes())
    }

    /// Makes everything that was appended before the call durable.
    ///
    /// # Errors
    /// Of the disk. What was not durable before must be taken as lost after a failed sync, and every later call fails.
    pub fn flush(&self) -> Result<(), StorageError> {
        self.syncing(|| self.flush_alone())
    }

    /// One at a time, and none after one that failed: the kernel reports a failed write once, to whoever syncs next.
    pub(super) fn syncing(
        &self,
        sync: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut has_failed = self.has_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_failed {
            return Err(io::Error::other("an earlier sync failed")).context("sync", &self.folder);
        }
        let done = sync();
        *has_failed = done.as_ref().is_err_and(StorageError::is_sync);
        done
    }

    fn flush_alone(&self) -> Result<(), StorageError> {
        let truncations = self.truncations.load(Ordering::Acquire);
        let (durable, indexed) = (self.durable_end(), self.recovery_point());
        let segments = self.segments.load_full();
        let Some((active, finished)) = segments.split_last() else { return Ok(()) };
        let end = active.end().offset;
        for segment in finished.iter().filter(|segment| segment.end().offset > indexed) {
            // Its records may be durable, but not that the file ends with them.
            segment.sync()?;
            segment.offsets.sync()?;
            segment.times.sync()?;
            aborted::sync(&*self.disk, &segment.path.with_extension(aborted::EXTENSION))?;
        }
        if end > durable {
            active.sync()?;
        }
        self.sync_names()?;
        if active.base_offset > indexed {
            self.sync_epochs()?;
            self.reach(&self.recovery_point, active.base_offset, truncations);
        }
        self.reach(&self.durable_end, end, truncations);
        Ok(())
    }

    /// [`Log::flush`], and moves the recovery point to the end that the log had when this was called.
    ///
    /// # Errors
    /// As there.
    pub fn checkpoint(&self) -> Result<(), StorageError> {
        self.syncing(|| self.checkpoint_with(Index::sync_written, Index::sync_written))
    }

    fn checkpoint_with(
        &self,
        sync_offsets: fn(&Index<OffsetEntry>) -> Result<(), StorageError>,
        sync_times: fn(&Index<TimeEntry>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let truncations = self.truncations.load(Ordering::Acquire);
        let (active, end) = {
            let mut writer = self.lock();
            let active = self.active();
            writer.resume_once(&active)?;
            // Entries that come later are those of later batches.
            writer.seal(&active)?;
            let end = active.end();
            (active, end)
        };
        self.flush_alone()?;
        sync_offsets(&active.offsets)?;
        sync_times(&active.times)?;
        aborted::sync(&*self.disk, &active.path.with_extension(aborted::EXTENSION))?;
        self.sync_epochs()?;
        active.set_checkpointed(end.position);
        self.reach(&self.recovery_point, end.offset, truncations);
        Ok(())
    }

    /// Flushes and brings the active segment's indexes to disk. The log can then be opened as `clean`.
    ///
    /// # Errors
    /// Of the disk.
    pub fn close(&self) -> Result<(), StorageError> {
        if !self.was_written() {
            return Ok(());
        }
        let is_empty = self.size_bytes() == 0 && self.segment_count() == 1;
        if is_empty && self.recovery_point() == self.end_offset() {
            return self.flush();
        }
        self.active().cut_excess()?;
        self.syncing(|| self.checkpoint_with(Index::sync, Index::sync))
    }

    /// Writes everything that [`Log::close`] would, and syncs nothing: for an owner of many logs, who syncs the disk as a
    /// whole and then calls [`Log::finished`]. Nothing may be appended in between.
    ///
    /// # Errors
    /// Of the disk.
    pub fn finish(&self) -> Result<(), StorageError> {
        if self.was_written() {
            let mut writer = self.lock();
            let active = self.active();
            writer.resume_once(&active)?;
            writer.seal(&active)?;
            active.cut_excess()?;
            active.offsets.cut_excess()?;
            active.times.cut_excess()?;
        }
        Ok(())
    }

    /// Takes in that everything is durable: the disk was synced after [`Log::finish`].
    pub fn finished(&self) {
        let end = self.end_offset();
        for point in [&self.durable_end, &self.recovery_point] {
            point.store(end.0, Ordering::Release);
        }
        self.names_synced.store(self.names_changed.load(Ordering::Acquire), Ordering::Release);
        self.epochs_synced.store(self.epochs_changed.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether anything was appended or removed, or had to be read, since the log was opened as `clean`.
    pub fn was_written(&self) -> bool {
        self.lock().is_resumed
    }

    /// Gives the folder's name up, which may go to another log. A flush that runs or comes later leaves its epochs alone.
    pub fn retire(&self) {
        let _writer = self.lock();
        self.is_retired.store(true, Ordering::Release);
    }

    /// Whether [`Log::retire`] was called. What is missing from then on is no loss.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Moves `point` up to `offset`, unless the log was cut meanwhile: what is below may then be other records.
    fn reach(&self, point: &AtomicI64, offset: Offset, truncations: u64) {
        let _writer = self.lock();
        if self.truncations.load(Ordering::Acquire) == truncations {
            point.fetch_max(offset.0, Ordering::AcqRel);
        }
    }

    /// A change counts as durable once its sync has ended well. To be called by [`Log::syncing`].
    pub(super) fn sync_names(&self) -> Result<(), StorageError> {
        once(&self.names_changed, &self.names_synced, || {
            self.disk.sync_dir(&self.folder).context("sync folder", &self.folder)?;
            match self.folder.parent() {
                Some(parent) => self.disk.sync_dir(parent).context("sync folder", parent),
                None => Ok(()),
            }
        })
    }

    fn sync_epochs(&self) -> Result<(), StorageError> {
        once(&self.epochs_changed, &self.epochs_synced, || {
            // A change in between writes the file again, and would be undone.
            let _writer = self.lock();
            if self.is_retired() {
                return Ok(());
            }
            epochs::save(&*self.disk, &self.folder, &self.epochs.load(), true)
        })
    }
}

/// Does `sync` where something changed that no sync has covered.
fn once(
    changed: &AtomicU64,
    synced: &AtomicU64,
    sync: impl FnOnce() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let change = changed.load(Ordering::Acquire);
    if synced.load(Ordering::Acquire) < change {
        sync()?;
        synced.fetch_max(change, Ordering::AcqRel);
    }
    Ok(())
}
