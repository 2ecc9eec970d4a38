//! The segment that a cleaning writes: batches go to `.log.cleaned`, indexes wait in memory until the swap.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::records::{BatchHeader, RecordBatch};
use milena_protocol::{Offset, Timestamp};

use super::Group;
use crate::aborted::AbortedTransaction;
use crate::disk::{Disk, DiskFile, Open};
use crate::error::{Context, StorageError};
use crate::index::{Entry, OffsetEntry, TimeEntry};
use crate::log::Log;
use crate::segment::{Segment, segment_path};
use crate::{aborted, segment};

/// Ending of the names of a segment that is being written.
pub(super) const CLEANED: &str = "cleaned";
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// What stays of a group of segments.
#[derive(Debug)]
pub struct Cleaned {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) base_offset: Offset,
    /// The base of the segment that follows.
    pub(super) end: Offset,
    pub(super) size: u32,
    pub(super) max_timestamp: (Timestamp, Offset),
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    index_interval_bytes: u32,
    unindexed_bytes: u32,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    aborted: Vec<AbortedTransaction>,
    error: Option<StorageError>,
}

impl Log {
    /// Makes the file that takes what stays of `group`. No other cleaning of this log may be under way.
    ///
    /// # Errors
    /// Of the disk.
    pub fn begin_cleaned(&self, group: &Group) -> Result<Cleaned, StorageError> {
        let base_offset = group.base_offset();
        let path = cleaned_path(self, base_offset, "log");
        let file = self.disk().open(&path, Open::Create).context("make", &path)?;
        file.set_len(0).context("cut", &path)?;
        Ok(Cleaned {
            segments: group.segments.clone(),
            base_offset,
            end: group.end,
            size: 0,
            max_timestamp: (Timestamp(-1), Offset(-1)),
            path,
            file,
            waiting: Vec::new(),
            waiting_bytes: 0,
            index_interval_bytes: self.lock().config.index_interval_bytes,
            unindexed_bytes: 0,
            offsets: Vec::new(),
            times: Vec::new(),
            aborted: Vec::new(),
            error: None,
        })
    }
}

pub(super) fn cleaned_path(log: &Log, base_offset: Offset, extension: &str) -> PathBuf {
    segment_path(log.folder(), base_offset, extension).with_added_extension(CLEANED)
}

impl Cleaned {
    /// Bytes of what stays, and of what there was.
    pub fn sizes(&self) -> (u64, u64) {
        let before = self.segments.iter().map(|segment| u64::from(segment.end().position)).sum();
        (self.size.into(), before)
    }

    /// Adds a batch and an aborted transaction. False after a write that failed; [`Cleaned::write`] says why.
    pub(super) fn push(&mut self, batch: Option<RecordBatch>, aborted: Option<AbortedTransaction>) -> bool {
        self.aborted.extend(aborted);
        if let Some(batch) = batch {
            self.index(batch.header());
            self.waiting_bytes += batch.size_bytes();
            self.waiting.push(batch.into_bytes());
        }
        if self.waiting_bytes >= WRITE_BYTES {
            self.error = self.write_waiting().err();
        }
        self.error.is_none()
    }

    fn index(&mut self, header: &BatchHeader) {
        let (position, last_offset) = (self.size, header.last_offset());
        if header.max_timestamp > self.max_timestamp.0 {
            self.max_timestamp = (header.max_timestamp, last_offset);
        }
        if self.unindexed_bytes > self.index_interval_bytes {
            if let Some(relative_offset) = self.relative(last_offset) {
                self.offsets.push(OffsetEntry { relative_offset, position });
            }
            self.index_time();
            self.unindexed_bytes = 0;
        }
        let size = segment::batch_size(header);
        self.unindexed_bytes = self.unindexed_bytes.saturating_add(size);
        // A position beyond a segment's limit is refused when it is written.
        self.size = self.size.saturating_add(size);
    }

    /// Writes what waits.
    pub(super) fn write(&mut self) -> Result<(), StorageError> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.write_waiting(),
        }
    }

    fn write_waiting(&mut self) -> Result<(), StorageError> {
        if i32::try_from(self.size).is_err() {
            return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge)).context("write", &self.path);
        }
        let parts: Vec<&[u8]> = self.waiting.iter().map(|bytes| &bytes[..]).collect();
        let position = u64::from(self.size) - self.waiting_bytes as u64;
        self.file.write_all_at(&parts, position).context("write", &self.path)?;
        self.waiting_bytes = 0;
        drop(mem::take(&mut self.waiting));
        Ok(())
    }

    /// Makes the batches durable. The segment counts as written when the newest of its group was.
    pub(super) fn finish(&mut self, modified: Option<Timestamp>) -> Result<(), StorageError> {
        self.write()?;
        self.index_time();
        self.file.sync().context("sync", &self.path)?;
        modified.map_or(Ok(()), |at| self.file.set_modified(at)).context("date", &self.path)
    }

    /// Writes the indexes beside the log. The caller keeps the folder.
    ///
    /// # Errors
    /// Of the disk. The output is then to be discarded.
    pub fn write_indexes(&self, log: &Log) -> Result<(), StorageError> {
        self.write_index(log, OffsetEntry::EXTENSION, &encoded(&self.offsets))?;
        self.write_index(log, TimeEntry::EXTENSION, &encoded(&self.times))?;
        if !self.aborted.is_empty() {
            let entries: Vec<u8> = self.aborted.iter().flat_map(aborted::encode).collect();
            self.write_index(log, aborted::EXTENSION, &entries)?;
        }
        Ok(())
    }

    /// Of all files, the log last.
    pub(super) fn extensions(&self) -> Vec<&'static str> {
        let aborted = (!self.aborted.is_empty()).then_some(aborted::EXTENSION);
        [OffsetEntry::EXTENSION, TimeEntry::EXTENSION].into_iter().chain(aborted).chain(["log"]).collect()
    }

    fn write_index(&self, log: &Log, extension: &str, contents: &[u8]) -> Result<(), StorageError> {
        let path = cleaned_path(log, self.base_offset, extension);
        let write = |disk: &dyn Disk| {
            let file = disk.open(&path, Open::Create)?;
            file.set_len(0)?;
            file.write_all_at(&[contents], 0)?;
            file.sync()
        };
        write(log.disk()).context("write", &path)
    }

    fn index_time(&mut self) {
        let (timestamp, offset) = self.max_timestamp;
        let last = self.times.last().map_or(-1, |entry| entry.timestamp);
        if let Some(relative_offset) = self.relative(offset).filter(|_| timestamp.0 > last) {
            self.times.push(TimeEntry { timestamp: timestamp.0, relative_offset });
        }
    }

    fn relative(&self, offset: Offset) -> Option<u32> {
        u32::try_from(offset - self.base_offset).ok()
    }
}

fn encoded<E: Entry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::SIZE);
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    bytes
}
