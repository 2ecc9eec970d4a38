//! The steps of produce and fetch by themselves, timed: `make bench-steps`. Not part of CI.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use milena_protocol::records::{Compression, validate_produced};

#[path = "shared/steps.rs"]
mod steps;

use steps::{NOW, RULES, append, mk_batch, mk_filled, mk_frame, mk_log};

fn decode(criterion: &mut Criterion) {
    let frame = mk_frame();
    criterion.bench_function("decode a produce request", |bencher| bencher.iter(|| steps::decode(&frame)));
}

fn check(criterion: &mut Criterion) {
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
        let bytes = mk_batch(record_bytes, compression).into_bytes();
        group.bench_function(format!("whole, {name}"), |bencher| {
            bencher.iter(|| validate_produced(bytes.clone(), &RULES, NOW));
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
        bencher.iter_batched_ref(
            || mk_log(folder.path()),
            |log| append(log, &batch),
            BatchSize::NumIterations(1000),
        );
    });
    let filled = mk_filled();
    let mut offset = 0;
    group.bench_function("read: look the slice up", |bencher| {
        bencher.iter(|| {
            offset += 7919;
            filled.look_up(offset)
        });
    });
    group.bench_function("index: the offset of a time", |bencher| bencher.iter(|| filled.offset_of_time()));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    check(&mut criterion);
    log(&mut criterion);
    criterion.final_summary();
}
