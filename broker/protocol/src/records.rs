//! Record batches of format 2: a zero-copy view, its records, a builder and the checks of a producer's batch.
//!
//! A batch travels from the producer to the segment file and on to the consumer as the same bytes; only the base offset
//! and the leader epoch are stamped by the broker, and the CRC does not cover them. This file reads the fixed header;
//! [`record`] reads what follows it, [`compression`] the codecs, [`build`] writes, [`validate`] judges.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | base offset |
//! | 8 | 4 | batch length: bytes after this field |
//! | 12 | 4 | partition leader epoch |
//! | 16 | 1 | magic, always 2 |
//! | 17 | 4 | CRC-32C of everything from offset 21 |
//! | 21 | 2 | attributes, see [`Attributes`] |
//! | 23 | 4 | last offset delta |
//! | 27 | 8 | base timestamp |
//! | 35 | 8 | max timestamp |
//! | 43 | 8 | producer id |
//! | 51 | 2 | producer epoch |
//! | 53 | 4 | base sequence |
//! | 57 | 4 | number of records |
//! | 61 | | records, compressed as one block where attributes say so |
//!
//! Invariant: a [`RecordBatch`] holds exactly the bytes its length field claims. Counts and record lengths inside are
//! claims, checked when they are read. Source: the message format page of Kafka's documentation, KIP-98.

pub mod build;
pub mod compression;
pub mod control;
mod filter;
pub mod recompress;
pub mod record;
mod scan;
pub mod validate;

pub use build::{BatchBuilder, NewRecord};
pub use compression::{Compression, DECOMPRESSED_BYTES_MAX};
pub use control::{ControlRecordType, control_record_type};
pub use filter::{DeleteHorizon, Filtered};
pub use recompress::TargetCompression;
pub use record::{Record, RecordHeader, RecordIter};
pub use validate::{
    Rejection, TimestampRule, ValidBatch, ValidationRules, check_produced_form, validate_produced,
};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};

use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Bytes of the fixed header of a batch.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes that stand before the length field and the field itself: what `batch length` does not count.
pub const BATCH_OVERHEAD_BYTES: usize = 12;
/// Bytes of the prefix that the broker stamps: base offset, length, leader epoch. The CRC does not cover it.
pub const STAMP_BYTES: usize = 16;
/// Where the bytes covered by the CRC begin.
const CRC_START: usize = 21;
/// The only format that exists on the wire since Apache Kafka 4.0.
const MAGIC: i8 = 2;

