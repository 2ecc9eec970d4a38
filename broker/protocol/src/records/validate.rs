//! The checks a producer's batch passes before it may enter a log, in the order Apache Kafka makes them
//! (`ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`).
//!
//! Records are scanned, not materialized: a compressed block streams through a small buffer, so what a batch inflates
//! to costs time up to [`DECOMPRESSED_BYTES_MAX`](super::DECOMPRESSED_BYTES_MAX) and no memory. The batch stays as the
//! producer wrote it unless the topic stamps append time, prescribes another codec, or the header's maximum timestamp
//! is not that of the records.
//!
//! Deliberate difference: offset deltas that do not count up from 0 are refused; `LogValidator` rewrites such a batch
//! when it is compressed and stores it as it is otherwise.

use bytes::Bytes;

use super::recompress::{TargetCompression, recompress};
use super::scan::{Scanned, scan};
use super::{BatchError, BatchHeader, Compression, RecordBatch};
use crate::error_code::ErrorCode;
use crate::ids::Timestamp;

/// Rejected records that an answer names one by one; more are only counted.
const RECORD_ERRORS_MAX: usize = 16;

/// What decides the timestamp of a record, `message.timestamp.type` with its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampRule {
    /// The producer does, within a distance of the broker's clock in milliseconds.
    CreateTime {
        /// `message.timestamp.before.max.ms`.
        before_max_ms: i64,
        /// `message.timestamp.after.max.ms`.
        after_max_ms: i64,
    },
    /// The broker's clock does.
    LogAppendTime,
}

/// What the topic asks of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationRules {
    /// `message.timestamp.type` and its limits.
    pub timestamps: TimestampRule,
    /// The topic is compacted, so every record needs a key.
    pub compacted: bool,
    /// `compression.type`; `None` is `producer`: keep what came.
    pub compression: Option<TargetCompression>,
    /// `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// Whether the request's version knows zstd (Produce 7, KIP-110).
    pub zstd_allowed: bool,
}

/// A batch that may be appended. Only this module and coordinators of the broker make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidBatch(RecordBatch);

impl ValidBatch {
    /// Vouches for a batch that the broker itself built.
    pub fn trusted(batch: RecordBatch) -> Self {
        Self(batch)
    }

    /// The batch, its offsets still relative to 0.
    pub fn batch(&self) -> &RecordBatch {
        &self.0
    }
}

/// Why a batch is refused, as the Produce response says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The error of the partition.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Index and reason of records that are to blame (KIP-467).
    pub records: Vec<(i32, String)>,
}

impl Rejection {
    /// A refusal that blames no single record.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), records: Vec::new() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRecord, message)
    }
}

impl From<BatchError> for Rejection {
    fn from(error: BatchError) -> Self {
        let code = match error {
            BatchError::Magic(0 | 1) | BatchError::Record { .. } => ErrorCode::InvalidRecord,
            BatchError::TooLarge | BatchError::Oversized { .. } => ErrorCode::MessageTooLarge,
            _ => ErrorCode::CorruptMessage,
        };
        Self::new(code, error.to_string())
    }
}

/// Judges the records of one partition of a Produce request: exactly one batch that keeps to `rules`.
///
/// # Errors
/// `INVALID_RECORD`, `INVALID_TIMESTAMP`, `CORRUPT_MESSAGE`, `MESSAGE_TOO_LARGE`, `UNSUPPORTED_COMPRESSION_TYPE`.
pub fn validate_produced(
    records: Bytes,
    rules: &ValidationRules,
    now: Timestamp,
) -> Result<ValidBatch, Rejection> {
    let (batch, source) = sole_batch(records, rules.zstd_allowed)?;
    let header = batch.header();
    if header.base_offset.0 != 0 {
        return Err(Rejection::invalid(format!("base offset should be 0, but it is {}", header.base_offset)));
    }
    if batch.size_bytes() > rules.batch_bytes_max {
        let message = format!(
            "batch of {} bytes exceeds max.message.bytes of {}",
            batch.size_bytes(),
            rules.batch_bytes_max
        );
        return Err(Rejection::new(ErrorCode::MessageTooLarge, message));
    }
    batch.check_crc()?;
    check_claims(header)?;
    let max_timestamp = check_records(&batch, source, rules, now)?;
    adopt(batch, source, rules, (max_timestamp, now))
}

/// Judges how records are put into a request, not what is in them: Apache Kafka tells such a fault before others.
///
/// # Errors
/// `INVALID_RECORD`, `CORRUPT_MESSAGE`, `UNSUPPORTED_COMPRESSION_TYPE`.
pub fn check_produced_form(records: Bytes, zstd_allowed: bool) -> Result<(), Rejection> {
    sole_batch(records, zstd_allowed).map(drop)
}

fn sole_batch(mut records: Bytes, zstd_allowed: bool) -> Result<(RecordBatch, Compression), Rejection> {
    let batch = match RecordBatch::take(&mut records) {
        // Kafka reads an incomplete batch as no batch.
        Err(BatchError::Truncated { .. }) => {
            return Err(Rejection::invalid("partition without a whole record batch"));
        }
        other => other?,
    };
    let source = batch.header().attributes.compression()?;
    if source == Compression::Zstd && !zstd_allowed {
        let message = "ZStandard needs version 7 of Produce";
        return Err(Rejection::new(ErrorCode::UnsupportedCompressionType, message));
    }
    match RecordBatch::take(&mut records) {
        // What is left of a batch at the end is ignored.
        Err(BatchError::Truncated { .. }) => Ok((batch, source)),
        _ => Err(Rejection::invalid("partition with more than one record batch")),
    }
}

