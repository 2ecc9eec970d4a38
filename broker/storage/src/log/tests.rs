//! Logs on a disk in memory: reads, truncation, retention, and a crash at every single write.

use std::collections::BTreeMap;

use milena_protocol::records::{BatchBuilder, NewRecord, RecordIter, batches};
use milena_protocol::{ProducerEpoch, ProducerId, Records};
use proptest::prelude::*;

use super::*;
use crate::disk::{Call, LazyDisk, MemDisk, Open, Survival};
use crate::producers::ProducerEntry;

const FOLDER: &str = "/data/truck_gps-0";
/// Fewer than one segment has.
const OPEN_FILES_MAX: usize = 2;
/// EIO and EMFILE.
const INPUT_OUTPUT_ERROR: i32 = 5;
const TOO_MANY_OPEN_FILES: i32 = 24;
/// No space left on device.
const NOSPC: i32 = 28;
const START: i64 = 1_700_000_000_000;

fn mk_config() -> LogConfig {
    LogConfig { segment_bytes: 2_000, index_interval_bytes: 100, ..LogConfig::default() }
}

fn mk_log(disk: &MemDisk) -> Log {
    open(disk, Opening::default())
}

fn open(disk: &MemDisk, opening: Opening) -> Log {
    let disk = LazyDisk::new(Arc::new(disk.clone()), OPEN_FILES_MAX);
    Log::open(Arc::new(disk), Path::new(FOLDER), mk_config(), opening).unwrap()
}

/// `count` records whose values name their offset, one millisecond apart.
fn mk_batch(offset: i64, count: i64) -> RecordBatch {
    let mut builder = BatchBuilder::default();
    for index in offset..offset + count {
        let value = format!("value {index}");
        builder.push(NewRecord {
            timestamp: Timestamp(START + index),
            value: Some(value.as_bytes()),
            ..NewRecord::default()
        });
    }
    builder.build()
}

fn append(log: &Log, count: i64, epoch: i32) -> Result<Appended, StorageError> {
    let base_offset = log.end_offset();
    let batch = mk_batch(base_offset.0, count);
    let placed = Placed { batch: &batch, base_offset, leader_epoch: LeaderEpoch(epoch) };
    log.append(&[placed], Timestamp(START))
}

fn mk_filled(disk: &MemDisk, appends: i64) -> Log {
    let log = mk_log(disk);
    for index in 0..appends {
        append(&log, 1 + index % 3, 0).unwrap();
    }
    log
}

fn to_end() -> ReadLimits {
    ReadLimits { end_offset: Offset(i64::MAX), bytes_max: usize::MAX >> 1, at_least_one: true }
}

fn batches_of(records: Records) -> Vec<RecordBatch> {
    batches(records.into_bytes().unwrap()).map(Result::unwrap).collect()
}

/// Offset and value of every record from `from` on.
fn read_all(log: &Log, from: Offset) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    let mut next = from;
    while next < log.end_offset() {
        let read = batches_of(log.read(next, to_end()).unwrap());
        next = read.last().expect("a read below the end yields a batch").header().next_offset();
        for batch in read {
            batch.check_crc().unwrap();
            let records: RecordIter = batch.records().unwrap();
            for record in records.map(Result::unwrap) {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                assert_eq!(found.insert(record.offset.0, value), None, "offset {} twice", record.offset);
            }
        }
    }
    found
}

fn assert_holds_exactly(log: &Log, start: i64) {
    let records = read_all(log, log.start_offset());
    let offsets: Vec<i64> = records.keys().copied().filter(|offset| *offset >= start).collect();
    assert_eq!(offsets, (start..log.end_offset().0).collect::<Vec<_>>());
    assert!(records.iter().all(|(offset, value)| *value == format!("value {offset}")));
}

/// The indexes lead to every record by its timestamp.
fn assert_found_by_time(log: &Log) {
    for offset in (0..log.end_offset().0).step_by(3) {
        let found = log.offset_for_timestamp(Timestamp(START + offset), Offset(i64::MAX)).unwrap();
        assert_eq!(found.map(|found| found.offset), Some(Offset(offset)));
    }
}

/// The epochs are those of the batches.
fn assert_epochs_begin(log: &Log) {
    let mut begun = Vec::<EpochStart>::new();
    log.headers_from(Offset(0), |header| {
        if begun.last().is_none_or(|last| last.epoch < header.leader_epoch) {
            begun.push(EpochStart { epoch: header.leader_epoch, start_offset: header.base_offset });
        }
    })
    .unwrap();
    assert_eq!(**log.epochs(), begun);
}

#[test]
fn appended_records_are_read_back_across_segments() {
    let log = mk_filled(&MemDisk::new(), 100);
    assert!(log.segment_count() > 3);
    assert_holds_exactly(&log, 0);
    assert_eq!(log.end_offset(), Offset(199));
}

#[test]
fn log_survives_being_opened_again() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 100);
    log.close().unwrap();
    let clean = open(&disk, Opening { clean: true, ..Opening::default() });
    let checked = open(&disk, Opening::default());
    for opened in [&clean, &checked] {
        assert_eq!(opened.end_offset(), log.end_offset());
        assert_eq!(opened.segment_count(), log.segment_count());
        assert_holds_exactly(opened, 0);
        append(opened, 2, 0).unwrap();
        assert_holds_exactly(opened, 0);
        opened.truncate_to(log.end_offset()).unwrap();
    }
}

