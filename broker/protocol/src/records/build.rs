//! Writes record batches: data batches of coordinators and clients, control batches of the quorum and of transactions.

use super::record::{varlong_size, write_varlong};
use super::{
    Attributes, BATCH_HEADER_BYTES, BATCH_OVERHEAD_BYTES, BatchHeader, Compression, ControlRecordType, MAGIC,
};
use super::{RecordBatch, crc_of};
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// A record to be written. The default is a null key, a null value and no header.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// When it happened.
    pub timestamp: Timestamp,
    /// `None` is null.
    pub key: Option<&'a [u8]>,
    /// `None` is null.
    pub value: Option<&'a [u8]>,
    /// Key and value of each header.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Collects records and builds one batch of them.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    compression: Compression,
    flags: i16,
    producer: (ProducerId, ProducerEpoch, i32),
    append_time: Option<Timestamp>,
    base_timestamp: Option<Timestamp>,
    max_timestamp: Timestamp,
    count: i32,
    records: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new(Offset(0))
    }
}

impl BatchBuilder {
    /// An empty batch whose first record will have `base_offset`. Batches handed to a broker start at 0.
    pub fn new(base_offset: Offset) -> Self {
        Self {
            base_offset,
            leader_epoch: LeaderEpoch(-1),
            compression: Compression::None,
            flags: 0,
            producer: (ProducerId(-1), ProducerEpoch(-1), -1),
            append_time: None,
            base_timestamp: None,
            max_timestamp: Timestamp(-1),
            count: 0,
            records: Vec::new(),
        }
    }

    /// A batch with one control record.
    pub fn control(kind: ControlRecordType, timestamp: Timestamp, value: &[u8]) -> Self {
        let mut builder = Self::default();
        builder.push_control(kind, timestamp, value);
        builder
    }

    /// Stamps the epoch of the leader that writes the batch.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.leader_epoch = epoch;
        self
    }

    /// Changes the base offset.
    #[must_use]
    pub fn base_offset(mut self, offset: Offset) -> Self {
        self.base_offset = offset;
        self
    }

    /// Compresses the records block.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Marks the batch as one of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.flags |= Attributes::TRANSACTIONAL;
        self
    }

    /// Gives every record the broker's append time.
    #[must_use]
    pub fn log_append_time(mut self, now: Timestamp) -> Self {
        self.flags |= Attributes::LOG_APPEND_TIME;
        self.append_time = Some(now);
        self
    }

    /// Adds a control record and marks the batch as a control batch.
    pub fn push_control(&mut self, kind: ControlRecordType, timestamp: Timestamp, value: &[u8]) {
        self.flags |= Attributes::CONTROL;
        self.push(NewRecord { timestamp, key: Some(&kind.key()), value: Some(value), headers: &[] });
    }

    /// Adds a record; its offset follows that of the record before.
    pub fn push(&mut self, record: NewRecord<'_>) {
        let base = *self.base_timestamp.get_or_insert(record.timestamp);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let timestamp_delta = record.timestamp.0.wrapping_sub(base.0);
        let offset_delta = i64::from(self.count);
        write_varlong(&mut self.records, length(record_size(&record, timestamp_delta, offset_delta)));
        self.records.push(0);
        write_varlong(&mut self.records, timestamp_delta);
        write_varlong(&mut self.records, offset_delta);
        write_nullable(&mut self.records, record.key);
        write_nullable(&mut self.records, record.value);
        write_varlong(&mut self.records, length(record.headers.len()));
        for (key, value) in record.headers {
            write_nullable(&mut self.records, Some(key.as_bytes()));
            write_nullable(&mut self.records, *value);
        }
        self.count += 1;
    }

    /// Number of records so far.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// True before the first record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch if it were built now without compression.
    pub fn size_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    /// Builds the batch.
    ///
    /// # Panics
    /// If the batch is larger than 2 GiB; callers bound what they push.
    pub fn build(self) -> RecordBatch {
        let block = match self.compression {
            Compression::None => self.records,
            codec => codec.compress(&self.records).expect("writing to memory does not fail"),
        };
        let base_timestamp = self.base_timestamp.unwrap_or(Timestamp(-1));
        let header = BatchHeader {
            base_offset: self.base_offset,
            batch_length: i32::try_from(BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES + block.len())
                .expect("callers bound what they push"),
            leader_epoch: self.leader_epoch,
            crc: 0,
            attributes: Attributes(self.flags | self.compression as i16),
            last_offset_delta: (self.count - 1).max(0),
            base_timestamp,
            max_timestamp: self.append_time.unwrap_or(self.max_timestamp),
            producer_id: self.producer.0,
            producer_epoch: self.producer.1,
            base_sequence: self.producer.2,
            count: self.count,
        };
        RecordBatch::assemble(header, &block)
    }
}

impl RecordBatch {
    /// Puts header and records block together; the CRC is computed.
    pub(super) fn assemble(mut header: BatchHeader, block: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(BATCH_HEADER_BYTES + block.len());
        write_header(&mut bytes, &header);
        bytes.extend_from_slice(block);
        header.crc = crc_of(&bytes);
        bytes[17..21].copy_from_slice(&header.crc.to_be_bytes());
        Self { header, bytes: bytes.into() }
    }
}

fn write_header(out: &mut Vec<u8>, header: &BatchHeader) {
    out.extend_from_slice(&header.base_offset.0.to_be_bytes());
    out.extend_from_slice(&header.batch_length.to_be_bytes());
    out.extend_from_slice(&header.leader_epoch.0.to_be_bytes());
    out.extend_from_slice(&MAGIC.to_be_bytes());
    out.extend_from_slice(&header.crc.to_be_bytes());
    out.extend_from_slice(&header.attributes.0.to_be_bytes());
    out.extend_from_slice(&header.last_offset_delta.to_be_bytes());
    out.extend_from_slice(&header.base_timestamp.0.to_be_bytes());
    out.extend_from_slice(&header.max_timestamp.0.to_be_bytes());
    out.extend_from_slice(&header.producer_id.0.to_be_bytes());
    out.extend_from_slice(&header.producer_epoch.0.to_be_bytes());
    out.extend_from_slice(&header.base_sequence.to_be_bytes());
    out.extend_from_slice(&header.count.to_be_bytes());
}

fn record_size(record: &NewRecord<'_>, timestamp_delta: i64, offset_delta: i64) -> usize {
    let headers: usize = record
        .headers
        .iter()
        .map(|(key, value)| nullable_size(Some(key.as_bytes())) + nullable_size(*value))
        .sum();
    1 + varlong_size(timestamp_delta)
        + varlong_size(offset_delta)
        + nullable_size(record.key)
        + nullable_size(record.value)
        + varlong_size(length(record.headers.len()))
        + headers
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varlong_size(length(bytes.len())) + bytes.len())
}

fn write_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => write_varlong(out, -1),
        Some(bytes) => {
            write_varlong(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
