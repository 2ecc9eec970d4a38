//! Record batches of a producer or of a file: validated, decompressed within bounds, read and built again.
//!
//! Input: a byte of [`FIX_CRC`] and rules, the rest is batches.

use bytes::Bytes;
use milena_protocol::Timestamp;
use milena_protocol::records::{
    BatchBuilder, Compression, NewRecord, Record, RecordBatch, TargetCompression, TimestampRule,
    ValidationRules, batches, validate_produced,
};

use super::bounded;
use crate::input::Input;
use crate::vector;

/// Gives each batch the CRC of its bytes: a fuzzer does not guess it, a hostile producer computes it.
const FIX_CRC: u8 = 1;
const COMPACTED: u8 = 2;
const APPEND_TIME: u8 = 4;
/// From this bit on, the number of the codec that the topic prescribes; none where there is no such codec.
const CODEC_SHIFT: u8 = 4;
/// What judging a batch may allocate: buffers of the codecs, whatever the batch inflates to.
const JUDGED_BYTES_MAX: usize = 24 * 1024 * 1024;
/// What reading a small batch may allocate: the largest block, doubled while it grows, and its records.
const READ_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;
/// Records blocks up to this size are built again in every run.
const BUILT_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    for batch in batches(input.rest()).map_while(Result::ok) {
        let header = *batch.header();
        let is_append_time = header.attributes.is_log_append_time();
        let fixed = batch.with_max_timestamp(header.max_timestamp, is_append_time);
        let batch = if flags & FIX_CRC != 0 { fixed } else { batch };
        judge(&batch, flags);
        if let Some(records) = bounded(READ_BYTES_MAX, || read(&batch)) {
            build_again(&batch, &records);
        }
    }
}

fn read(batch: &RecordBatch) -> Option<Vec<Record>> {
    batch.records().ok()?.collect::<Result<_, _>>().ok()
}

fn judge(batch: &RecordBatch, flags: u8) {
    let kept = rules(flags, None);
    let verdict =
        bounded(JUDGED_BYTES_MAX, || validate_produced(batch.bytes().clone(), &kept, Timestamp(1_000)));
    let Ok(valid) = verdict else { return };
    let records = read(valid.batch()).expect("a valid batch can be read");
    let offsets = records.iter().map(|record| record.offset.0);
    assert!(offsets.eq(0..i64::from(valid.batch().header().count)), "offsets follow each other");
    assert!(flags & COMPACTED == 0 || records.iter().all(|record| record.key.is_some()));
    let Some(codec) = Compression::from_id(i16::from(flags >> CODEC_SHIFT)) else { return };
    let prescribed = rules(flags, Some(codec));
    let valid = validate_produced(batch.bytes().clone(), &prescribed, Timestamp(1_000));
    let valid = valid.expect("what may be kept may be written in another codec");
    assert_eq!(valid.batch().header().attributes.compression(), Ok(codec));
    // What a client marks with an append time loses the mark in place, its records keep it when they are written anew;
    // that is Kafka's way too.
    if !batch.header().attributes.is_log_append_time() {
        assert_eq!(read(valid.batch()).as_ref(), Some(&records));
    }
}

fn rules(flags: u8, compression: Option<Compression>) -> ValidationRules {
    let timestamps = if flags & APPEND_TIME != 0 {
        TimestampRule::LogAppendTime
    } else {
        TimestampRule::CreateTime { before_max_ms: i64::MAX, after_max_ms: 3_600_000 }
    };
    ValidationRules {
        timestamps,
        compacted: flags & COMPACTED != 0,
        compression: compression.map(|codec| TargetCompression { codec, level: None }),
        batch_bytes_max: 1 << 30,
        zstd_allowed: true,
    }
}

fn build_again(batch: &RecordBatch, records: &[Record]) {
    let size = |record: &Record| record.key.iter().chain(&record.value).map(Bytes::len).sum::<usize>();
    if records.iter().map(size).sum::<usize>() > BUILT_BYTES_MAX {
        return;
    }
    let header = batch.header();
    let codec = header.attributes.compression().expect("it was read");
    let mut builder = BatchBuilder::new(header.base_offset).compression(codec);
    for record in records {
        let headers: Vec<_> =
            record.headers.iter().map(|header| (&*header.key, header.value.as_deref())).collect();
        builder.push(NewRecord {
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        });
    }
    let built = builder.build();
    assert_eq!(built.check_crc(), Ok(()));
    let again = read(&built).expect("what was built can be read");
    let contents = |records: &[Record]| -> Vec<_> {
        let parts = |r: &Record| (r.timestamp, r.key.clone(), r.value.clone(), r.headers.clone());
        records.iter().map(parts).collect()
    };
    assert_eq!(contents(&again), contents(records));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let flags = [0, FIX_CRC, FIX_CRC | COMPACTED, 0x31, 0x35, FIX_CRC | APPEND_TIME];
    let batch = |line: Vec<String>| {
        flags.map(|flags| {
            // Offsets of a producer's batch begin at 0.
            let mut bytes = vector::hex(&line[1]).to_vec();
            bytes[..8].fill(0);
            [&[flags], &bytes[..]].concat()
        })
    };
    vector::lines("batches").into_iter().flat_map(batch).collect()
}
