//! Batches read back, refused and damaged: every codec, every rule, arbitrary bytes.

use proptest::prelude::*;

use super::scan::{Scanned, scan};
use super::*;
use crate::error_code::ErrorCode;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn mk_rules() -> ValidationRules {
    ValidationRules {
        timestamps: TimestampRule::CreateTime { before_max_ms: i64::MAX, after_max_ms: 3_600_000 },
        compacted: false,
        compression: None,
        batch_bytes_max: 1_048_588,
        zstd_allowed: true,
    }
}

fn mk_batch(compression: Compression, values: &[&str]) -> RecordBatch {
    let mut builder = BatchBuilder::default().compression(compression);
    for (index, value) in values.iter().enumerate() {
        let timestamp = Timestamp(NOW.0 + index as i64);
        builder.push(NewRecord {
            timestamp,
            key: Some(b"truck-7"),
            value: Some(value.as_bytes()),
            headers: &[("trace", Some(b"1")), ("none", None)],
        });
    }
    builder.build()
}

fn with_byte(batch: &RecordBatch, at: usize, byte: u8, fix_crc: bool) -> Bytes {
    let mut bytes = batch.bytes().to_vec();
    bytes[at] = byte;
    if fix_crc {
        let crc = crc_of(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes.into()
}

#[test]
fn every_codec_gives_back_the_records() {
    for codec in CODECS {
        let batch = mk_batch(codec, &["a", "", &"long ".repeat(40_000)]);
        batch.check_crc().unwrap();
        let records: Vec<Record> = batch.records().unwrap().map(Result::unwrap).collect();
        assert_eq!(records.len(), 3, "{codec:?}");
        assert_eq!(records[2].offset, Offset(2));
        assert_eq!(records[2].timestamp, Timestamp(NOW.0 + 2));
        assert_eq!(records[1].value.as_deref(), Some(&b""[..]));
        assert_eq!(records[0].headers.len(), 2);
        assert_eq!(records[0].headers[1].value, None);
        assert_eq!(batch.header().max_timestamp, Timestamp(NOW.0 + 2));
        let valid = validate_produced(batch.bytes().clone(), &mk_rules(), NOW).unwrap();
        assert_eq!(valid.batch(), &batch, "a good batch stays as it came");
    }
}

#[test]
fn raw_snappy_block_is_read() {
    let plain = mk_batch(Compression::None, &["x"; 100]);
    let raw = snap::raw::Encoder::new().compress_vec(&plain.payload()).unwrap();
    let block = Compression::Snappy.decompress(raw.into()).unwrap();
    assert_eq!(block, plain.payload());
}

#[test]
fn stamp_leaves_the_crc_valid() {
    let batch = mk_batch(Compression::Lz4, &["a", "b"]).stamped(Offset(41), LeaderEpoch(3));
    batch.check_crc().unwrap();
    let mut bytes = batch.bytes().clone();
    let parsed = RecordBatch::take(&mut bytes).unwrap();
    assert_eq!(parsed, batch);
    assert_eq!(parsed.header().next_offset(), Offset(43));
    assert_eq!(parsed.header().leader_epoch, LeaderEpoch(3));
}

#[test]
fn log_append_time_rewrites_the_header_and_its_crc() {
    let rules = ValidationRules { timestamps: TimestampRule::LogAppendTime, ..mk_rules() };
    let later = Timestamp(NOW.0 + 5_000);
    let valid =
        validate_produced(mk_batch(Compression::Gzip, &["a"]).bytes().clone(), &rules, later).unwrap();
    valid.batch().check_crc().unwrap();
    assert!(valid.batch().header().attributes.is_log_append_time());
    let records: Vec<Record> = valid.batch().records().unwrap().map(Result::unwrap).collect();
    assert_eq!(records[0].timestamp, later);
}

#[test]
fn topic_codec_replaces_the_producers() {
    let target = TargetCompression { codec: Compression::Zstd, level: None };
    let rules = ValidationRules { compression: Some(target), ..mk_rules() };
    let batch = mk_batch(Compression::None, &["a", "b"]);
    let valid = validate_produced(batch.bytes().clone(), &rules, NOW).unwrap();
    assert_eq!(valid.batch().header().attributes.compression(), Ok(Compression::Zstd));
    let records = |batch: &RecordBatch| batch.records().unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(records(valid.batch()), records(&batch));
}

#[test]
fn refusals_carry_kafkas_codes() {
    let batch = mk_batch(Compression::None, &["a", "b"]);
    let refuse =
        |bytes: Bytes, rules: ValidationRules| validate_produced(bytes, &rules, NOW).unwrap_err().code;
    let two = [batch.bytes().clone(), batch.bytes().clone()].concat();
    let control = BatchBuilder::control(ControlRecordType::Commit, NOW, b"").build();
    assert_eq!(refuse(Bytes::new(), mk_rules()), ErrorCode::InvalidRecord);
    assert_eq!(refuse(batch.bytes().slice(..70), mk_rules()), ErrorCode::InvalidRecord);
    assert_eq!(refuse(two.into(), mk_rules()), ErrorCode::InvalidRecord);
    assert_eq!(refuse(with_byte(&batch, 16, 1, true), mk_rules()), ErrorCode::InvalidRecord);
    assert_eq!(refuse(with_byte(&batch, 7, 1, true), mk_rules()), ErrorCode::InvalidRecord);
    assert_eq!(refuse(with_byte(&batch, 60, 3, true), mk_rules()), ErrorCode::InvalidRecord);
    assert_eq!(refuse(with_byte(&batch, 70, 0, false), mk_rules()), ErrorCode::CorruptMessage);
    assert_eq!(refuse(with_byte(&batch, 22, 7, true), mk_rules()), ErrorCode::CorruptMessage);
    assert_eq!(refuse(with_byte(&batch, 22, 4, true), mk_rules()), ErrorCode::CorruptMessage);
    assert_eq!(refuse(control.bytes().clone(), mk_rules()), ErrorCode::InvalidRecord);
    let small = ValidationRules { batch_bytes_max: 70, ..mk_rules() };
    assert_eq!(refuse(batch.bytes().clone(), small), ErrorCode::MessageTooLarge);
    let old = ValidationRules { zstd_allowed: false, ..mk_rules() };
    let zstd = mk_batch(Compression::Zstd, &["a"]);
    assert_eq!(refuse(zstd.bytes().clone(), old), ErrorCode::UnsupportedCompressionType);
}

#[test]
fn keyless_records_of_a_compacted_topic_are_named() {
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord { timestamp: NOW, key: Some(b"k"), ..NewRecord::default() });
    builder.push(NewRecord { timestamp: NOW, value: Some(b"v"), ..NewRecord::default() });
    let rules = ValidationRules { compacted: true, ..mk_rules() };
    let rejection = validate_produced(builder.build().bytes().clone(), &rules, NOW).unwrap_err();
    assert_eq!(rejection.code, ErrorCode::InvalidRecord);
    assert_eq!(rejection.records.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
}

#[test]
fn timestamps_beyond_the_limits_are_refused() {
    let timestamps = TimestampRule::CreateTime { before_max_ms: 1_000, after_max_ms: 1_000 };
    let rules = ValidationRules { timestamps, ..mk_rules() };
    let batch = mk_batch(Compression::Snappy, &["a"]);
    for (now, accepted) in [(NOW.0, true), (NOW.0 + 1_001, false), (NOW.0 - 1_001, false)] {
        let result = validate_produced(batch.bytes().clone(), &rules, Timestamp(now));
        assert_eq!(
            result.map_err(|rejection| rejection.code).err(),
            (!accepted).then_some(ErrorCode::InvalidTimestamp)
        );
    }
}

#[test]
fn timestamps_so_early_that_they_turn_around_are_refused() {
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord {
        timestamp: Timestamp(i64::MIN + 10),
        value: Some(b"v"),
        ..NewRecord::default()
    });
    let result = validate_produced(builder.build().into_bytes(), &mk_rules(), NOW);
    assert_eq!(result.unwrap_err().code, ErrorCode::InvalidTimestamp);
}

#[test]
fn absent_max_timestamp_is_computed() {
    let batch = mk_batch(Compression::None, &["a", "b"]).with_max_timestamp(Timestamp(-1), false);
    let valid = validate_produced(batch.bytes().clone(), &mk_rules(), NOW).unwrap();
    assert_eq!(valid.batch().header().max_timestamp, Timestamp(NOW.0 + 1));
    valid.batch().check_crc().unwrap();
}

#[test]
fn decompression_stops_at_its_limit() {
    let zeros = vec![0_u8; 1 << 20];
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..=DECOMPRESSED_BYTES_MAX >> 20 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert_eq!(Compression::Zstd.decompress(bomb.into()), Err(BatchError::TooLarge));
}

#[test]
fn damaged_block_leaves_nothing_to_the_next_one() {
    for size in [100_000, 600_000] {
        let block = Bytes::from(Compression::Zstd.compress(&vec![7; size]).unwrap());
        for cut in [1, 5, block.len() / 2, block.len() - 1] {
            assert!(Compression::Zstd.decompress(block.slice(..cut)).is_err(), "cut at {cut}");
            assert_eq!(Compression::Zstd.decompress(block.clone()).unwrap(), vec![7; size]);
        }
        let twice = Bytes::from([&block[..], &block[..]].concat());
        assert_eq!(Compression::Zstd.decompress(twice).unwrap().len(), 2 * size);
    }
    assert!(Compression::Zstd.decompress(Bytes::new()).is_err());
}

#[test]
fn control_records_tell_their_type() {
    let batch = BatchBuilder::control(ControlRecordType::KRaftVoters, NOW, b"voters").build();
    assert!(batch.header().attributes.is_control());
    let record = batch.records().unwrap().next().unwrap().unwrap();
    assert_eq!(control_record_type(&record), Some(ControlRecordType::KRaftVoters));
    assert_eq!(record.key.as_deref(), Some(&[0, 0, 0, 6][..]));
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(advance_sequence(i32::MAX, 1), 0);
    assert_eq!(advance_sequence(i32::MAX - 1, 3), 1);
    assert_eq!(advance_sequence(0, -1), i32::MAX);
    assert_eq!(advance_sequence(5, 4), 9);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        for batch in batches(bytes.clone()).flatten() {
            if let Ok(records) = batch.records() {
                let _ = records.count();
            }
        }
        let _ = validate_produced(bytes, &mk_rules(), NOW);
    }

    #[test]
    fn damaged_batches_never_panic(
        codec in 0_usize..5,
        damage in proptest::collection::vec((16_usize..400, any::<u8>()), 1..6),
        cut in 0_usize..200,
    ) {
        let batch = mk_batch(CODECS[codec], &["some value", "another value that is a little longer", ""]);
        let mut bytes = batch.bytes().to_vec();
        for (at, byte) in damage {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len() - BATCH_HEADER_BYTES));
        let length = (bytes.len() - BATCH_OVERHEAD_BYTES) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        let crc = crc_of(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let bytes = Bytes::from(bytes);
        let scanned = validate_produced(bytes.clone(), &mk_rules(), NOW);
        if let Ok(valid) = scanned {
            let records = valid.batch().records().unwrap();
            prop_assert!(records.map(|record| record.map(|record| record.offset)).all(|offset| offset.is_ok()));
        }
    }

    #[test]
    fn records_are_judged_alike_in_one_step_and_byte_by_byte(
        damage in proptest::collection::vec((0_usize..120, any::<u8>()), 0..4),
        cut in 0_usize..4,
    ) {
        let batch = mk_batch(Compression::None, &["some value", "another value that is a little longer", ""]);
        let mut block = batch.payload().to_vec();
        for (at, byte) in damage {
            if let Some(slot) = block.get_mut(at) {
                *slot = byte;
            }
        }
        block.truncate(block.len() - cut);
        let judged = |reader: &mut dyn std::io::BufRead| {
            let mut seen = Vec::new();
            let note = |record: &Scanned| seen.push((record.index, record.timestamp_delta, record.has_key));
            let result = scan(reader, 3, Compression::None, note);
            (result, seen)
        };
        let by_bytes = judged(&mut std::io::BufReader::with_capacity(1, &block[..]));
        prop_assert_eq!(judged(&mut &block[..]), by_bytes);
    }

    #[test]
    fn built_batches_read_back(
        records in proptest::collection::vec(
            (any::<Option<Vec<u8>>>(), any::<Option<Vec<u8>>>(), 0_i64..4_000_000_000_000), 1..20),
        codec in 0_usize..5,
    ) {
        let mut builder = BatchBuilder::new(Offset(10)).compression(CODECS[codec]);
        for (key, value, timestamp) in &records {
            builder.push(NewRecord {
                timestamp: Timestamp(*timestamp), key: key.as_deref(), value: value.as_deref(), headers: &[] });
        }
        let mut bytes = builder.build().into_bytes();
        let batch = RecordBatch::take(&mut bytes).unwrap();
        let read: Vec<_> = batch.records().unwrap().map(|record| {
            let record = record.unwrap();
            (record.key.map(|key| key.to_vec()), record.value.map(|value| value.to_vec()), record.timestamp.0)
        }).collect();
        prop_assert_eq!(read, records);
    }
}

#[test]
fn a_header_key_that_is_not_utf8_is_accepted_and_can_be_read() {
    let batch = mk_batch(Compression::None, &["v"]);
    let at = batch.bytes().windows(5).position(|window| window == b"trace").unwrap();
    let bytes = with_byte(&batch, at, 0xff, true);
    let valid = validate_produced(bytes, &mk_rules(), NOW).unwrap();
    let record = valid.batch().records().unwrap().next().unwrap().unwrap();
    assert_eq!(record.headers[0].key, "\u{fffd}race");
}
