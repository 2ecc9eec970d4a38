//! One segment of a log: a file of batches and its two sparse indexes, named after the first offset.
//!
//! The part that readers may see is one atomic: how many bytes, and which offset follows them. It moves after the
//! bytes are written, so a reader needs no lock and a write that failed half way is never seen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use milena_protocol::records::BatchHeader;
use milena_protocol::{Offset, Records, Timestamp};

use crate::disk::{Disk, DiskFile, Open};
use crate::error::{Context, StorageError};
use crate::index::{Index, OffsetEntry, TimeEntry};

pub(crate) mod scan;

use scan::HeaderWalk;

/// The largest timestamp was not looked up yet.
const TIMESTAMP_UNREAD: i64 = i64::MIN;

/// The files of a segment as its folder lists them; sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedSegment {
    pub(crate) base_offset: Offset,
    pub(crate) log_bytes: u64,
    pub(crate) index_bytes: Option<u64>,
    pub(crate) time_index_bytes: Option<u64>,
}

/// Endings of a segment's files, the one that makes it a segment last.
pub(crate) const EXTENSIONS: [&str; 4] = ["index", "timeindex", "txnindex", "log"];

/// What readers may see of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    /// Bytes of whole batches.
    pub(crate) position: u32,
    /// The offset that follows the last of them.
    pub(crate) offset: Offset,
}

/// A segment. One writer, any number of readers.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: Offset,
    pub(crate) path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Relative end offset in the upper half, end position in the lower.
    end: AtomicU64,
    max_timestamp: AtomicI64,
    /// Bytes at its beginning that a crash does not make the next start read.
    checkpointed: AtomicU32,
    pub(crate) offsets: Index<OffsetEntry>,
    pub(crate) times: Index<TimeEntry>,
}

impl Segment {
    /// Opens or makes the files of the segment. The end is set by the caller, who knows or finds it.
    pub(crate) fn open(disk: &dyn Disk, folder: &Path, base_offset: Offset) -> Result<Self, StorageError> {
        let path = segment_path(folder, base_offset, "log");
        let file = disk.open(&path, Open::Create).context("open segment", &path)?;
        let indexes = (Index::open(disk, &path)?, Index::open(disk, &path)?);
        Ok(Self::new(base_offset, path, file, indexes))
    }

    /// Makes the files of a new segment. What a crash or a failed roll left of another one of the name is cut off.
    pub(crate) fn make(disk: &dyn Disk, folder: &Path, base_offset: Offset) -> Result<Self, StorageError> {
        let segment = Self::open(disk, folder, base_offset)?;
        segment.set_end(SegmentEnd { position: 0, offset: base_offset });
        segment.cut_to_end()?;
        segment.offsets.truncate(|_| false)?;
        segment.times.truncate(|_| false)?;
        Ok(segment)
    }

    /// A segment that was seen in its folder. Its files are not touched before they are used.
    pub(crate) fn listed(
        disk: &dyn Disk,
        folder: &Path,
        listed: &ListedSegment,
    ) -> Result<Self, StorageError> {
        let (Some(index), Some(time_index)) = (listed.index_bytes, listed.time_index_bytes) else {
            return Self::open(disk, folder, listed.base_offset);
        };
        let path = segment_path(folder, listed.base_offset, "log");
        let file = disk.open(&path, Open::Listed).context("open segment", &path)?;
        let indexes = (Index::listed(disk, &path, index)?, Index::listed(disk, &path, time_index)?);
        Ok(Self::new(listed.base_offset, path, file, indexes))
    }

    fn new(
        base_offset: Offset,
        path: PathBuf,
        file: Arc<dyn DiskFile>,
        (offsets, times): (Index<OffsetEntry>, Index<TimeEntry>),
    ) -> Self {
        let (end, max_timestamp) = (AtomicU64::new(0), AtomicI64::new(-1));
        let checkpointed = AtomicU32::new(0);
        Self { base_offset, path, file, end, max_timestamp, checkpointed, offsets, times }
    }

    pub(crate) fn end(&self) -> SegmentEnd {
        let packed = self.end.load(Ordering::Acquire);
        let offset = self.base_offset + i64::from((packed >> 32) as u32);
        SegmentEnd { position: packed as u32, offset }
    }

    pub(crate) fn set_end(&self, end: SegmentEnd) {
        let relative = u32::try_from(end.offset - self.base_offset).unwrap_or(u32::MAX);
        self.end.store(u64::from(relative) << 32 | u64::from(end.position), Ordering::Release);
    }

    /// The largest timestamp of the segment, -1 if there is none.
    pub(crate) fn max_timestamp(&self) -> Result<Timestamp, StorageError> {
        let known = self.max_timestamp.load(Ordering::Acquire);
        if known != TIMESTAMP_UNREAD {
            return Ok(Timestamp(known));
        }
        // A finished segment's last entry of the time index has it. An append in between knows better.
        let last = self.times.last()?.map_or(-1, |entry| entry.timestamp);
        let unread = (TIMESTAMP_UNREAD, Ordering::AcqRel, Ordering::Acquire);
        let known = self.max_timestamp.compare_exchange(unread.0, last, unread.1, unread.2);
        Ok(Timestamp(known.map_or_else(|newer| newer, |_| last)))
    }

