//! A log: the segments of one replica in one folder, appended at one end, read anywhere, deleted at the other end.
//!
//! | call | who | blocks on |
//! |---|---|---|
//! | [`Log::append`], [`Log::truncate_to`], [`Log::delete_old`] ... | the one owner of the replica, under its lock | each other |
//! | [`Log::read`], [`Log::offset_for_timestamp`], offsets, epochs | anyone | nothing but the disk |
//! | [`Log::flush`], [`Log::checkpoint`] | anyone; the metadata log before every acknowledgement | the disk |
//!
//! Offsets are assigned by the caller: a batch is handed over together with the base offset and the leader epoch it is
//! stamped with ([`Placed`]). The log checks order and nothing else; what is inside the batches is the caller's
//! business, so that a data partition and the metadata log are the same thing here.
//!
//! Source: `UnifiedLog`, `LogSegment` and `LogLoader` of Apache Kafka, for the files and when they change.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use milena_protocol::records::{BatchHeader, RecordBatch};
use milena_protocol::{LeaderEpoch, Offset, Timestamp};

use crate::disk::Disk;
use crate::error::StorageError;
use crate::segment::Segment;
use condemned::Condemned;

mod append;
mod clean;
mod condemned;
mod epochs;
mod flush;
mod listing;
mod read;
mod recover;
mod retain;
mod summary;

pub use clean::{CleanRules, Cleaned, Cleaning, Group, LastBatch, Pace};
pub use epochs::EpochStart;
pub use read::{ReadLimits, TimestampedOffset};
pub use retain::Retention;
pub use summary::{SegmentSummary, SegmentTimes};

/// How a log is cut into segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it grows beyond this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment is rolled when its first record is older than this.
    pub segment_age_ms_max: i64,
    /// `index.interval.bytes`: distance of index entries.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: a segment is rolled when an index would grow beyond this.
    pub index_bytes_max: u32,
    /// `segment.jitter.ms`: how much earlier a segment may be rolled for its age, so that not all are at once.
    pub segment_jitter_ms: i64,
    /// `preallocate`: a new segment's file has its full size at once.
    pub preallocate: bool,
    /// `file.delete.delay.ms`: how long files of deleted segments stay as `.deleted`; not at all where it is zero.
    pub file_delete_delay_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_age_ms_max: 7 * 24 * 3_600_000,
            index_interval_bytes: 4096,
            index_bytes_max: 10 << 20,
            segment_jitter_ms: 0,
            preallocate: false,
            file_delete_delay_ms: 0,
        }
    }
}

/// What is known about a log before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// The last stop was in order: everything on disk is whole, only the end is looked up.
    pub clean: bool,
    /// What [`Log::recovery_point`] said last before the crash; absent means that nothing is known to be durable.
    pub recovery_point: Option<Offset>,
    /// Records below this offset were deleted. It is also the base of a log that has no segment yet.
    pub start_offset: Option<Offset>,
    /// The clock, for `segment.ms`.
    pub now: Timestamp,
    /// The owner never left more than one batch unsynced, and no gap between offsets: whole batches after a damaged one
    /// are then no trace of a crash, and opening fails instead of cutting them off.
    pub one_unsynced_batch: bool,
    /// From here on the owner left more unsynced all the same, in one segment.
    pub unsynced_from: Option<Offset>,
    /// Segments need not follow each other: the log was compacted, or copied from one that was. Without this, a gap after
    /// a segment that may have held unsynced bytes is taken for a loss, and what follows it is removed.
    pub may_have_gaps: bool,
}

/// A batch and where it goes. The stamp is written in place of the batch's own first 16 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// Whole, with a valid CRC.
    pub batch: &'a RecordBatch,
    /// At or after the log end offset.
    pub base_offset: Offset,
    /// Never lower than that of the batch before.
    pub leader_epoch: LeaderEpoch,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The new log end offset.
    pub end_offset: Offset,
    /// A new segment begins at this offset. The owner may write a producer snapshot for it and flush what lies before.
    pub rolled_at: Option<Offset>,
}

/// What opening a log had to cut off after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The segment that was cut; later segments are removed.
    pub path: PathBuf,
    /// Bytes that were kept.
    pub position: u64,
    /// Bytes that were cut off this segment.
    pub bytes: u64,
    /// What was wrong with them.
    pub reason: String,
}