#[test]
fn checked_indexes_equal_those_written_by_appends() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 60);
    log.close().unwrap();
    let files = |disk: &MemDisk| -> BTreeMap<String, Vec<u8>> {
        let names = disk.list(Path::new(FOLDER)).unwrap().into_iter().map(|entry| entry.name);
        names.map(|name| (name.clone(), disk.read(&Path::new(FOLDER).join(name)).unwrap())).collect()
    };
    let before = files(&disk);
    assert!(before.values().filter(|contents| !contents.is_empty()).count() > 6);
    open(&disk, Opening::default()).close().unwrap();
    assert_eq!(files(&disk), before);
}

#[test]
fn reads_keep_to_whole_batches_and_limits() {
    let log = mk_filled(&MemDisk::new(), 30);
    let one = batches_of(log.read(Offset(4), ReadLimits { bytes_max: 1, ..to_end() }).unwrap());
    assert_eq!(one.len(), 1, "the first batch comes whole");
    assert_eq!(one[0].header().base_offset, Offset(3), "offset 4 is inside the batch from 3");
    let none = log.read(Offset(4), ReadLimits { bytes_max: 1, at_least_one: false, ..to_end() }).unwrap();
    assert!(none.is_empty());
    let bytes_max = one[0].size_bytes() + 200;
    let some = batches_of(log.read(Offset(3), ReadLimits { bytes_max, ..to_end() }).unwrap());
    assert!(some.len() > 1 && some.iter().map(RecordBatch::size_bytes).sum::<usize>() <= bytes_max);
    let below = batches_of(log.read(Offset(0), ReadLimits { end_offset: Offset(6), ..to_end() }).unwrap());
    assert_eq!(below.last().unwrap().header().next_offset(), Offset(6));
    assert!(log.read(log.end_offset(), to_end()).unwrap().is_empty());
    assert!(matches!(log.read(Offset(1_000), to_end()), Err(StorageError::OutOfRange { .. })));
}

#[test]
fn refused_append_changes_nothing() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 20);
    let (end, size) = (log.end_offset(), log.size_bytes());
    disk.fail_after(0);
    assert!(append(&log, 3, 7).is_err());
    assert_eq!((log.end_offset(), log.size_bytes(), log.last_epoch()), (end, size, Some(LeaderEpoch(0))));
    disk.fail_after(u64::MAX >> 1);
    append(&log, 3, 0).unwrap();
    assert_holds_exactly(&log, 0);
}

#[test]
fn refused_append_leaves_nothing_in_a_finished_segment() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 10);
    disk.fail_after(0);
    append(&log, 20, 0).unwrap_err();
    disk.fail_after(100_000);
    log.set_config(LogConfig { segment_bytes: 1, ..mk_config() });
    append(&log, 1, 0).unwrap();
    append(&log, 1, 0).unwrap();
    assert!(log.segment_count() > 2);
    let killed = open(&disk.crash(Survival::All), Opening::default());
    log.close().unwrap();
    let stopped = open(&disk, Opening { clean: true, ..Opening::default() });
    for opened in [&killed, &stopped] {
        assert_eq!(opened.end_offset(), log.end_offset());
        assert_holds_exactly(opened, 0);
    }
}

#[test]
fn folder_is_synced_again_where_it_could_not_be_opened() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 1);
    disk.refuse(Call::Sync, Some(TOO_MANY_OPEN_FILES));
    log.sync_names().unwrap_err();
    disk.refuse(Call::Sync, None);
    let before = disk.changes();
    log.flush().unwrap();
    assert_eq!(disk.changes() - before, 3, "the segment, its folder and the folder above");
}

#[test]
fn after_a_sync_that_failed_nothing_becomes_durable() {
    for sync in [Log::flush, Log::checkpoint] {
        let disk = MemDisk::new();
        let log = mk_filled(&disk, 1);
        log.flush().unwrap();
        let durable = log.durable_end();
        append(&log, 1, 0).unwrap();
        disk.refuse(Call::Sync, Some(TOO_MANY_OPEN_FILES));
        assert!(!sync(&log).unwrap_err().is_sync(), "nothing was tried");
        disk.refuse(Call::Sync, Some(INPUT_OUTPUT_ERROR));
        sync(&log).unwrap_err();
        disk.refuse(Call::Sync, None);
        for again in [Log::flush, Log::checkpoint, Log::close] {
            assert!(again(&log).unwrap_err().is_sync(), "the kernel reports a failed write once");
        }
        assert_eq!(log.durable_end(), durable);
    }
}

#[test]
fn roll_that_failed_at_any_step_hides_nothing_of_what_is_appended_later() {
    let rolls: [fn(&Log) -> bool; 3] = [
        |log| append(log, 100, 0).is_ok(),
        |log| log.begin_segment(Timestamp(START)).is_ok(),
        |log| {
            let all = Retention { age_ms_max: Some(0), bytes_max: None };
            log.delete_old(Timestamp(START + 1_000), all, log.end_offset()).is_ok()
        },
    ];
    for (roll, preallocate) in rolls.into_iter().flat_map(|roll| [(roll, false), (roll, true)]) {
        for step in 0.. {
            let disk = MemDisk::new();
            let log = mk_filled(&disk, 5);
            log.set_config(LogConfig { preallocate, ..mk_config() });
            disk.fail_after(step);
            let is_done = roll(&log);
            disk.fail_after(u64::MAX >> 1);
            let start = log.start_offset().0;
            append(&log, 2, 0).unwrap();
            append(&log, 3, 0).unwrap();
            assert_holds_exactly(&log, start);
            let killed = open(&disk.crash(Survival::All), Opening::default());
            let stopped = open(&disk, stop(&log));
            for opened in [&killed, &stopped] {
                assert_eq!(opened.end_offset(), log.end_offset(), "step {step}");
                assert_holds_exactly(opened, start);
            }
            if is_done {
                break;
            }
        }
    }
}

