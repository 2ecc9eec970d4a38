//! Compaction against a list: of each key the last record stays where it was, tombstones until their time is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use milena_protocol::records::{BatchBuilder, Compression, ControlRecordType, NewRecord, RecordBatch};
use milena_protocol::{Offset, ProducerEpoch, ProducerId, Timestamp};
use milena_storage::disk::Open;
use milena_storage::{AbortedTransaction, CleanRules, Disk, LastBatch, Log, LogConfig, MemDisk, Opening};
use proptest::prelude::*;

use crate::support::{self, append, batches_of, clean, mk_config, mk_rules, open, records_of};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
const RETENTION_MS: i64 = 1_000;

/// What a record is expected to be: key, value, timestamp.
type Expected = (String, Option<String>, i64);

/// A log that forgets nothing but what it should.
#[derive(Default)]
struct Model {
    /// By offset, with the base offset of the batch.
    records: BTreeMap<i64, (i64, Expected)>,
    /// Of batches with a tombstone that was seen by a cleaning.
    horizons: BTreeMap<i64, i64>,
    /// Last sequence and last offset of each producer.
    producers: BTreeMap<i64, (i32, i64)>,
}

impl Model {
    /// Everything below `end` was cleaned; segments up to `touched` were written again.
    fn clean(&mut self, end: i64, touched: i64, now: i64) {
        let last: HashMap<String, i64> =
            self.records.range(..end).map(|(offset, (_, (key, ..)))| (key.clone(), *offset)).collect();
        let horizons = self.horizons.clone();
        self.records.retain(|offset, (batch, (key, value, _))| {
            let is_over = horizons.get(batch).is_some_and(|horizon| *horizon <= now);
            *offset >= end || last[key] == *offset && (value.is_some() || !is_over)
        });
        for (batch, (_, value, _)) in self.records.values().filter(|(batch, _)| *batch < touched) {
            if value.is_none() {
                self.horizons.entry(*batch).or_insert(now + RETENTION_MS);
            }
        }
    }

    /// A table that is full knows some keys of the batch that it has no room for: older records of those may go.
    fn drop_superseded(&mut self, log: &Log, end: i64) {
        let found: BTreeSet<i64> =
            records_of(&batches_of(log)).iter().map(|record| record.offset.0).collect();
        let last: HashMap<String, i64> =
            self.records.iter().map(|(offset, (_, (key, ..)))| (key.clone(), *offset)).collect();
        self.records.retain(|offset, (_, (key, ..))| found.contains(offset) || last[key] < end);
    }
}

/// One batch: codec, producer if any, and a key with its value, or a tombstone, for each record.
#[derive(Debug, Clone)]
struct Written {
    codec: usize,
    producer: Option<i64>,
    records: Vec<(u8, bool)>,
}

