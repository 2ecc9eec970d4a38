//! The steps of produce and fetch by themselves, counted in instructions by valgrind: `make bench-steps`. The counts are
//! those of the processor that valgrind imitates (no AVX-512), the same on every machine. Not part of CI.

#![allow(missing_docs, reason = "the macros make public items")]

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group, main};
use milena_protocol::Records;
use milena_protocol::messages::ProduceRequest;
use milena_protocol::records::{Compression, RecordBatch, Rejection, ValidBatch, validate_produced};
use milena_storage::{StorageError, TimestampedOffset};

#[path = "shared/steps.rs"]
mod steps;

use steps::{Filled, NOW, RULES, mk_batch, mk_filled, mk_frame};

fn mk_bytes(record_bytes: usize, compression: Compression) -> Bytes {
    mk_batch(record_bytes, compression).into_bytes()
}

fn mk_append() -> (Filled, RecordBatch) {
    (mk_filled(), mk_batch(1024, Compression::None))
}

#[library_benchmark]
#[bench::one_batch(mk_frame())]
fn decode(frame: Bytes) -> ProduceRequest {
    steps::decode(&frame)
}

#[library_benchmark]
#[bench::one_kilobyte(mk_bytes(1024, Compression::None))]
#[bench::hundred_bytes(mk_bytes(100, Compression::None))]
#[bench::zstd(mk_bytes(1024, Compression::Zstd))]
fn check(batch: Bytes) -> Result<ValidBatch, Rejection> {
    validate_produced(batch, &RULES, NOW)
}

#[library_benchmark]
#[bench::one_batch(mk_append())]
fn append((filled, batch): (Filled, RecordBatch)) -> Filled {
    steps::append(&filled.log, &batch);
    filled
}

#[library_benchmark]
#[bench::offset(mk_filled())]
fn look_up(filled: Filled) -> (Filled, Result<Records, StorageError>) {
    let records = filled.look_up(7919);
    (filled, records)
}

#[library_benchmark]
#[bench::time(mk_filled())]
fn look_up_time(filled: Filled) -> (Filled, Result<Option<TimestampedOffset>, StorageError>) {
    let found = filled.offset_of_time();
    (filled, found)
}

library_benchmark_group!(name = produce; benchmarks = decode, check, append);
library_benchmark_group!(name = fetch; benchmarks = look_up, look_up_time);
main!(library_benchmark_groups = produce, fetch);