#[test]
fn flush_that_waited_for_one_that_failed_fails_too() {
    let log = mk_filled(&MemDisk::new(), 1);
    std::thread::scope(|scope| {
        let mut has_failed = log.has_failed.lock().unwrap();
        let second = scope.spawn(|| log.flush());
        *has_failed = true;
        drop(has_failed);
        assert!(second.join().unwrap().unwrap_err().is_sync());
    });
}

#[test]
fn flush_of_a_retired_log_leaves_the_epochs_of_its_namesake_alone() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 30);
    log.retire();
    log.disk.rename(Path::new(FOLDER), Path::new("/data/truck_gps-0.f00d-delete")).unwrap();
    let namesake = Log::open(log.disk.clone(), Path::new(FOLDER), mk_config(), Opening::default()).unwrap();
    append(&namesake, 1, 7).unwrap();
    log.checkpoint().unwrap();
    log.flush().unwrap();
    let epochs = disk.read(&Path::new(FOLDER).join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(String::from_utf8(epochs).unwrap(), "0\n1\n7 0\n");
}

#[test]
fn index_of_an_emptied_segment_is_made_again() {
    let disk = MemDisk::new();
    mk_filled(&disk, 10).close().unwrap();
    let path = Path::new(FOLDER).join("00000000000000000000.log");
    disk.open(&path, Open::Existing).unwrap().set_len(0).unwrap();
    let log = open(&disk, Opening { clean: true, ..Opening::default() });
    assert_eq!(log.end_offset(), Offset(0));
    append(&log, 3, 0).unwrap();
    assert_holds_exactly(&log, 0);
}

#[test]
fn timestamps_are_found_inside_batches() {
    let log = mk_filled(&MemDisk::new(), 100);
    for offset in [0, 1, 4, 57, 198] {
        let found = log.offset_for_timestamp(Timestamp(START + offset), Offset(i64::MAX)).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp.0), (Offset(offset), START + offset));
    }
    assert_eq!(log.offset_for_timestamp(Timestamp(START + 199), Offset(i64::MAX)).unwrap(), None);
    assert_eq!(log.offset_for_timestamp(Timestamp(START + 50), Offset(50)).unwrap(), None);
    assert_eq!(log.offset_for_timestamp(Timestamp(0), Offset(i64::MAX)).unwrap().unwrap().offset, Offset(0));
    assert_eq!(log.offset_of_max_timestamp(Offset(i64::MAX)).unwrap().unwrap().offset, Offset(198));
    log.advance_start(log.end_offset()).unwrap();
    assert_eq!(log.offset_for_timestamp(Timestamp(0), Offset(i64::MAX)).unwrap(), None);
    assert_eq!(log.offset_of_max_timestamp(Offset(i64::MAX)).unwrap().unwrap().offset, Offset(198));
}

#[test]
fn epochs_tell_where_each_leader_ended() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    for epoch in [0, 0, 3, 3, 5] {
        append(&log, 2, epoch).unwrap();
    }
    let ends = |log: &Log| (-2..7).map(|epoch| log.end_of_epoch(LeaderEpoch(epoch))).collect::<Vec<_>>();
    let none = (LeaderEpoch(-1), Offset(-1));
    let first = (LeaderEpoch(0), Offset(4));
    let third = (LeaderEpoch(3), Offset(8));
    let before = (LeaderEpoch(-2), Offset(0));
    assert_eq!(
        ends(&log),
        [before, none, first, first, first, third, third, (LeaderEpoch(5), Offset(10)), none]
    );
    assert_eq!(log.epoch_of(Offset(7)), Some(LeaderEpoch(3)));
    let file = disk.open(&Path::new(FOLDER).join("leader-epoch-checkpoint"), Open::Existing).unwrap();
    file.set_len(3).unwrap();
    assert_eq!(ends(&open(&disk, Opening::default())), ends(&log), "a damaged file is made again");
    log.truncate_to(Offset(8)).unwrap();
    assert_eq!(log.last_epoch(), Some(LeaderEpoch(3)));
}

#[test]
fn truncation_removes_from_the_batch_on() {
    for offset in [0, 1, 2, 40, 97, 198] {
        let disk = MemDisk::new();
        let log = mk_filled(&disk, 100);
        log.flush().unwrap();
        assert!(log.truncate_to(Offset(offset)).unwrap());
        let end = log.end_offset();
        assert!(end.0 <= offset && end.0 + 3 > offset, "{end} for {offset}");
        assert!(log.recovery_point() <= Offset(offset));
        append(&log, 2, 1).unwrap();
        assert_holds_exactly(&log, 0);
        let opened = open(&disk.crash(Survival::All), Opening::default());
        assert_eq!(opened.end_offset(), end + 2);
        assert_holds_exactly(&opened, 0);
    }
}

#[test]
fn emptied_log_goes_on_at_the_given_offset() {
    let log = mk_filled(&MemDisk::new(), 50);
    log.truncate_fully(Offset(5_000)).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), log.size_bytes()), (Offset(5_000), Offset(5_000), 0));
    assert!(log.epochs().is_empty(), "epochs of what is gone");
    append(&log, 2, 0).unwrap();
    assert_holds_exactly(&log, 5_000);
}