/// A log on disk.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// By base offset, never empty; the last one is appended to.
    segments: ArcSwap<Vec<Arc<Segment>>>,
    start_offset: AtomicI64,
    /// The records below are durable.
    durable_end: AtomicI64,
    /// So are the indexes and epochs below.
    recovery_point: AtomicI64,
    /// How often the end moved back.
    truncations: AtomicU64,
    /// Ascending in epoch and offset.
    epochs: ArcSwap<Vec<EpochStart>>,
    /// How often names were added or removed, and how many of those changes are durable.
    names_changed: AtomicU64,
    names_synced: AtomicU64,
    epochs_changed: AtomicU64,
    epochs_synced: AtomicU64,
    /// The producer snapshots that were there when the log was opened.
    snapshots: Mutex<Option<Vec<Offset>>>,
    /// Whether there is an index of aborted transactions, once somebody asked.
    pub(crate) has_aborted: Mutex<Option<bool>>,
    scanned_bytes: u64,
    repair: Option<Repair>,
    condemned: Mutex<Condemned>,
    /// A sync failed, and none succeeds any more. Held while syncing; taken before `writer`.
    has_failed: Mutex<bool>,
    /// The folder's name may belong to another log by now. Set under the lock of `writer`.
    is_retired: AtomicBool,
    writer: Mutex<Writer>,
}

/// What only appends know.
#[derive(Debug)]
struct Writer {
    config: LogConfig,
    /// Nothing was appended yet: whose log it is becomes durable before.
    is_unused: bool,
    /// The rest is that of the active segment; after a stop in order it is looked up before the first append.
    is_resumed: bool,
    /// Bytes since the last entry of the offset index.
    unindexed_bytes: u32,
    /// The largest timestamp of the active segment and the last offset of its batch.
    max_timestamp: (Timestamp, Offset),
    /// Largest timestamp of the first batch of the active segment.
    first_timestamp: Option<Timestamp>,
    /// When the active segment was made or opened.
    opened: Timestamp,
    /// The base of a segment whose roll has begun and not ended. Nothing is appended while its files are there.
    half_made: Option<Offset>,
}

impl Log {
    /// Opens the log in `folder`, makes it where there is none, and repairs it after a crash: segments that may hold
    /// unsynced bytes are read, everything from the first damaged batch on is cut off, indexes are made again.
    ///
    /// # Errors
    /// Of the disk. Damaged bytes are no error, but for `Corrupt` with [`Opening::one_unsynced_batch`].
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        config: LogConfig,
        opening: Opening,
    ) -> Result<Self, StorageError> {
        recover::open(disk, folder, config, opening)
    }

    /// The folder the log was opened in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was cut off when the log was opened.
    pub fn repair(&self) -> Option<&Repair> {
        self.repair.as_ref()
    }

    /// The first offset that can be read.
    pub fn start_offset(&self) -> Offset {
        Offset(self.start_offset.load(Ordering::Acquire))
    }

    /// The offset that the next record gets.
    pub fn end_offset(&self) -> Offset {
        self.segments.load().last().map_or(Offset(0), |segment| segment.end().offset)
    }

    /// Where the segment begins that is appended to.
    pub fn active_base_offset(&self) -> Offset {
        self.segments.load().last().map_or(Offset(0), |segment| segment.base_offset)
    }

    pub(crate) fn is_segment_base(&self, offset: Offset) -> bool {
        self.segments.load().binary_search_by_key(&offset, |segment| segment.base_offset).is_ok()
    }

    /// Bytes that were read and checked when the log was opened.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes
    }

    /// Bytes of all segments, indexes not counted.
    pub fn size_bytes(&self) -> u64 {
        self.segments.load().iter().map(|segment| u64::from(segment.end().position)).sum()
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// Changes the configuration for appends to come.
    pub fn set_config(&self, config: LogConfig) {
        self.lock().config = config;
    }

    /// Calls `see` with the header of each batch that ends after `from`, in order.
    ///
    /// # Errors
    /// Of the disk; `Corrupt`.
    pub fn headers_from(&self, from: Offset, mut see: impl FnMut(&BatchHeader)) -> Result<(), StorageError> {
        for segment in self.segments.load_full().iter() {
            let end = segment.end();
            let Some((position, _)) = segment.find(from.max(segment.base_offset), end)? else { continue };
            for found in segment.walk(position, end.position) {
                let (_, header) = found?;
                see(&header);
            }
        }
        Ok(())
    }

    /// The producer snapshots that were there when the log was opened; later calls yield nothing.
    pub(crate) fn take_listed_snapshots(&self) -> Option<Vec<Offset>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out_of_range(&self, offset: Offset) -> StorageError {
        let (start, end) = (self.start_offset(), self.end_offset());
        StorageError::OutOfRange { path: self.folder.clone(), offset, start, end }
    }
}

#[cfg(test)]
mod tests;
