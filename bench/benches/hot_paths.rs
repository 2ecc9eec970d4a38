//! The steps of produce and fetch by themselves: `cargo bench -p milena-bench`. Not part of CI.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use milena_protocol::messages::{
    ProduceRequest,
    produce::{PartitionProduceData, TopicProduceData},
};
use milena_protocol::records::{
    BatchBuilder, Compression, NewRecord, RecordBatch, TimestampRule, ValidationRules, validate_produced,
};
use milena_protocol::{LeaderEpoch, Offset, Records, Timestamp, frames};
use milena_storage::{FsDisk, Log, LogConfig, Opening, Placed, ReadLimits};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const BATCH_BYTES: usize = 64 << 10;
/// Batches of the log that is read.
const LOG_BATCHES: i64 = 2_000;

fn mk_batch(record_bytes: usize, compression: Compression) -> RecordBatch {
    let mut builder = BatchBuilder::default().compression(compression);
    let value: Vec<u8> = (0..record_bytes).map(|index| b'A' + (index * 7919 % 26) as u8).collect();
    for _ in 0..(BATCH_BYTES / record_bytes).max(1) {
        builder.push(NewRecord { timestamp: NOW, value: Some(&value), ..NewRecord::default() });
    }
    builder.build()
}

fn mk_log(folder: &Path) -> Log {
    Log::open(Arc::new(FsDisk), folder, LogConfig::default(), Opening::default()).expect("open a log")
}

fn append(log: &Log, batch: &RecordBatch) {
    let placed = Placed { batch, base_offset: log.end_offset(), leader_epoch: LeaderEpoch(0) };
    log.append(&[placed], NOW).expect("append");
}

fn decode(criterion: &mut Criterion) {
    let records = Some(Records::Bytes(mk_batch(1024, Compression::None).into_bytes()));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic_data = vec![TopicProduceData { name: "decode".into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: 1, timeout_ms: 1000, topic_data, ..Default::default() };
    let frame = frames::request_frame(1, Some("bench".into()), 9, &request).into_bytes().expect("encode");
    let frame = frame.slice(4..);
    criterion.bench_function("decode a produce request", |bencher| {
        bencher.iter(|| {
            let frame = frames::parse_request(frame.clone()).expect("a header");
            frames::decode_request::<ProduceRequest>(black_box(&frame)).expect("a request")
        });
    });
}

fn check(criterion: &mut Criterion) {
    let timestamps = TimestampRule::CreateTime { before_max_ms: i64::MAX, after_max_ms: i64::MAX };
    let rules = ValidationRules {
        timestamps,
        compacted: false,
        compression: None,
        batch_bytes_max: usize::MAX,
        zstd_allowed: true,
    };
    let mut group = criterion.benchmark_group("check a batch");
    let batch = mk_batch(1024, Compression::None);
    group.throughput(Throughput::Bytes(batch.size_bytes() as u64));
    group.bench_function("CRC", |bencher| bencher.iter(|| black_box(&batch).check_crc()));
    let cases = [
        ("1 KB", 1024, Compression::None),
        ("100 B", 100, Compression::None),
        ("zstd", 1024, Compression::Zstd),
    ];
    for (name, record_bytes, compression) in cases {
        let bytes: Bytes = mk_batch(record_bytes, compression).into_bytes();
        group.bench_function(format!("whole, {name}"), |bencher| {
            bencher.iter(|| validate_produced(bytes.clone(), &rules, NOW));
        });
    }
    group.finish();
}

fn log(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let batch = mk_batch(1024, Compression::None);
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Bytes(batch.size_bytes() as u64));
    group.bench_function("append", |bencher| {
        let appended = folder.path().join("append-0");
        std::fs::create_dir_all(&appended).expect("a folder");
        bencher.iter_batched_ref(
            || mk_log(&appended),
            |log| append(log, &batch),
            BatchSize::NumIterations(1000),
        );
    });
    let read = folder.path().join("read-0");
    std::fs::create_dir_all(&read).expect("a folder");
    let log = mk_log(&read);
    (0..LOG_BATCHES).for_each(|_| append(&log, &batch));
    let end = log.end_offset().0;
    let mut offset = 0;
    let mut next = || {
        offset = (offset + 7919) % end;
        Offset(offset)
    };
    let limits = ReadLimits { end_offset: Offset(end), bytes_max: 1 << 20, at_least_one: true };
    group.bench_function("read: look the slice up", |bencher| bencher.iter(|| log.read(next(), limits)));
    group.bench_function("index: the offset of a time", |bencher| {
        bencher.iter(|| log.offset_for_timestamp(black_box(NOW), Offset(end)));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    check(&mut criterion);
    log(&mut criterion);
    criterion.final_summary();
}