#[test]
fn retention_deletes_whole_segments_below_the_high_watermark() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 100);
    let (count, size) = (log.segment_count(), log.size_bytes());
    let by_size = Retention { bytes_max: Some(size - 2_500), age_ms_max: None };
    assert_eq!(log.delete_old(Timestamp(START), by_size, Offset(0)).unwrap(), 0);
    assert_eq!(log.delete_old(Timestamp(START), by_size, log.end_offset()).unwrap(), 1);
    assert_eq!(log.segment_count(), count - 1);
    let start = log.start_offset();
    assert_holds_exactly(&log, start.0);
    assert!(matches!(log.read(Offset(0), to_end()), Err(StorageError::OutOfRange { .. })));
    let by_age = Retention { age_ms_max: Some(100), bytes_max: None };
    assert!(log.delete_old(Timestamp(START + 190), by_age, log.end_offset()).unwrap() > 0);
    assert_holds_exactly(&log, log.start_offset().0);
    log.delete_old(Timestamp(START + 100_000), by_age, log.end_offset()).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), log.size_bytes()), (Offset(199), Offset(199), 0));
    assert_eq!(open(&disk, Opening::default()).end_offset(), Offset(199));
    append(&log, 1, 0).unwrap();
    assert_eq!(read_all(&log, Offset(199)).len(), 1);
}

#[test]
fn full_disk_gets_room_from_what_is_deleted() {
    type Deletion = fn(&Log) -> Result<(), StorageError>;
    let deletions: [Deletion; 3] = [
        |log| {
            let by_size = Retention { bytes_max: Some(log.size_bytes() / 2), age_ms_max: None };
            log.delete_old(Timestamp(START), by_size, log.end_offset()).map(drop)
        },
        |log| {
            let all = Retention { age_ms_max: Some(0), bytes_max: None };
            log.delete_old(Timestamp(START + 1_000), all, log.end_offset()).map(drop)
        },
        |log| log.advance_start(Offset(100)),
    ];
    for delete in deletions {
        let disk = MemDisk::new();
        let log = mk_log(&disk);
        for epoch in 0..100 {
            append(&log, 2, epoch).unwrap();
        }
        let logs = || {
            let names = disk.list(Path::new(FOLDER)).unwrap();
            names.iter().filter(|entry| entry.name.contains(".log")).count()
        };
        let before = logs();
        for call in [Call::Write, Call::Open] {
            disk.refuse(call, Some(NOSPC));
        }
        delete(&log).unwrap_err();
        assert!(logs() < before, "{} of {before}", logs());
        assert_eq!(logs(), log.segment_count());
        for call in [Call::Write, Call::Open] {
            disk.refuse(call, None);
        }
        delete(&log).unwrap();
        assert!(log.epochs().iter().all(|epoch| epoch.start_offset >= log.start_offset()));
        append(&log, 2, 100).unwrap();
        assert_holds_exactly(&log, log.start_offset().0);
    }
}

#[test]
fn start_moves_up_inside_a_segment() {
    let log = mk_filled(&MemDisk::new(), 100);
    let count = log.segment_count();
    log.advance_start(Offset(60)).unwrap();
    assert!(log.segment_count() < count);
    assert_eq!(log.start_offset(), Offset(60));
    assert_eq!(log.epochs()[0].start_offset, Offset(60));
    let found = log.offset_for_timestamp(Timestamp(0), Offset(i64::MAX)).unwrap().unwrap();
    assert_eq!(found.offset, Offset(60));
    assert!(log.advance_start(Offset(10_000)).is_err());
}

#[test]
fn segment_rolls_with_age() {
    let config = LogConfig { segment_age_ms_max: 10, ..LogConfig::default() };
    let log = Log::open(Arc::new(MemDisk::new()), Path::new(FOLDER), config, Opening::default()).unwrap();
    for (offset, rolled) in [(0, false), (10, false), (21, true), (25, false)] {
        let batch = mk_batch(offset, 1);
        let placed = Placed { batch: &batch, base_offset: Offset(offset), leader_epoch: LeaderEpoch(0) };
        let appended = log.append(&[placed], Timestamp(START)).unwrap();
        assert_eq!(appended.rolled_at, rolled.then_some(Offset(offset)));
    }
}

#[test]
fn jitter_rolls_earlier_and_not_all_at_once() {
    let rolls_at = |folder: &str| {
        let config = LogConfig { segment_age_ms_max: 1_000, segment_jitter_ms: 400, ..LogConfig::default() };
        let log = Log::open(Arc::new(MemDisk::new()), Path::new(folder), config, Opening::default()).unwrap();
        let append = |offset: i64| {
            let batch = mk_batch(offset, 1);
            let placed = Placed { batch: &batch, base_offset: Offset(offset), leader_epoch: LeaderEpoch(0) };
            log.append(&[placed], Timestamp(START)).unwrap().rolled_at
        };
        (0..2_000).step_by(10).find(|offset| append(*offset).is_some()).unwrap()
    };
    let ages: Vec<i64> = (0..8).map(|index| rolls_at(&format!("/data/truck_gps-{index}"))).collect();
    assert!(ages.iter().all(|age| (600..=1_010).contains(age)), "{ages:?}");
    assert!(ages.iter().any(|age| *age != ages[0]), "{ages:?}");
}

