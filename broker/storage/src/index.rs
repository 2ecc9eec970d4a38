//! The sparse indexes of a segment: sorted entries of fixed size, in Kafka's bytes.
//!
//! | file | entry |
//! |---|---|
//! | `.index` | 4 bytes relative offset of a batch's last record, 4 bytes position of the batch |
//! | `.timeindex` | 8 bytes largest timestamp so far, 4 bytes relative offset of the last record of its batch |
//!
//! The newest entries wait in memory until [`TAIL_ENTRIES_MAX`] of them are written at once; after a crash the recovery
//! of the segment makes them again. Lookups read the file by `pread`, so an idle index holds no memory. The lock inside
//! guards that memory only and is never held during IO.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::disk::{Disk, DiskFile, Open};
use crate::error::{Context, StorageError};

/// Entries that may wait in memory.
const TAIL_ENTRIES_MAX: usize = 128;
/// Entries read at once at the end of a search in the file.
const BLOCK_ENTRIES: u32 = 256;

/// One entry of an index.
pub(crate) trait Entry: Copy + std::fmt::Debug + Send + Sync {
    /// Bytes on disk.
    const SIZE: usize;
    /// Ending of the file's name.
    const EXTENSION: &'static str;
    fn decode(bytes: &[u8]) -> Option<Self>;
    fn encode(&self, out: &mut Vec<u8>);
    /// Whether it may stand after `before`.
    fn follows(&self, before: &Self) -> bool;
}

/// Where a batch stands in the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Of the last record of the batch.
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;
    const EXTENSION: &'static str = "index";

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let position = u32::from_be_bytes(*rest.first_chunk()?);
        Some(Self { relative_offset: u32::from_be_bytes(*offset), position })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn follows(&self, before: &Self) -> bool {
        self.relative_offset > before.relative_offset && self.position > before.position
    }
}

/// No record before `relative_offset` is younger than `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;
    const EXTENSION: &'static str = "timeindex";

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (timestamp, rest) = bytes.split_first_chunk()?;
        let relative_offset = u32::from_be_bytes(*rest.first_chunk()?);
        Some(Self { timestamp: i64::from_be_bytes(*timestamp), relative_offset })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn follows(&self, before: &Self) -> bool {
        self.timestamp > before.timestamp && self.relative_offset >= before.relative_offset
    }
}

/// An index file with its unwritten tail. One writer, any number of readers.
#[derive(Debug)]
pub(crate) struct Index<E> {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    tail: RwLock<Tail<E>>,
}

#[derive(Debug)]
struct Tail<E> {
    /// Entries in the file.
    written: u32,
    /// The ones after those.
    entries: Vec<E>,
}

impl<E: Entry> Index<E> {
    /// Opens the index of the segment at `log_path`, or makes an empty one. A cut entry at the end is ignored.
    pub(crate) fn open(disk: &dyn Disk, log_path: &Path) -> Result<Self, StorageError> {
        let path = log_path.with_extension(E::EXTENSION);
        let file = disk.open(&path, Open::Create).context("open index", &path)?;
        let size = file.len().context("measure index", &path)?;
        Self::new(path, file, size)
    }

    /// An index of `size` bytes that was seen in its folder. It is not touched before it is used.
    pub(crate) fn listed(disk: &dyn Disk, log_path: &Path, size: u64) -> Result<Self, StorageError> {
        let path = log_path.with_extension(E::EXTENSION);
        let file = disk.open(&path, Open::Listed).context("open index", &path)?;
        Self::new(path, file, size)
    }

    fn new(path: PathBuf, file: Arc<dyn DiskFile>, size: u64) -> Result<Self, StorageError> {
        let written = u32::try_from(size / E::SIZE as u64)
            .map_err(|_| StorageError::corrupt(&path, 0, "too many entries"))?;
        Ok(Self { path, file, tail: RwLock::new(Tail { written, entries: Vec::new() }) })
    }

    pub(crate) fn len(&self) -> usize {
        let tail = self.read_tail();
        tail.written as usize + tail.entries.len()
    }

    /// Adds an entry, which must sort after the last. It waits in memory where the disk refuses it; [`Index::sync`]
    /// reports that.
    pub(crate) fn push(&self, entry: E) {
        let is_full = {
            let mut tail = self.write_tail();
            tail.entries.push(entry);
            tail.entries.len() >= TAIL_ENTRIES_MAX
        };
        if is_full {
            let _ = self.write();
        }
    }

    /// Writes the waiting entries to the file.
    pub(crate) fn write(&self) -> Result<(), StorageError> {
        let (position, bytes, count) = {
            let tail = self.read_tail();
            let mut bytes = Vec::with_capacity(tail.entries.len() * E::SIZE);
            tail.entries.iter().for_each(|entry| entry.encode(&mut bytes));
            (u64::from(tail.written) * E::SIZE as u64, bytes, tail.entries.len())
        };
        if count == 0 {
            return Ok(());
        }
        self.file.write_all_at(&[&bytes], position).context("write index", &self.path)?;
        let mut tail = self.write_tail();
        tail.entries.drain(..count);
        tail.written += u32::try_from(count).unwrap_or(u32::MAX);
        Ok(())
    }