/// Why bytes are not a record batch, or a batch does not hold what its header says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes end inside a batch.
    #[error("batch of {needed} bytes has only {available}")]
    Truncated {
        /// Bytes that the batch needs.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The length field cannot be that of a batch.
    #[error("batch length {0} is out of range")]
    Length(i32),
    /// A record format other than 2.
    #[error("magic {0} is not supported")]
    Magic(i8),
    /// The content was changed after it was written.
    #[error("stored CRC {stored:#010x} differs from {computed:#010x}")]
    Crc {
        /// The CRC in the header.
        stored: u32,
        /// The CRC of the content.
        computed: u32,
    },
    /// The attributes name a codec that does not exist.
    #[error("compression type {0} does not exist")]
    Codec(i16),
    /// The compressed block cannot be decompressed.
    #[error("{codec} block: {reason}")]
    Compressed {
        /// Name of the codec.
        codec: &'static str,
        /// What is wrong with the block.
        reason: String,
    },
    /// The block is larger than [`DECOMPRESSED_BYTES_MAX`] when decompressed.
    #[error("batch is larger than {DECOMPRESSED_BYTES_MAX} bytes when decompressed")]
    TooLarge,
    /// The batch has become too large.
    #[error("batch exceeds {bytes_max} bytes after recompression")]
    Oversized {
        /// What is allowed.
        bytes_max: usize,
    },
    /// A record is malformed.
    #[error("record {index}: {reason}")]
    Record {
        /// Position of the record in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The flags of a batch.
///
/// Bits 0-2 compression, 3 timestamp type (1 = log append time), 4 transactional, 5 control, 6 the base timestamp is
/// a delete horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    pub(crate) const COMPRESSION: i16 = 0b111;
    pub(crate) const LOG_APPEND_TIME: i16 = 1 << 3;
    pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
    pub(crate) const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec of the records block.
    ///
    /// # Errors
    /// [`BatchError::Codec`] for the ids 5 to 7.
    pub fn compression(self) -> Result<Compression, BatchError> {
        let id = self.0 & Self::COMPRESSION;
        Compression::from_id(id).ok_or(BatchError::Codec(id))
    }

    /// The broker's clock set the timestamps, not the producer's.
    pub fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// The batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// The batch holds control records, which consumers never see.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// The base timestamp is the delete horizon of a compacted log (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}

/// The fixed header of a batch, decoded. Fields are claims of whoever wrote the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes after the length field; at least 49.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from byte 21.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Offset of the last record, relative to the base offset.
    pub last_offset_delta: i32,
    /// What record timestamps are relative to.
    pub base_timestamp: Timestamp,
    /// The largest timestamp of the batch.
    pub max_timestamp: Timestamp,
    /// -1 without idempotence.
    pub producer_id: ProducerId,
    /// -1 without idempotence.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record; -1 without idempotence.
    pub base_sequence: i32,
    /// Number of records.
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// `Truncated` below 61 bytes, `Magic`, `Length`.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if let (Some(magic), true) = (bytes.get(16), bytes.len() >= 17) {
            let magic = i8::from_be_bytes([*magic]);
            if magic != MAGIC {
                return Err(BatchError::Magic(magic));
            }
        }
        let Some(header) = bytes.first_chunk::<BATCH_HEADER_BYTES>() else {
            return Err(BatchError::Truncated { needed: BATCH_HEADER_BYTES, available: bytes.len() });
        };
        let parsed = Self {
            base_offset: Offset(i64_at(header, 0)),
            batch_length: i32_at(header, 8),
            leader_epoch: LeaderEpoch(i32_at(header, 12)),
            crc: i32_at(header, 17).cast_unsigned(),
            attributes: Attributes(i16_at(header, 21)),
            last_offset_delta: i32_at(header, 23),
            base_timestamp: Timestamp(i64_at(header, 27)),
            max_timestamp: Timestamp(i64_at(header, 35)),
            producer_id: ProducerId(i64_at(header, 43)),
            producer_epoch: ProducerEpoch(i16_at(header, 51)),
            base_sequence: i32_at(header, 53),
            count: i32_at(header, 57),
        };
        let length_min = i32::try_from(BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES).unwrap_or(i32::MAX);
        if parsed.batch_length < length_min || parsed.batch_length > i32::MAX - 64 {
            return Err(BatchError::Length(parsed.batch_length));
        }
        Ok(parsed)
    }

    /// Bytes of the whole batch, header included.
    pub fn size_bytes(&self) -> usize {
        BATCH_OVERHEAD_BYTES + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }

    /// The offset that follows the batch.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// The batch was written by an idempotent or transactional producer.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 > -1
    }

    /// Sequence of the last record, wrapping from `i32::MAX` to 0; -1 without idempotence.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 { -1 } else { advance_sequence(self.base_sequence, self.last_offset_delta) }
    }
}

/// The sequence `by` records after `sequence`: after `i32::MAX` comes 0.
pub fn advance_sequence(sequence: i32, by: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(by);
    i32::try_from(sum.rem_euclid(i64::from(i32::MAX) + 1)).unwrap_or(0)
}

/// One batch: its decoded header and all of its bytes. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    header: BatchHeader,
    bytes: Bytes,
}

impl RecordBatch {
    /// Takes the batch at the front of `bytes`, which advances past it. The CRC is not checked.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`]; `Truncated` where the batch is longer than `bytes`. `bytes` is then unchanged.
    pub fn take(bytes: &mut Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.size_bytes();
        if needed > bytes.len() {
            return Err(BatchError::Truncated { needed, available: bytes.len() });
        }
        Ok(Self { header, bytes: bytes.split_to(needed) })
    }