#[test]
fn preallocated_segment_is_cut_when_it_is_finished() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    log.set_config(LogConfig { preallocate: true, ..mk_config() });
    while log.segment_count() < 3 {
        append(&log, 3, 0).unwrap();
    }
    let size = |log: &Log, index: usize| log.segments.load()[index].file_size().unwrap();
    assert_eq!(size(&log, 2), 2_000);
    assert_eq!(size(&log, 1), u64::from(log.segments.load()[1].end().position));
    for survival in [Survival::All, Survival::Some(3)] {
        let opened = open(&disk.crash(survival), Opening::default());
        assert_holds_exactly(&opened, 0);
    }
    log.close().unwrap();
    assert_eq!(size(&log, 2), u64::from(log.segments.load()[2].end().position));
    assert_holds_exactly(&open(&disk, Opening { clean: true, ..Opening::default() }), 0);
}

#[test]
fn records_without_timestamps_are_as_old_as_their_file() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord { timestamp: Timestamp(-1), value: Some(&[0; 1_500]), ..NewRecord::default() });
    let batch = builder.build();
    for offset in (0..3).map(Offset) {
        let placed = Placed { batch: &batch, base_offset: offset, leader_epoch: LeaderEpoch(0) };
        log.append(&[placed], Timestamp(START)).unwrap();
    }
    let retention = Retention { age_ms_max: Some(100), bytes_max: None };
    let delete = |now| log.delete_old(Timestamp(now), retention, log.end_offset()).unwrap();
    assert_eq!(delete(START), 0, "nobody knows how old they are");
    for base in 0..2 {
        let path = Path::new(FOLDER).join(format!("{base:020}.log"));
        disk.open(&path, Open::Existing).unwrap().set_modified(Timestamp(START + base * 50)).unwrap();
    }
    assert_eq!(delete(START + 100), 0);
    assert_eq!(delete(START + 101), 1);
    assert_eq!(log.start_offset(), Offset(1));
}

#[test]
fn files_that_were_renamed_before_the_disk_refused_are_swept() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 100);
    let renamed = || {
        let names = disk.list(Path::new(FOLDER)).unwrap();
        names.iter().filter(|entry| entry.name.ends_with(".deleted")).count()
    };
    disk.fail_after(2);
    let by_size = Retention { bytes_max: Some(log.size_bytes() / 2), age_ms_max: None };
    log.delete_old(Timestamp(START), by_size, log.end_offset()).unwrap_err();
    disk.fail_after(u64::MAX >> 1);
    assert!(renamed() > 0);
    log.sweep(Timestamp(START)).unwrap();
    log.sweep(Timestamp(START + 60_000)).unwrap();
    assert_eq!(renamed(), 0);
}

#[test]
fn failed_sync_of_a_folder_is_told_as_one() {
    let path = Path::new("/data/file");
    let (last_change, mut failures) = (5, Vec::new());
    for changes in 0..=last_change + 1 {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/data")).unwrap();
        disk.fail_after(changes);
        failures.push(disk.replace(path, b"new", true).err().map(|error| error.is_sync()));
    }
    assert_eq!(failures.pop(), Some(None), "{failures:?}");
    assert_eq!(failures.pop(), Some(Some(true)));
    assert!(
        failures.iter().all(|failure| *failure == Some(false)),
        "the old contents are there: {failures:?}"
    );
}

#[test]
fn files_of_deleted_segments_wait_and_readers_go_on() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 100);
    log.set_config(LogConfig { file_delete_delay_ms: 60_000, ..mk_config() });
    let held = log.read(Offset(0), to_end()).unwrap();
    log.advance_start(Offset(100)).unwrap();
    let waiting = |disk: &MemDisk| {
        let names = disk.list(Path::new(FOLDER)).unwrap();
        names.iter().filter(|entry| entry.name.ends_with(".deleted")).count()
    };
    let count = waiting(&disk);
    assert!(count >= 6, "{count}");
    log.sweep(Timestamp(START)).unwrap();
    log.sweep(Timestamp(START + 59_999)).unwrap();
    assert_eq!(waiting(&disk), count);
    assert_eq!(batches_of(held)[0].header().base_offset, Offset(0));
    let restarted = disk.crash(Survival::All);
    open(&restarted, Opening::default());
    assert_eq!(waiting(&restarted), 0, "a start does not wait");
    log.sweep(Timestamp(START + 60_000)).unwrap();
    assert_eq!(waiting(&disk), 0);
}

#[test]
fn newest_whole_producer_snapshot_is_found() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 10);
    let entry = ProducerEntry {
        producer_id: ProducerId(9),
        epoch: ProducerEpoch(1),
        last_sequence: 41,
        last_offset: Offset(7),
        offset_delta: 2,
        timestamp: Timestamp(START),
        coordinator_epoch: -1,
        transaction_start: Offset(-1),
    };
    assert_eq!(log.producer_snapshot().unwrap(), None);
    log.write_producer_snapshot(Offset(0), &[entry]).unwrap();
    log.write_producer_snapshot(Offset(5), &[entry]).unwrap();
    log.write_producer_snapshot(Offset(8), &[entry, entry]).unwrap();
    log.write_producer_snapshot(Offset(900), &[]).unwrap();
    assert_eq!(log.producer_snapshot().unwrap(), Some((Offset(8), vec![entry, entry])));
    let path = Path::new(FOLDER).join("00000000000000000008.snapshot");
    disk.open(&path, Open::Existing).unwrap().write_all_at(&[b"x"], 20).unwrap();
    assert_eq!(log.producer_snapshot().unwrap(), Some((Offset(0), vec![entry])), "5 is no segment's");
}

