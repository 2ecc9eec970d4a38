//! What the steps of produce and fetch work on, and the steps: shared by those that are timed and those that are counted.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::messages::{
    ProduceRequest,
    produce::{PartitionProduceData, TopicProduceData},
};
use milena_protocol::records::{
    BatchBuilder, Compression, NewRecord, RecordBatch, TimestampRule, ValidationRules,
};
use milena_protocol::{LeaderEpoch, Offset, Records, Timestamp, frames};
use milena_storage::{FsDisk, Log, LogConfig, Opening, Placed, ReadLimits, StorageError, TimestampedOffset};
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);
const BATCH_BYTES: usize = 64 << 10;
/// Batches of the log that is read.
const LOG_BATCHES: i64 = 2_000;
pub(crate) const RULES: ValidationRules = ValidationRules {
    timestamps: TimestampRule::CreateTime { before_max_ms: i64::MAX, after_max_ms: i64::MAX },
    compacted: false,
    compression: None,
    batch_bytes_max: usize::MAX,
    zstd_allowed: true,
};

pub(crate) fn mk_batch(record_bytes: usize, compression: Compression) -> RecordBatch {
    let mut builder = BatchBuilder::default().compression(compression);
    let value: Vec<u8> = (0..record_bytes).map(|index| b'A' + (index * 7919 % 26) as u8).collect();
    for _ in 0..(BATCH_BYTES / record_bytes).max(1) {
        builder.push(NewRecord { timestamp: NOW, value: Some(&value), ..NewRecord::default() });
    }
    builder.build()
}

/// A Produce request of one batch, without the size before it.
pub(crate) fn mk_frame() -> Bytes {
    let records = Some(Records::Bytes(mk_batch(1024, Compression::None).into_bytes()));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic_data = vec![TopicProduceData { name: "decode".into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: 1, timeout_ms: 1000, topic_data, ..Default::default() };
    let frame = frames::request_frame(1, Some("bench".into()), 9, &request).into_bytes().expect("encode");
    frame.slice(4..)
}

pub(crate) fn decode(frame: &Bytes) -> ProduceRequest {
    let frame = frames::parse_request(frame.clone()).expect("a header");
    frames::decode_request::<ProduceRequest>(black_box(&frame)).expect("a request")
}

pub(crate) fn mk_log(folder: &Path) -> Log {
    Log::open(Arc::new(FsDisk), folder, LogConfig::default(), Opening::default()).expect("open a log")
}

pub(crate) fn append(log: &Log, batch: &RecordBatch) {
    let placed = Placed { batch, base_offset: log.end_offset(), leader_epoch: LeaderEpoch(0) };
    log.append(&[placed], NOW).expect("append");
}

/// A log of [`LOG_BATCHES`] in a folder of its own.
pub(crate) struct Filled {
    pub(crate) log: Log,
    _folder: TempDir,
}

pub(crate) fn mk_filled() -> Filled {
    let folder = tempfile::tempdir().expect("a folder");
    let log = mk_log(folder.path());
    let batch = mk_batch(1024, Compression::None);
    (0..LOG_BATCHES).for_each(|_| append(&log, &batch));
    Filled { log, _folder: folder }
}

impl Filled {
    pub(crate) fn look_up(&self, offset: i64) -> Result<Records, StorageError> {
        let end_offset = self.log.end_offset();
        let limits = ReadLimits { end_offset, bytes_max: 1 << 20, at_least_one: true };
        self.log.read(Offset(offset % end_offset.0), limits)
    }

    pub(crate) fn offset_of_time(&self) -> Result<Option<TimestampedOffset>, StorageError> {
        self.log.offset_for_timestamp(black_box(NOW), self.log.end_offset())
    }
}