#[derive(Debug, Clone)]
enum Step {
    Append(Written),
    /// After so much time, with a table of at most so many keys.
    Clean {
        elapsed_ms: i64,
        keys_max: u64,
    },
    Restart {
        clean: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = (0_u8..12, prop::bool::weighted(0.8));
    let written = (0..CODECS.len(), prop::option::of(0_i64..3), prop::collection::vec(record, 1..6))
        .prop_map(|(codec, producer, records)| Step::Append(Written { codec, producer, records }));
    let clean = (0_i64..900, prop_oneof![3 => Just(10_000_u64), 1 => 6_u64..12])
        .prop_map(|(elapsed_ms, keys_max)| Step::Clean { elapsed_ms, keys_max });
    let restart = any::<bool>().prop_map(|clean| Step::Restart { clean });
    prop::collection::vec(prop_oneof![12 => written, 2 => clean, 1 => restart], 1..90)
}

fn write(log: &Log, model: &mut Model, written: &Written, now: i64) {
    let base = log.end_offset().0;
    let mut builder = BatchBuilder::default().compression(CODECS[written.codec]);
    if let Some(producer) = written.producer {
        let last = model.producers.entry(producer).or_insert((-1, -1));
        builder = builder.producer(ProducerId(producer), ProducerEpoch(0), last.0 + 1);
        let count = written.records.len() as i32;
        *last = (last.0 + count, base + i64::from(count) - 1);
    }
    for (index, (key, has_value)) in (0_i64..).zip(&written.records) {
        let (key, value) = (format!("key {key}"), has_value.then(|| format!("value {}", base + index)));
        builder.push(NewRecord {
            timestamp: Timestamp(now + index),
            key: Some(key.as_bytes()),
            value: value.as_deref().map(str::as_bytes),
            headers: &[("h", Some(b"x"))],
        });
        model.records.insert(base + index, (base, (key, value, now + index)));
    }
    append(log, &builder.build(), 0).unwrap();
}

fn rules(model: &Model, now: i64, keys_max: u64) -> CleanRules {
    let last = |(id, (_, offset)): (&i64, &(i32, i64))| (ProducerId(*id), LastBatch::Data(Offset(*offset)));
    CleanRules {
        delete_retention_ms: RETENTION_MS,
        producers: model.producers.iter().map(last).collect(),
        table_bytes_max: keys_max * 24,
        ..mk_rules(now)
    }
}

fn assert_same(log: &Log, model: &Model) {
    let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let batches = batches_of(log);
    let found: BTreeMap<i64, Expected> = records_of(&batches)
        .into_iter()
        .inspect(|record| assert_eq!(record.headers.len(), 1))
        .map(|record| {
            let value = record.value.as_ref().map(text);
            (record.offset.0, (text(record.key.as_ref().unwrap()), value, record.timestamp.0))
        })
        .collect();
    let expected: BTreeMap<i64, Expected> =
        model.records.iter().map(|(offset, (_, record))| (*offset, record.clone())).collect();
    assert_eq!(found, expected);
    for (producer, last) in &model.producers {
        let of_producer = |batch: &&RecordBatch| batch.header().producer_id.0 == *producer;
        let header = *batches.iter().rfind(of_producer).expect("its last batch is kept").header();
        assert_eq!((header.last_sequence(), header.last_offset().0), *last);
    }
    let ends: Vec<i64> = batches.iter().map(|batch| batch.header().last_offset().0).collect();
    assert!(ends.is_sorted(), "{ends:?}");
    for (offset, (_, _, timestamp)) in &expected {
        let found = log.offset_for_timestamp(Timestamp(*timestamp), Offset(i64::MAX)).unwrap().unwrap();
        assert!(found.offset.0 <= *offset && found.timestamp.0 >= *timestamp);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn last_record_of_every_key_stays_where_it_was(steps in steps()) {
        let disk = MemDisk::new();
        let (mut log, mut model) = (open(&disk, Opening::default()), Model::default());
        let (mut now, mut dirty) = (1_700_000_000_000, Offset(0));
        for step in steps {
            now += 10;
            match step {
                Step::Append(written) => {
                    write(&log, &mut model, &written, now);
                    continue;
                }
                Step::Clean { elapsed_ms, keys_max } => {
                    now += elapsed_ms;
                    let end = log.active_base_offset();
                    let before = log.end_offset();
                    if dirty < end {
                        let bases: Vec<Offset> = log.segments().iter().map(|it| it.base_offset).collect();
                        dirty = clean(&log, dirty..end, rules(&model, now, keys_max)).unwrap();
                        let touched = *bases.iter().find(|base| **base >= dirty).unwrap();
                        if dirty < end { model.drop_superseded(&log, dirty.0) }
                        model.clean(dirty.0, touched.0, now);
                    }
                    prop_assert_eq!(log.end_offset(), before);
                }
                Step::Restart { clean } => {
                    if clean { log.close().unwrap() }
                    log = open(&disk, Opening { clean, may_have_gaps: true, ..Opening::default() });
                }
            }
            assert_same(&log, &model);
        }
    }
}

/// A log of small segments with one batch each, so that everything but the last batch can be cleaned.
fn mk_log(disk: &MemDisk) -> Log {
    let config = LogConfig { segment_bytes: 1, ..mk_config() };
    Log::open(Arc::new(disk.clone()), support::FOLDER.as_ref(), config, Opening::default()).unwrap()
}

fn mk_batch(producer: i64, key: &str) -> RecordBatch {
    let mut builder =
        BatchBuilder::default().producer(ProducerId(producer), ProducerEpoch(0), 0).transactional();
    builder.push(NewRecord {
        timestamp: Timestamp(1),
        key: Some(key.as_bytes()),
        value: Some(b"v"),
        headers: &[],
    });
    builder.build()
}

fn mk_marker(producer: i64, kind: ControlRecordType) -> RecordBatch {
    let mut builder =
        BatchBuilder::default().producer(ProducerId(producer), ProducerEpoch(0), -1).transactional();
    builder.push_control(kind, Timestamp(1), &[0; 6]);
    builder.build()
}

/// Base offsets of data batches and of markers.
fn kept(log: &Log) -> (Vec<i64>, Vec<i64>) {
    let (markers, data): (Vec<_>, Vec<_>) =
        batches_of(log).into_iter().partition(|batch| batch.header().attributes.is_control());
    let bases =
        |batches: Vec<RecordBatch>| batches.iter().map(|batch| batch.header().base_offset.0).collect();
    (bases(data), bases(markers))
}

#[test]
fn markers_go_after_their_records_and_their_time() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    for batch in [
        mk_batch(1, "a"),                        // 0: aborted
        mk_batch(2, "a"),                        // 1: committed, overwritten by 4
        mk_marker(1, ControlRecordType::Abort),  // 2
        mk_marker(2, ControlRecordType::Commit), // 3
        mk_batch(3, "a"),                        // 4: committed
        mk_marker(3, ControlRecordType::Commit), // 5
        mk_batch(4, "z"),                        // 6: ends the cleaned part
        mk_marker(4, ControlRecordType::Commit), // 7: the active segment
    ] {
        append(&log, &batch, 0).unwrap();
    }
    let aborted = AbortedTransaction {
        first_offset: Offset(0),
        producer_id: ProducerId(1),
        last_offset: Offset(2),
        last_stable_offset: Offset(1),
    };
    log.append_aborted(&aborted).unwrap();
    log.append_aborted(&aborted).unwrap();
    assert_eq!(log.aborted_transactions(Offset(0), Offset(8)).unwrap(), [aborted]);
    let end = log.active_base_offset();
    let once = |now| clean(&log, Offset(0)..end, mk_rules(now)).unwrap();

    once(1_000);
    assert_eq!(kept(&log), (vec![4, 6], vec![2, 3, 5, 7]), "markers outlive the records they judge");
    assert_eq!(log.aborted_transactions(Offset(0), Offset(8)).unwrap(), [aborted], "carried over");
    once(1_000);
    assert_eq!(kept(&log).1, [2, 3, 5, 7], "no record is left, their time begins");
    assert_eq!(log.aborted_transactions(Offset(0), Offset(8)).unwrap(), []);
    once(1_000 + mk_rules(0).delete_retention_ms - 1);
    assert_eq!(kept(&log).1, [2, 3, 5, 7]);
    once(1_000 + mk_rules(0).delete_retention_ms);
    assert_eq!(kept(&log), (vec![4, 6], vec![5, 7]));
}

#[test]
fn records_without_a_key_are_dropped_and_small_segments_are_joined() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    for key in [None, Some(b"a"), Some(b"b"), Some(b"a"), None] {
        let mut builder = BatchBuilder::default();
        let key = key.map(|key: &[u8; 1]| &key[..]);
        builder.push(NewRecord { timestamp: Timestamp(5), key, value: Some(b"v"), headers: &[] });
        append(&log, &builder.build(), 0).unwrap();
    }
    log.set_config(mk_config());
    let snapshot = |offset| log.write_producer_snapshot(Offset(offset), &[]).unwrap();
    (1..5).for_each(snapshot);
    assert_eq!(log.segment_count(), 5);
    clean(&log, Offset(0)..Offset(4), mk_rules(9)).unwrap();
    assert_eq!(log.segment_count(), 2);
    let batches = batches_of(&log);
    let offsets: Vec<i64> = records_of(&batches).iter().map(|record| record.offset.0).collect();
    assert_eq!(offsets, [2, 3, 4]);
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(0), Offset(5)));
    let opened = open(&disk, Opening { may_have_gaps: true, ..Opening::default() });
    assert_eq!(batches_of(&opened), batches);
    assert_eq!(opened.producer_snapshot().unwrap(), Some((Offset(4), vec![])), "of segments that are there");
}