/// What a log promised before the disk stopped.
#[derive(Debug, Default)]
struct Promised {
    acknowledged: Offset,
    flushed: Offset,
    recovery_point: Offset,
}

/// Appends with a flush or a checkpoint now and then until the disk stops.
fn run_until_failure(disk: &MemDisk) -> Promised {
    let mut promised = Promised::default();
    let opened = Log::open(Arc::new(disk.clone()), Path::new(FOLDER), mk_config(), Opening::default());
    let Ok(log) = opened else { return promised };
    for index in 0..40 {
        match append(&log, 1 + index % 4, i32::try_from(index / 10).unwrap()) {
            Ok(appended) => promised.acknowledged = appended.end_offset,
            Err(_) => break,
        }
        let flushed = match index {
            4 | 6 | 13 | 27 => log.flush(),
            8 | 20 | 21 | 34 => log.checkpoint(),
            _ => continue,
        };
        if flushed.is_err() {
            break;
        }
        promised.flushed = promised.acknowledged;
        promised.recovery_point = log.recovery_point();
    }
    promised
}

fn changes_of_a_run() -> u64 {
    let disk = MemDisk::new();
    run_until_failure(&disk);
    disk.changes()
}

#[test]
fn killed_process_keeps_what_was_acknowledged_at_every_write() {
    for step in 0..changes_of_a_run() {
        let disk = MemDisk::new();
        disk.fail_after(step);
        let Promised { acknowledged, recovery_point, .. } = run_until_failure(&disk);
        for recovery_point in [None, Some(recovery_point)] {
            let log = open(&disk.crash(Survival::All), Opening { recovery_point, ..Opening::default() });
            assert!(log.end_offset() >= acknowledged, "step {step}: {} of {acknowledged}", log.end_offset());
            assert_holds_exactly(&log, 0);
            assert_found_by_time(&log);
            append(&log, 2, 9).unwrap();
            assert_holds_exactly(&log, 0);
        }
    }
}

#[test]
fn crashed_machine_keeps_what_was_flushed_at_every_write() {
    for step in 0..changes_of_a_run() {
        let disk = MemDisk::new();
        disk.fail_after(step);
        let Promised { flushed, recovery_point, .. } = run_until_failure(&disk);
        let seeds = (0..8).map(|seed| Survival::Some(step * 8 + seed));
        for survival in seeds.chain([Survival::None]) {
            let crashed = disk.crash(survival);
            for recovery_point in [None, Some(recovery_point)] {
                let log = open(&crashed, Opening { recovery_point, ..Opening::default() });
                assert!(
                    log.end_offset() >= flushed,
                    "step {step} {survival:?}: {} of {flushed}",
                    log.end_offset()
                );
                assert_holds_exactly(&log, 0);
                assert_found_by_time(&log);
                assert_epochs_begin(&log);
                append(&log, 2, 9).unwrap();
                assert_holds_exactly(&log, 0);
                log.truncate_to(log.end_offset() + -2).unwrap();
            }
        }
    }
}

#[test]
fn crash_during_recovery_is_recovered() {
    let disk = MemDisk::new();
    disk.fail_after(changes_of_a_run() - 1);
    let Promised { acknowledged, .. } = run_until_failure(&disk);
    let torn = disk.crash(Survival::All);
    for step in 0..40 {
        let disk = torn.crash(Survival::All);
        disk.fail_after(step);
        let _ = Log::open(Arc::new(disk.clone()), Path::new(FOLDER), mk_config(), Opening::default());
        let log = open(&disk.crash(Survival::All), Opening::default());
        assert!(log.end_offset() >= acknowledged);
        assert_holds_exactly(&log, 0);
    }
}

#[test]
fn crash_makes_the_next_start_read_what_follows_the_recovery_point() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    log.set_config(LogConfig { segment_bytes: 1 << 20, ..mk_config() });
    for _ in 0..200 {
        append(&log, 3, 0).unwrap();
    }
    log.checkpoint().unwrap();
    let (before, recovery_point) = (log.size_bytes(), Some(log.recovery_point()));
    assert_eq!((log.recovery_point(), log.unchecked_bytes()), (log.end_offset(), 0));
    for _ in 0..5 {
        append(&log, 3, 0).unwrap();
    }
    let written = log.size_bytes() - before;
    for survival in [Survival::All, Survival::None] {
        let crashed = disk.crash(survival);
        let whole = open(&crashed.crash(Survival::All), Opening::default());
        let opened = open(&crashed, Opening { recovery_point, ..Opening::default() });
        assert_eq!(opened.end_offset(), whole.end_offset());
        assert_eq!(whole.scanned_bytes(), whole.size_bytes());
        let interval = u64::from(mk_config().index_interval_bytes) + 2 * before / 200;
        assert!(opened.scanned_bytes() <= written + interval, "{} bytes", opened.scanned_bytes());
        assert_holds_exactly(&opened, 0);
        assert_found_by_time(&opened);
    }
}

#[test]
fn damage_below_the_recovery_point_is_not_hidden_by_it() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    log.set_config(LogConfig { segment_bytes: 1 << 20, ..mk_config() });
    for _ in 0..50 {
        append(&log, 3, 0).unwrap();
    }
    log.checkpoint().unwrap();
    let last = log.segments.load()[0].offsets.last().unwrap().unwrap();
    let path = log.segments.load()[0].path.clone();
    // A byte of a record in the batch that the last index entry leads to.
    disk.open(&path, Open::Existing).unwrap().write_all_at(&[b"?"], u64::from(last.position) + 70).unwrap();
    let recovery_point = Some(log.recovery_point());
    let opened = open(&disk, Opening { recovery_point, ..Opening::default() });
    assert!(opened.end_offset() < log.end_offset() && opened.end_offset() > Offset(0));
    assert_eq!(opened.repair().unwrap().position, u64::from(last.position));
    assert_holds_exactly(&opened, 0);
}