    /// The decoded header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes of the batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// All bytes of the batch, without the view.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Bytes of the whole batch.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records block, still compressed.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(BATCH_HEADER_BYTES..)
    }

    /// Compares the content with the CRC in the header.
    ///
    /// # Errors
    /// [`BatchError::Crc`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc_of(&self.bytes);
        if computed == self.header.crc {
            return Ok(());
        }
        Err(BatchError::Crc { stored: self.header.crc, computed })
    }

    /// Iterates the records, decompressing the block where it is compressed.
    ///
    /// # Errors
    /// `Codec`, `Compressed`, `TooLarge`; the iterator itself yields `Record` errors and ends after the first.
    pub fn records(&self) -> Result<RecordIter, BatchError> {
        let compression = self.header.attributes.compression()?;
        Ok(RecordIter::new(self.header, compression.decompress(self.payload())?))
    }

    /// The first 16 bytes as they stand in the log: `base_offset` and `leader_epoch` stamped, the length kept.
    pub fn stamp(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> [u8; STAMP_BYTES] {
        let mut stamp = [0; STAMP_BYTES];
        stamp[..8].copy_from_slice(&base_offset.0.to_be_bytes());
        stamp[8..12].copy_from_slice(&self.header.batch_length.to_be_bytes());
        stamp[12..].copy_from_slice(&leader_epoch.0.to_be_bytes());
        stamp
    }

    /// A copy of the batch with another base offset and leader epoch. The CRC stays valid.
    pub fn stamped(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let mut bytes = self.bytes.to_vec();
        bytes[..STAMP_BYTES].copy_from_slice(&self.stamp(base_offset, leader_epoch));
        Self { header: BatchHeader { base_offset, leader_epoch, ..self.header }, bytes: bytes.into() }
    }

    /// A copy of the batch with another maximum timestamp and timestamp type, and the CRC that goes with them.
    pub fn with_max_timestamp(&self, max_timestamp: Timestamp, log_append_time: bool) -> Self {
        let mut flags = self.header.attributes.0 & !Attributes::LOG_APPEND_TIME;
        if log_append_time {
            flags |= Attributes::LOG_APPEND_TIME;
        }
        let mut bytes = self.bytes.to_vec();
        bytes[21..23].copy_from_slice(&flags.to_be_bytes());
        bytes[35..43].copy_from_slice(&max_timestamp.0.to_be_bytes());
        let crc = crc_of(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let header = BatchHeader { attributes: Attributes(flags), max_timestamp, crc, ..self.header };
        Self { header, bytes: bytes.into() }
    }
}

/// Iterates the batches of `bytes`. A batch cut off at the end is an error; the iterator ends after the first error.
pub fn batches(bytes: Bytes) -> impl Iterator<Item = Result<RecordBatch, BatchError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let batch = RecordBatch::take(&mut rest);
        if batch.is_err() {
            rest.clear();
        }
        Some(batch)
    })
}

/// CRC-32C of the covered part of a whole batch.
pub fn crc_of(batch: &[u8]) -> u32 {
    let covered = batch.get(CRC_START..).unwrap_or_default();
    // The algorithm's register is 32 bits wide; the crate returns every width as u64.
    (checksum(CrcAlgorithm::Crc32Iscsi, covered) & u64::from(u32::MAX)) as u32
}

fn i64_at(bytes: &[u8; BATCH_HEADER_BYTES], at: usize) -> i64 {
    i64::from_be_bytes(array_at(bytes, at))
}

fn i32_at(bytes: &[u8; BATCH_HEADER_BYTES], at: usize) -> i32 {
    i32::from_be_bytes(array_at(bytes, at))
}

fn i16_at(bytes: &[u8; BATCH_HEADER_BYTES], at: usize) -> i16 {
    i16::from_be_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8; BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests;
