//! Producer snapshots: `<offset>.snapshot`, the state of every idempotent producer at an offset (KIP-98).
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | version, 1 |
//! | 2 | 4 | CRC-32C of everything after it |
//! | 6 | 4 | number of entries |
//! | 10 | 46 each | producer id 8, epoch 2, last sequence 4, last offset 8, offset delta 4, timestamp 8, coordinator epoch 4, first offset of the open transaction 8 |
//!
//! Restoring a log's producers takes the newest snapshot and the batch headers after it; a damaged snapshot is skipped.

use std::path::Path;

use crc_fast::{CrcAlgorithm, checksum};
use milena_protocol::{Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::error::{Context, StorageError};
use crate::log::Log;
use crate::segment::{offset_of_name, segment_path};

const EXTENSION: &str = "snapshot";
const VERSION: i16 = 1;
const ENTRY_BYTES: usize = 46;

/// What a snapshot keeps of a producer: its last batch, and its open transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of the last record, -1 without a batch.
    pub last_sequence: i32,
    /// Offset of the last record, -1 without a batch.
    pub last_offset: Offset,
    /// Distance from the first to the last record of the last batch.
    pub offset_delta: i32,
    /// Of the last batch.
    pub timestamp: Timestamp,
    /// Epoch of the coordinator that wrote the last transaction marker, -1 without one.
    pub coordinator_epoch: i32,
    /// First offset of the open transaction, -1 without one.
    pub transaction_start: Offset,
}

impl Log {
    /// Writes the producers as they are before the record at `offset`.
    ///
    /// # Errors
    /// Of the disk.
    pub fn write_producer_snapshot(
        &self,
        offset: Offset,
        entries: &[ProducerEntry],
    ) -> Result<(), StorageError> {
        self.take_listed_snapshots();
        let path = segment_path(self.folder(), offset, EXTENSION);
        self.disk().replace(&path, &encode(entries), false)
    }

    /// The newest whole snapshot at or below the end of the log, and its offset. Others beyond the end are removed.
    ///
    /// # Errors
    /// Of the disk.
    pub fn producer_snapshot(&self) -> Result<Option<(Offset, Vec<ProducerEntry>)>, StorageError> {
        let end = self.end_offset();
        let mut offsets = match self.take_listed_snapshots() {
            Some(listed) => listed,
            None => self.snapshot_offsets()?,
        };
        offsets.sort_unstable();
        if offsets.last().is_some_and(|last| *last > end) {
            self.remove_producer_snapshots(|offset| offset > end)?;
            offsets.retain(|offset| *offset <= end);
        }
        for offset in offsets.iter().rev().copied() {
            let path = segment_path(self.folder(), offset, EXTENSION);
            let contents = self.disk().read(&path).context("read", &path)?;
            if let Some(entries) = decode(&contents) {
                // Those of earlier stops are of no use any more; a segment's own is, for a truncation.
                if offsets.iter().any(|at| *at < offset && !self.is_segment_base(*at)) {
                    self.remove_other_snapshots(offset)?;
                }
                return Ok(Some((offset, entries)));
            }
            self.disk().remove_file(&path).context("remove", &path)?;
        }
        Ok(None)
    }

    /// Removes the snapshots before `offset` but for those at the beginning of a segment.
    ///
    /// # Errors
    /// Of the disk.
    pub fn remove_other_snapshots(&self, offset: Offset) -> Result<(), StorageError> {
        self.remove_producer_snapshots(|at| at < offset && !self.is_segment_base(at))
    }

    /// Removes the snapshots whose offset `is_stale`.
    pub(crate) fn remove_producer_snapshots(
        &self,
        is_stale: impl Fn(Offset) -> bool,
    ) -> Result<(), StorageError> {
        for offset in self.snapshot_offsets()?.into_iter().filter(|offset| is_stale(*offset)) {
            let path = segment_path(self.folder(), offset, EXTENSION);
            self.disk().remove_file(&path).context("remove", &path)?;
        }
        Ok(())
    }

    fn snapshot_offsets(&self) -> Result<Vec<Offset>, StorageError> {
        let folder: &Path = self.folder();
        let entries = self.disk().list(folder).context("list", folder)?;
        Ok(entries.iter().filter_map(|entry| offset_of_name(&entry.name, EXTENSION)).collect())
    }
}

fn crc_of(bytes: &[u8]) -> u32 {
    (checksum(CrcAlgorithm::Crc32Iscsi, bytes) & u64::from(u32::MAX)) as u32
}

fn encode(entries: &[ProducerEntry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + entries.len() * ENTRY_BYTES);
    body.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_be_bytes());
    for entry in entries {
        body.extend_from_slice(&entry.producer_id.0.to_be_bytes());
        body.extend_from_slice(&entry.epoch.0.to_be_bytes());
        body.extend_from_slice(&entry.last_sequence.to_be_bytes());
        body.extend_from_slice(&entry.last_offset.0.to_be_bytes());
        body.extend_from_slice(&entry.offset_delta.to_be_bytes());
        body.extend_from_slice(&entry.timestamp.0.to_be_bytes());
        body.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        body.extend_from_slice(&entry.transaction_start.0.to_be_bytes());
    }
    [&VERSION.to_be_bytes()[..], &crc_of(&body).to_be_bytes(), &body].concat()
}

fn decode(contents: &[u8]) -> Option<Vec<ProducerEntry>> {
    let (version, rest) = contents.split_first_chunk()?;
    let (crc, body) = rest.split_first_chunk()?;
    let (count, entries) = body.split_first_chunk()?;
    let is_whole = i16::from_be_bytes(*version) == VERSION
        && u32::from_be_bytes(*crc) == crc_of(body)
        && entries.len() as u64 == u64::from(u32::from_be_bytes(*count)) * ENTRY_BYTES as u64;
    is_whole.then(|| entries.chunks_exact(ENTRY_BYTES).filter_map(decode_entry).collect())
}

fn decode_entry(bytes: &[u8]) -> Option<ProducerEntry> {
    let (producer_id, rest) = bytes.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (last_sequence, rest) = rest.split_first_chunk()?;
    let (last_offset, rest) = rest.split_first_chunk()?;
    let (offset_delta, rest) = rest.split_first_chunk()?;
    let (timestamp, rest) = rest.split_first_chunk()?;
    let (coordinator_epoch, rest) = rest.split_first_chunk()?;
    let (transaction_start, _) = rest.split_first_chunk()?;
    Some(ProducerEntry {
        producer_id: ProducerId(i64::from_be_bytes(*producer_id)),
        epoch: ProducerEpoch(i16::from_be_bytes(*epoch)),
        last_sequence: i32::from_be_bytes(*last_sequence),
        last_offset: Offset(i64::from_be_bytes(*last_offset)),
        offset_delta: i32::from_be_bytes(*offset_delta),
        timestamp: Timestamp(i64::from_be_bytes(*timestamp)),
        coordinator_epoch: i32::from_be_bytes(*coordinator_epoch),
        transaction_start: Offset(i64::from_be_bytes(*transaction_start)),
    })
}