/// What a partition does to stop: a producer snapshot at the end, then the log.
fn stop(log: &Log) -> Opening {
    log.write_producer_snapshot(log.end_offset(), &[]).unwrap();
    log.close().unwrap();
    let recovery_point = Some(log.recovery_point());
    assert_eq!(recovery_point, Some(log.end_offset()));
    Opening { clean: true, recovery_point, ..Opening::default() }
}

#[test]
fn start_after_an_orderly_stop_opens_no_file_of_a_segment() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 100);
    let opening = stop(&log);
    let before = disk.opens();
    let opened = open(&disk, opening);
    assert_eq!(disk.opens() - before, 1, "the epochs");
    assert_eq!((opened.end_offset(), opened.size_bytes()), (log.end_offset(), log.size_bytes()));
    assert_eq!(opened.scanned_bytes(), 0);
    opened.close().unwrap();
    assert_eq!(disk.opens() - before, 1, "nothing to close either");
    let end = opened.end_offset();
    append(&opened, 3, 0).unwrap();
    assert_eq!(opened.end_offset(), end + 3);
    assert_holds_exactly(&opened, 0);
    assert_found_by_time(&opened);
    let opened = open(&disk, stop(&opened));
    let newest = opened.offset_of_max_timestamp(Offset(i64::MAX)).unwrap().unwrap();
    assert_eq!(newest.offset, Offset(end.0 + 2));
}

#[test]
fn lost_index_of_a_durable_segment_takes_nothing_behind_a_gap() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    for offset in (0..400).step_by(4) {
        let batch = mk_batch(offset, 1);
        let placed = Placed { batch: &batch, base_offset: Offset(offset), leader_epoch: LeaderEpoch(0) };
        log.append(&[placed], Timestamp(START)).unwrap();
    }
    assert!(log.segment_count() > 2);
    let stopped = stop(&log);
    for opening in [stopped, Opening { clean: false, ..stopped }] {
        let disk = disk.crash(Survival::All);
        disk.remove_file(&Path::new(FOLDER).join("00000000000000000000.index")).unwrap();
        let opened = open(&disk, opening);
        assert_eq!((opened.segment_count(), opened.end_offset()), (log.segment_count(), log.end_offset()));
        assert_eq!(read_all(&opened, Offset(0)), read_all(&log, Offset(0)));
    }
}

#[test]
fn finished_logs_are_durable_after_one_sync_of_the_disk() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 60);
    log.write_producer_snapshot(log.end_offset(), &[]).unwrap();
    log.finish().unwrap();
    disk.sync_all(Path::new(FOLDER)).unwrap();
    log.finished();
    let recovery_point = Some(log.recovery_point());
    assert_eq!((recovery_point, log.durable_end()), (Some(log.end_offset()), log.end_offset()));
    let opened =
        open(&disk.crash(Survival::None), Opening { clean: true, recovery_point, ..Opening::default() });
    assert_holds_exactly(&opened, 0);
    assert_found_by_time(&opened);
    assert_epochs_begin(&opened);
    append(&opened, 3, 7).unwrap();
    assert_holds_exactly(&opened, 0);
}

#[test]
fn end_that_the_last_stop_did_not_leave_refuses_appends() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 10);
    let opening = stop(&log);
    let path = log.segments.load().last().unwrap().path.clone();
    let file = disk.open(&path, Open::Existing).unwrap();
    file.set_len(file.len().unwrap() - 1).unwrap();
    let opened = open(&disk, opening);
    for _ in 0..2 {
        assert!(matches!(append(&opened, 1, 0), Err(StorageError::Corrupt { .. })));
        assert_eq!(opened.end_offset(), log.end_offset());
    }
}

#[test]
fn damage_in_the_middle_cuts_the_log_there() {
    let disk = MemDisk::new();
    let log = mk_filled(&disk, 100);
    log.close().unwrap();
    let second = log.segments.load()[1].clone();
    let file = disk.open(&second.path, Open::Existing).unwrap();
    file.write_all_at(&[b"?"], 300).unwrap();
    let opened = open(&disk, Opening::default());
    assert_eq!(opened.segment_count(), 2);
    assert_eq!(opened.repair().unwrap().path, second.path);
    assert!(opened.end_offset() > second.base_offset && opened.end_offset() < log.end_offset());
    assert_holds_exactly(&opened, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any sequence of operations leaves a log that holds the offsets a list would hold, also after a restart.
    #[test]
    fn log_behaves_like_a_list(steps in proptest::collection::vec((0_u8..8, 0_i64..100), 1..40)) {
        let disk = MemDisk::new();
        let mut log = mk_log(&disk);
        for (step, argument) in steps {
            let (start, end) = (log.start_offset().0, log.end_offset().0);
            match step {
                0..=3 => assert!(append(&log, 1 + argument % 5, 0).is_ok()),
                4 => assert!(log.truncate_to(Offset(start + (end - start) * argument / 100)).is_ok()),
                5 => log.advance_start(Offset(start + (end - start) * argument / 100)).unwrap(),
                6 if argument % 2 == 0 => log.flush().unwrap(),
                6 => log.checkpoint().unwrap(),
                _ => {
                    let start_offset = Some(log.start_offset());
                    let clean = argument % 2 == 0;
                    if clean { stop(&log); }
                    let recovery_point = Some(log.recovery_point());
                    log = open(&disk, Opening { clean, recovery_point, start_offset, ..Opening::default() });
                    prop_assert_eq!((log.start_offset().0, log.end_offset().0), (start, end));
                }
            }
            assert_holds_exactly(&log, log.start_offset().0);
        }
    }

    #[test]
    fn arbitrary_files_never_panic(
        contents in proptest::collection::vec(any::<u8>(), 0..400),
        index in proptest::collection::vec(any::<u8>(), 0..60),
        clean in any::<bool>(),
    ) {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new(FOLDER)).unwrap();
        for (extension, contents) in [("log", &contents), ("index", &index), ("timeindex", &index)] {
            let path = Path::new(FOLDER).join(format!("{:020}.{extension}", 0));
            disk.replace(&path, contents, true).unwrap();
        }
        let log = open(&disk, Opening { clean, ..Opening::default() });
        let _ = log.read(Offset(0), to_end());
        let _ = log.offset_for_timestamp(Timestamp(0), Offset(i64::MAX));
    }
}

