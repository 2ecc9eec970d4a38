//! Aborted transactions of a segment: `<base offset>.txnindex` (KIP-98), which tells `read_committed` readers what to
//! leave out. A segment in which no transaction was aborted has no such file.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | version, 0 |
//! | 2 | 8 | producer id |
//! | 10 | 8 | first offset of the transaction |
//! | 18 | 8 | offset of its abort marker |
//! | 26 | 8 | last stable offset when it was aborted |
//!
//! Entries stand in the segment of their marker, in the order of the markers. After a crash the owner of the log feeds
//! the markers that it replays again; those that are there already are not written twice.

use std::io;
use std::path::Path;
use std::sync::PoisonError;

use milena_protocol::{Offset, ProducerId};

use crate::disk::{Disk, Open};
use crate::error::{Context, StorageError};
use crate::log::Log;
use crate::segment::{offset_of_name, segment_path};

pub(crate) const EXTENSION: &str = "txnindex";
const VERSION: i16 = 0;
const ENTRY_BYTES: usize = 34;

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// Of the transaction's first record.
    pub first_offset: Offset,
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Of its abort marker.
    pub last_offset: Offset,
    /// No transaction that began below was open when this one was aborted.
    pub last_stable_offset: Offset,
}

impl Log {
    /// Notes a transaction whose abort marker is in the log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn append_aborted(&self, aborted: &AbortedTransaction) -> Result<(), StorageError> {
        let Some(base_offset) = self.segment_base_of(aborted.last_offset) else { return Ok(()) };
        let path = segment_path(self.folder(), base_offset, EXTENSION);
        let known = read(self.disk(), &path)?;
        if known.last().is_some_and(|last| last.last_offset >= aborted.last_offset) {
            return Ok(());
        }
        *self.has_aborted.lock().unwrap_or_else(PoisonError::into_inner) = Some(true);
        let position = known.len() * ENTRY_BYTES;
        let file = self.disk().open(&path, Open::Create).context("open", &path)?;
        file.write_all_at(&[&encode(aborted)], position as u64).context("append to", &path)
    }

    /// Whether a transaction may have been aborted in any segment. Looks into the folder once.
    ///
    /// # Errors
    /// Of the disk.
    pub fn has_aborted_transactions(&self) -> Result<bool, StorageError> {
        let mut has_aborted = self.has_aborted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *has_aborted {
            return Ok(known);
        }
        let entries = self.disk().list(self.folder()).context("list", self.folder())?;
        let found = entries.iter().any(|entry| offset_of_name(&entry.name, EXTENSION).is_some());
        *has_aborted = Some(found);
        Ok(found)
    }

    /// The aborted transactions with records in `from..to`, as a Fetch answers them.
    ///
    /// # Errors
    /// Of the disk.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut found = Vec::new();
        for base_offset in self.segment_bases_from(from) {
            let aborted = read(self.disk(), &segment_path(self.folder(), base_offset, EXTENSION))?;
            let overlaps =
                |aborted: &&AbortedTransaction| aborted.last_offset >= from && aborted.first_offset < to;
            found.extend(aborted.iter().filter(overlaps));
            // Whatever was aborted later began later.
            if aborted.iter().any(|aborted| aborted.last_stable_offset >= to) {
                break;
            }
        }
        Ok(found)
    }

    /// Keeps the entries of markers below `end` in the segment that begins at `base_offset`.
    pub(crate) fn truncate_aborted(&self, base_offset: Offset, end: Offset) -> Result<(), StorageError> {
        let path = segment_path(self.folder(), base_offset, EXTENSION);
        let known = read(self.disk(), &path)?;
        let kept = known.partition_point(|aborted| aborted.last_offset < end);
        if kept == known.len() {
            return Ok(());
        }
        let file = self.disk().open(&path, Open::Existing).context("open", &path)?;
        file.set_len((kept * ENTRY_BYTES) as u64).context("cut", &path)
    }
}

/// Makes the index of a finished segment durable, if it has one.
pub(crate) fn sync(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    match disk.open(path, Open::Existing) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        file => file.and_then(|file| file.sync()).context("sync", path),
    }
}

/// The entries; a cut or unknown one ends them.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<AbortedTransaction>, StorageError> {
    match disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        contents => Ok(contents.context("read", path)?.chunks_exact(ENTRY_BYTES).map_while(decode).collect()),
    }
}

pub(crate) fn encode(aborted: &AbortedTransaction) -> Vec<u8> {
    let mut entry = VERSION.to_be_bytes().to_vec();
    entry.extend_from_slice(&aborted.producer_id.0.to_be_bytes());
    for offset in [aborted.first_offset, aborted.last_offset, aborted.last_stable_offset] {
        entry.extend_from_slice(&offset.0.to_be_bytes());
    }
    entry
}

fn decode(entry: &[u8]) -> Option<AbortedTransaction> {
    let (version, rest) = entry.split_first_chunk()?;
    let (producer_id, rest) = rest.split_first_chunk()?;
    let (first_offset, rest) = rest.split_first_chunk()?;
    let (last_offset, rest) = rest.split_first_chunk()?;
    let (last_stable_offset, _) = rest.split_first_chunk()?;
    let offset = |bytes: &[u8; 8]| Offset(i64::from_be_bytes(*bytes));
    (i16::from_be_bytes(*version) == VERSION).then(|| AbortedTransaction {
        producer_id: ProducerId(i64::from_be_bytes(*producer_id)),
        first_offset: offset(first_offset),
        last_offset: offset(last_offset),
        last_stable_offset: offset(last_stable_offset),
    })
}