/// The header's own consistency, for a batch from a client.
fn check_claims(header: &BatchHeader) -> Result<(), Rejection> {
    if header.last_offset_delta < 0 || header.count <= 0 {
        let message =
            format!("{} records with a last offset delta of {}", header.count, header.last_offset_delta);
        return Err(Rejection::invalid(message));
    }
    if i64::from(header.last_offset_delta) + 1 != i64::from(header.count) {
        let message = format!(
            "offsets 0 to {} are inconsistent with {} records",
            header.last_offset_delta, header.count
        );
        return Err(Rejection::invalid(message));
    }
    if header.attributes.is_control() {
        return Err(Rejection::invalid("clients are not allowed to write control records"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        let message =
            format!("sequence {} in a batch of producer id {}", header.base_sequence, header.producer_id);
        return Err(Rejection::invalid(message));
    }
    Ok(())
}

/// Scans every record and yields the largest timestamp.
fn check_records(
    batch: &RecordBatch,
    source: Compression,
    rules: &ValidationRules,
    now: Timestamp,
) -> Result<Timestamp, Rejection> {
    let header = batch.header();
    let mut judge = Judge {
        rules,
        now,
        header,
        max_timestamp: Timestamp(-1),
        found: Vec::new(),
        count: 0,
        out_of_time: false,
    };
    if source == Compression::None {
        scan(&batch.payload()[..], header.count, source, |record| judge.record(record))?;
    } else {
        scan(source.reader(batch.payload())?, header.count, source, |record| judge.record(record))?;
    }
    judge.verdict()
}

/// Keeps the batch, or rewrites what the topic's rules change.
fn adopt(
    batch: RecordBatch,
    source: Compression,
    rules: &ValidationRules,
    (max_timestamp, now): (Timestamp, Timestamp),
) -> Result<ValidBatch, Rejection> {
    let batch = match rules.compression {
        Some(target) if target.codec != source => recompress(&batch, target, rules.batch_bytes_max)?,
        _ => batch,
    };
    let append_time = rules.timestamps == TimestampRule::LogAppendTime;
    let expected = if append_time { now } else { max_timestamp };
    let header = batch.header();
    if header.max_timestamp == expected && header.attributes.is_log_append_time() == append_time {
        return Ok(ValidBatch(batch));
    }
    Ok(ValidBatch(batch.with_max_timestamp(expected, append_time)))
}

/// Collects what is wrong with the records of a batch.
struct Judge<'a> {
    rules: &'a ValidationRules,
    now: Timestamp,
    header: &'a BatchHeader,
    max_timestamp: Timestamp,
    found: Vec<(i32, String)>,
    count: usize,
    out_of_time: bool,
}

impl Judge<'_> {
    fn record(&mut self, record: &Scanned) {
        let timestamp = if self.header.attributes.is_log_append_time() {
            self.header.max_timestamp
        } else {
            Timestamp(self.header.base_timestamp.0.wrapping_add(record.timestamp_delta))
        };
        self.max_timestamp = self.max_timestamp.max(timestamp);
        if self.rules.compacted && !record.has_key {
            self.blame(record.index, "Compacted topic cannot accept message without key.".to_owned());
        } else if let Some(message) = self.timestamp_error(timestamp) {
            self.out_of_time = true;
            self.blame(record.index, message);
        }
    }

    fn timestamp_error(&self, timestamp: Timestamp) -> Option<String> {
        if let TimestampRule::CreateTime { before_max_ms, after_max_ms } = self.rules.timestamps
            && timestamp.0 != -1
        {
            // A difference that overflows turns around, as in Kafka: such a timestamp is far in the future.
            let age_ms = self.now.0.wrapping_sub(timestamp.0);
            return (age_ms > before_max_ms || age_ms.wrapping_neg() > after_max_ms).then(|| {
                let (from, to) =
                    (self.now.0.saturating_sub(before_max_ms), self.now.0.saturating_add(after_max_ms));
                format!(
                    "Timestamp {timestamp} is out of range. The timestamp should be within [{from}, {to}]."
                )
            });
        }
        self.header
            .attributes
            .is_log_append_time()
            .then(|| "Producer should not set timestamp type to LogAppendTime.".to_owned())
    }

    fn blame(&mut self, index: i32, message: String) {
        self.count += 1;
        if self.found.len() < RECORD_ERRORS_MAX {
            self.found.push((index, message));
        }
    }

    fn verdict(self) -> Result<Timestamp, Rejection> {
        if self.count == 0 {
            return Ok(self.max_timestamp);
        }
        let (code, message) = if self.out_of_time {
            (
                ErrorCode::InvalidTimestamp,
                "One or more records have been rejected due to invalid timestamp".to_owned(),
            )
        } else {
            (ErrorCode::InvalidRecord, format!("{} records have been rejected", self.count))
        };
        Err(Rejection { code, message, records: self.found })
    }
}