#[test]
fn cleaning_that_is_stopped_or_overtaken_changes_nothing() {
    let log = mk_log(&MemDisk::new());
    (0..6).for_each(|_| assert!(append(&log, &mk_batch(1, "a"), 0).is_ok()));
    let before = batches_of(&log);
    let range = Offset(0)..log.active_base_offset();
    let stopped = log.cleaning(range.clone(), mk_rules(1), &mut |_| false);
    assert!(stopped.is_err());
    let mut cleaning = log.cleaning(range, mk_rules(1), &mut |_| true).unwrap();
    let group = cleaning.next_group().unwrap();
    let mut cleaned = log.begin_cleaned(&group).unwrap();
    cleaning.fill(&group, &mut cleaned, &mut |_| true).unwrap();
    log.truncate_to(Offset(0)).unwrap();
    assert!(!log.swap(&cleaned).unwrap());
    assert_eq!(batches_of(&log), []);
    append(&log, &before[0], 0).unwrap();
    assert_eq!(log.end_offset(), Offset(1));
}

#[test]
fn damage_ends_a_cleaning() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    (0..4).for_each(|_| assert!(append(&log, &mk_batch(1, "a"), 0).is_ok()));
    let path = Path::new(support::FOLDER).join("00000000000000000001.log");
    let file = disk.open(&path, Open::Existing).unwrap();
    file.write_all_at(&[b"?"], 70).unwrap();
    assert!(clean(&log, Offset(0)..log.active_base_offset(), mk_rules(1)).is_err());
    assert_eq!(log.segment_count(), 4);
}