    /// Leaves the largest timestamp to be looked up when it is asked for.
    pub(crate) fn leave_max_timestamp(&self) {
        self.max_timestamp.store(TIMESTAMP_UNREAD, Ordering::Release);
    }

    /// Bytes since the last checkpoint.
    pub(crate) fn unchecked_bytes(&self) -> u32 {
        self.end().position.saturating_sub(self.checkpointed.load(Ordering::Relaxed))
    }

    pub(crate) fn set_checkpointed(&self, position: u32) {
        self.checkpointed.store(position, Ordering::Relaxed);
    }

    pub(crate) fn set_max_timestamp(&self, timestamp: Timestamp) {
        self.max_timestamp.store(timestamp.0, Ordering::Release);
    }

    /// Writes bytes after the end. Readers do not see them before [`Segment::set_end`].
    pub(crate) fn write(&self, parts: &[&[u8]], position: u32) -> Result<(), StorageError> {
        self.file.write_all_at(parts, position.into()).context("append to", &self.path)
    }

    /// Grows the file, so that the file system can lay it out at once.
    pub(crate) fn reserve(&self, bytes: u32) -> Result<(), StorageError> {
        self.file.set_len(bytes.into()).context("grow", &self.path)
    }

    /// Cuts the file to the bytes that readers see.
    pub(crate) fn cut_to_end(&self) -> Result<(), StorageError> {
        self.file.set_len(self.end().position.into()).context("cut", &self.path)
    }

    /// Cuts off what an append that failed may have left: once the segment is finished, its size is its end.
    pub(crate) fn cut_excess(&self) -> Result<(), StorageError> {
        if self.file_size()? > self.end().position.into() { self.cut_to_end() } else { Ok(()) }
    }

    pub(crate) fn file_size(&self) -> Result<u64, StorageError> {
        self.file.len().context("measure", &self.path)
    }

    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.file.sync().context("sync", &self.path)
    }

    pub(crate) fn slice(&self, from: u32, to: u32) -> Result<Records, StorageError> {
        self.file.slice(from.into(), (to - from).into()).context("read", &self.path)
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, StorageError> {
        self.file.read_at(buffer, position).context("read", &self.path)
    }

    /// When the file was written last, if the disk knows.
    pub(crate) fn modified(&self) -> Option<Timestamp> {
        self.file.modified().ok().flatten()
    }

    /// The largest timestamp of the records or, where none has one, the time of the last write (as Apache Kafka).
    pub(crate) fn largest_timestamp(&self) -> Result<Option<Timestamp>, StorageError> {
        let timestamp = Some(self.max_timestamp()?).filter(|timestamp| timestamp.0 >= 0);
        Ok(timestamp.or_else(|| self.modified()))
    }

    /// Walks the batch headers from `position` to `end`.
    pub(crate) fn walk(&self, position: u32, end: u32) -> HeaderWalk<'_> {
        HeaderWalk::new(self, position, end)
    }

    /// The first batch that ends at or after `offset`, if it is within `end`.
    pub(crate) fn find(
        &self,
        offset: Offset,
        end: SegmentEnd,
    ) -> Result<Option<(u32, BatchHeader)>, StorageError> {
        if offset >= end.offset {
            return Ok(None);
        }
        let relative = u32::try_from(offset - self.base_offset).unwrap_or(0);
        let before = self.offsets.last_where(|entry| entry.relative_offset <= relative)?;
        let from = before.map_or(0, |entry| entry.position);
        for found in self.walk(from, end.position) {
            let (position, header) = found?;
            if header.last_offset() >= offset {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// The end of the last whole batch that ends at or before `limit`, walking from the batch at `from`.
    pub(crate) fn last_boundary(&self, from: u32, limit: u32, end: u32) -> Result<u32, StorageError> {
        let near = self.offsets.last_where(|entry| entry.position <= limit)?;
        let mut boundary = near.map_or(0, |entry| entry.position).max(from);
        for found in self.walk(boundary, end) {
            let (position, header) = found?;
            let next = position + batch_size(&header);
            if next > limit {
                break;
            }
            boundary = next;
        }
        Ok(boundary)
    }

    /// Removes the files. Readers that hold the segment go on reading.
    pub(crate) fn remove(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        remove_files(disk, &self.path)
    }
}

/// Removes the files of the segment whose log is at `path`, as far as they are there.
pub(crate) fn remove_files(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    // The log goes last, so that a crash in between leaves a segment whose indexes are made again.
    EXTENSIONS.iter().try_for_each(|extension| {
        let path = path.with_extension(extension);
        match disk.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.context("remove", &path),
        }
    })
}

/// Bytes of a batch, which never exceeds the 2 GiB of a segment.
pub(crate) fn batch_size(header: &BatchHeader) -> u32 {
    u32::try_from(header.size_bytes()).unwrap_or(u32::MAX)
}

/// `<folder>/<base offset, 20 digits>.<extension>`.
pub(crate) fn segment_path(folder: &Path, base_offset: Offset, extension: &str) -> PathBuf {
    folder.join(format!("{:020}.{extension}", base_offset.0))
}

/// The base offset in a name such as `00000000000000000042.log`, if it has this extension.
pub(crate) fn offset_of_name(name: &str, extension: &str) -> Option<Offset> {
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let is_offset = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_offset.then(|| digits.parse().ok().map(Offset)).flatten()
}