    /// Writes what waits, cuts what lies beyond, and makes the file durable.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.write()?;
        self.cut_excess()?;
        self.sync_written()
    }

    /// Cuts off what a write that failed may have left.
    pub(crate) fn cut_excess(&self) -> Result<(), StorageError> {
        let length = u64::from(self.read_tail().written) * E::SIZE as u64;
        if self.file.len().context("measure index", &self.path)? != length {
            self.file.set_len(length).context("cut index", &self.path)?;
        }
        Ok(())
    }

    /// Makes durable what is in the file, while others may go on writing.
    pub(crate) fn sync_written(&self) -> Result<(), StorageError> {
        self.file.sync().context("sync index", &self.path)
    }

    /// Removes every entry from the first one that fails `keep`, which holds for a prefix of the entries.
    pub(crate) fn truncate(&self, keep: impl Fn(&E) -> bool) -> Result<(), StorageError> {
        self.write()?;
        let kept = self.prefix_len(&keep)?;
        self.cut_to(kept)
    }

    /// Keeps the entries for which `keep`, up to the first that does not follow the one before, and yields the last of
    /// them. For a file that a crash may have torn: a search would be led astray.
    pub(crate) fn keep_sound(&self, keep: impl Fn(&E) -> bool) -> Result<Option<E>, StorageError> {
        let written = self.read_tail().written;
        let (mut kept, mut last): (u32, Option<E>) = (0, None);
        'blocks: while kept < written {
            let block = self.read(kept, BLOCK_ENTRIES.min(written - kept))?;
            if block.is_empty() {
                break;
            }
            for entry in block {
                if !keep(&entry) || last.is_some_and(|last| !entry.follows(&last)) {
                    break 'blocks;
                }
                (kept, last) = (kept + 1, Some(entry));
            }
        }
        self.cut_to(kept)?;
        Ok(last)
    }

    /// Cuts the file to `kept` entries. Nothing waits in memory.
    fn cut_to(&self, kept: u32) -> Result<(), StorageError> {
        if self.read_tail().written > kept {
            self.file.set_len(u64::from(kept) * E::SIZE as u64).context("cut index", &self.path)?;
            self.write_tail().written = kept;
        }
        Ok(())
    }

    pub(crate) fn last(&self) -> Result<Option<E>, StorageError> {
        self.last_where(|_| true)
    }

    /// The last entry for which `matches`, which holds for a prefix of the entries.
    pub(crate) fn last_where(&self, matches: impl Fn(&E) -> bool) -> Result<Option<E>, StorageError> {
        {
            let tail = self.read_tail();
            let count = tail.entries.partition_point(&matches);
            if let Some(entry) = count.checked_sub(1).and_then(|index| tail.entries.get(index)) {
                return Ok(Some(*entry));
            }
        }
        match self.prefix_len(&matches)? {
            0 => Ok(None),
            count => self.read(count - 1, 1).map(|entries| entries.first().copied()),
        }
    }

    /// How many entries of the file `matches` holds for.
    fn prefix_len(&self, matches: &impl Fn(&E) -> bool) -> Result<u32, StorageError> {
        let (mut low, mut high) = (0, self.read_tail().written);
        // Searches look near the end far more often than anywhere else.
        if high > BLOCK_ENTRIES {
            let probe = high - BLOCK_ENTRIES;
            if self.matches_at(probe, matches)? { low = probe + 1 } else { high = probe }
        }
        while high - low > BLOCK_ENTRIES {
            let middle = low + (high - low) / 2;
            if self.matches_at(middle, matches)? { low = middle + 1 } else { high = middle }
        }
        let block = self.read(low, high - low)?;
        Ok(low + u32::try_from(block.partition_point(matches)).unwrap_or(0))
    }

    fn matches_at(&self, index: u32, matches: &impl Fn(&E) -> bool) -> Result<bool, StorageError> {
        Ok(self.read(index, 1)?.first().is_some_and(matches))
    }

    fn read(&self, first: u32, count: u32) -> Result<Vec<E>, StorageError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; count as usize * E::SIZE];
        let position = u64::from(first) * E::SIZE as u64;
        let read = self.file.read_at(&mut bytes, position).context("read index", &self.path)?;
        Ok(bytes[..read].chunks_exact(E::SIZE).filter_map(E::decode).collect())
    }

    fn read_tail(&self) -> RwLockReadGuard<'_, Tail<E>> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_tail(&self) -> RwLockWriteGuard<'_, Tail<E>> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemDisk;

    fn mk_index(disk: &MemDisk, entries: u32) -> Index<OffsetEntry> {
        disk.create_dir_all(Path::new("/log")).unwrap();
        let index = Index::open(disk, Path::new("/log/0.log")).unwrap();
        for entry in 0..entries {
            index.push(OffsetEntry { relative_offset: entry * 10, position: entry * 100 });
        }
        index
    }

    #[test]
    fn search_finds_the_last_entry_at_or_before_a_key() {
        for count in [0, 1, 100, 128, 500, 5_000] {
            let index = mk_index(&MemDisk::new(), count);
            for target in (0..count * 10 + 20).step_by(7) {
                let expected = (count > 0).then(|| (target / 10).min(count - 1) * 100);
                let found = index.last_where(|entry| entry.relative_offset <= target).unwrap();
                assert_eq!(found.map(|entry| entry.position), expected, "{target} of {count}");
            }
        }
    }

    #[test]
    fn written_entries_are_there_when_opened_again() {
        let disk = MemDisk::new();
        mk_index(&disk, 300).sync().unwrap();
        let index = Index::<OffsetEntry>::open(&disk, Path::new("/log/0.log")).unwrap();
        assert_eq!(index.len(), 300);
        assert_eq!(index.last().unwrap(), Some(OffsetEntry { relative_offset: 2_990, position: 29_900 }));
        index.truncate(|entry| entry.position < 1_000).unwrap();
        assert_eq!(index.len(), 10);
        assert_eq!(index.last().unwrap(), Some(OffsetEntry { relative_offset: 90, position: 900 }));
    }
}
