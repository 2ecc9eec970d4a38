//! The records inside a batch: varint-framed, relative to the base offset and base timestamp.
//!
//! | field | type |
//! |---|---|
//! | length of what follows | varint |
//! | attributes, unused | i8 |
//! | timestamp delta | varlong |
//! | offset delta | varint |
//! | key length, -1 = null; key | varint, bytes |
//! | value length, -1 = null; value | varint, bytes |
//! | number of headers | varint |
//! | each header: key length, key (UTF-8), value length, -1 = null; value | varint, bytes, varint, bytes |
//!
//! Varints are zigzag encoded. Every length is checked against what remains before anything is reserved. Source: the
//! message format page of Kafka's documentation.

use bytes::Bytes;
use bytestring::ByteString;

use super::{BatchError, BatchHeader};
use crate::ids::{Offset, Timestamp};

/// A record. Key, value and headers are slices of the batch (or of its decompressed block).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Absolute offset.
    pub offset: Offset,
    /// The record's own timestamp, or the append time of the batch.
    pub timestamp: Timestamp,
    /// `None` is null, not empty.
    pub key: Option<Bytes>,
    /// `None` is null: a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// In the order they were written.
    pub headers: Vec<RecordHeader>,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Never null.
    pub key: ByteString,
    /// `None` is null.
    pub value: Option<Bytes>,
}

/// Iterates the records of one batch; ends after the last one or the first error.
#[derive(Debug)]
pub struct RecordIter {
    header: BatchHeader,
    block: Bytes,
    index: i32,
    failed: bool,
}

impl RecordIter {
    /// `block` is the records block of the batch with this header, decompressed.
    pub(super) fn new(header: BatchHeader, block: Bytes) -> Self {
        Self { header, block, index: 0, failed: false }
    }

    fn next_record(&mut self) -> Result<Record, &'static str> {
        let length = read_varint(&mut self.block).ok_or("length is cut off")?;
        let length = usize::try_from(length).map_err(|_| "negative length")?;
        if length > self.block.len() {
            return Err("length is beyond the end of the batch");
        }
        let mut body = self.block.split_to(length);
        let record = decode_record(&self.header, &mut body)?;
        if !body.is_empty() {
            return Err("record is shorter than its length");
        }
        Ok(record)
    }
}

impl Iterator for RecordIter {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let index = self.index;
        if index >= self.header.count {
            self.failed = !self.block.is_empty();
            return self
                .failed
                .then_some(Err(BatchError::Record { index, reason: "bytes remain after the last record" }));
        }
        self.index += 1;
        Some(self.next_record().map_err(|reason| {
            self.failed = true;
            BatchError::Record { index, reason }
        }))
    }
}

pub(super) fn decode_record(header: &BatchHeader, body: &mut Bytes) -> Result<Record, &'static str> {
    if body.is_empty() {
        return Err("attributes are cut off");
    }
    let _attributes = body.split_to(1);
    let timestamp_delta = read_varlong(body).ok_or("timestamp is cut off")?;
    let offset_delta = read_varint(body).ok_or("offset is cut off")?;
    let key = read_nullable(body).ok_or("key is cut off")?;
    let value = read_nullable(body).ok_or("value is cut off")?;
    let headers = decode_headers(body)?;
    let timestamp = if header.attributes.is_log_append_time() {
        header.max_timestamp
    } else {
        Timestamp(header.base_timestamp.0.wrapping_add(timestamp_delta))
    };
    let offset = Offset(header.base_offset.0.wrapping_add(i64::from(offset_delta)));
    Ok(Record { offset, timestamp, key, value, headers })
}

fn decode_headers(body: &mut Bytes) -> Result<Vec<RecordHeader>, &'static str> {
    let count = read_varint(body).ok_or("number of headers is cut off")?;
    let count = usize::try_from(count).map_err(|_| "negative number of headers")?;
    // A header takes two bytes at least.
    if count > body.len() / 2 {
        return Err("number of headers is beyond the end of the record");
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let key = read_nullable(body).ok_or("header is cut off")?.ok_or("header key is null")?;
        let key = ByteString::try_from(key.clone()).unwrap_or_else(|_| lossy(&key));
        let value = read_nullable(body).ok_or("header is cut off")?;
        headers.push(RecordHeader { key, value });
    }
    Ok(headers)
}

/// What is not UTF-8 reads as the replacement character: no producer is refused for it, so no reader may stop at it.
fn lossy(key: &[u8]) -> ByteString {
    String::from_utf8_lossy(key).into_owned().into()
}

/// A length and that many bytes; `Some(None)` is null.
fn read_nullable(body: &mut Bytes) -> Option<Option<Bytes>> {
    let length = read_varint(body)?;
    if length < 0 {
        return (length == -1).then_some(None);
    }
    let length = usize::try_from(length).ok()?;
    (length <= body.len()).then(|| Some(body.split_to(length)))
}

pub(super) fn read_varint(bytes: &mut Bytes) -> Option<i32> {
    let (raw, size) = decode_unsigned(bytes, 5)?;
    let _ = bytes.split_to(size);
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

pub(super) fn read_varlong(bytes: &mut Bytes) -> Option<i64> {
    let (raw, size) = decode_unsigned(bytes, 10)?;
    let _ = bytes.split_to(size);
    Some(zigzag_decode(raw))
}

pub(super) fn zigzag_decode(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

/// An unsigned LEB128 of at most `size_max` bytes and its size.
pub(super) fn decode_unsigned(bytes: &[u8], size_max: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(size_max).enumerate() {
        let shift = u32::try_from(index * 7).ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Appends `value` as a zigzag varint; varint and varlong share the encoding.
pub(super) fn write_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes that `value` takes as a zigzag varint.
pub(super) fn varlong_size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}