#[test]
fn damage_that_whole_batches_follow_is_refused_where_only_the_last_batch_can_be_torn() {
    let segments = |disk: &MemDisk| -> Vec<PathBuf> {
        let entries = disk.list(Path::new(FOLDER)).unwrap();
        let logs = entries.into_iter().filter(|entry| entry.name.ends_with(".log"));
        logs.map(|entry| Path::new(FOLDER).join(entry.name)).collect()
    };
    let strict = Opening { one_unsynced_batch: true, ..Opening::default() };
    let written = MemDisk::new();
    mk_filled(&written, 30);
    let first = segments(&written)[0].clone();
    assert!(segments(&written).len() > 1);
    let open_strict = |disk: &MemDisk| {
        Log::open(Arc::new(disk.clone()), Path::new(FOLDER), mk_config(), strict).map(|log| log.end_offset())
    };
    let change = |path: &Path, position: u64, bytes: &[u8]| {
        let disk = written.crash(Survival::All);
        disk.open(path, Open::Existing).unwrap().write_all_at(&[bytes], position).unwrap();
        disk
    };
    let size = |path: &Path| written.open(path, Open::Existing).unwrap().len().unwrap();

    // In a record, in the length field, in the base offset that no CRC covers.
    for (position, bytes) in [(70, &[0xff][..]), (8, &[0x7f; 4]), (7, &[9])] {
        let disk = change(&first, position, bytes);
        let before = disk.read(&first).unwrap();
        let Err(StorageError::Corrupt { path, position, .. }) = open_strict(&disk) else { panic!("opened") };
        assert_eq!((path, position), (first.clone(), 0));
        assert_eq!(disk.read(&first).unwrap(), before);
    }
    // The end of a segment that another follows.
    let disk = change(&first, size(&first) - 1, &[0xff]);
    assert!(matches!(open_strict(&disk), Err(StorageError::Corrupt { .. })));
    // The last batch of all, and what never became a batch.
    let last = segments(&written).pop().unwrap();
    let end = mk_log(&written.crash(Survival::All)).end_offset();
    assert!(open_strict(&change(&last, size(&last) - 1, &[0xff])).unwrap() < end);
    assert_eq!(open_strict(&change(&last, size(&last), &[0; 500])).unwrap(), end);
    // A recovery point vouches for the segments below it.
    let disk = change(&first, 70, &[0xff]);
    let opening = Opening { recovery_point: Some(end), ..strict };
    let log = Log::open(Arc::new(disk), Path::new(FOLDER), mk_config(), opening).unwrap();
    assert_eq!(log.end_offset(), end);
}

#[test]
fn indexes_without_their_segment_lead_nobody_astray() {
    let disk = MemDisk::new();
    let kept = ["index", "timeindex"].map(|kind| Path::new(FOLDER).join(format!("{:020}.{kind}", 0)));
    disk.create_dir_all(Path::new(FOLDER)).unwrap();
    disk.replace(&kept[0], &[0, 0, 0, 0, 0, 0, 9, 9].repeat(4), false).unwrap();
    disk.replace(&kept[1], &[0; 48], false).unwrap();
    let log = mk_log(&disk);
    append(&log, 3, 0).unwrap();
    assert!(!log.read(Offset(0), to_end()).unwrap().is_empty());
}

#[test]
fn epochs_of_records_that_a_crash_brings_back_are_found_in_them() {
    let disk = MemDisk::new();
    let log = mk_log(&disk);
    for epoch in [3, 3, 5] {
        append(&log, 4, epoch).unwrap();
    }
    let before = log.epochs();
    log.flush().unwrap();
    log.advance_start(Offset(6)).unwrap();
    assert_eq!(log.epochs()[0].start_offset, Offset(6));
    for start_offset in [Some(Offset(0)), None] {
        let opened = open(&disk.crash(Survival::All), Opening { start_offset, ..Opening::default() });
        assert_eq!((opened.start_offset(), opened.epochs()), (Offset(0), before.clone()));
    }
    let noted = Opening { start_offset: Some(Offset(6)), ..Opening::default() };
    assert_eq!(open(&disk.crash(Survival::All), noted).epochs(), log.epochs());
}
