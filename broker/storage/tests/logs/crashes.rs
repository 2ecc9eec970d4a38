//! The process or the machine stops at every single write: what was promised is there, nothing else appears.
//!
//! Promised is what was acknowledged, when the process stops; what was flushed, when the machine does. Appends and rolls
//! are cut in the tests of the log itself; here it is what takes things away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use milena_protocol::records::{BatchBuilder, NewRecord, RecordBatch};
use milena_protocol::{Offset, Timestamp};
use milena_storage::disk::{Crash, Disk, crash_everywhere};
use milena_storage::{Log, LogConfig, MemDisk, Opening, PartitionKey, Retention, StorageError, dir};

use crate::support::{FOLDER, append, batches_of, clean, mk_config, mk_rules, open, records_of};

const DATA: &str = "/data";
const NOW: i64 = 1_700_000_000_000;
const RECORDS: i64 = 24;
const KEYS: i64 = 5;

/// The record at `offset`: one of five keys, every seventh a tombstone.
fn mk_batch(offset: i64) -> RecordBatch {
    let (key, value) = (format!("key {}", offset % KEYS), format!("{offset:0100}"));
    let value = (offset % 7 != 0).then_some(value.as_bytes());
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord {
        timestamp: Timestamp(NOW + offset),
        key: Some(key.as_bytes()),
        value,
        headers: &[],
    });
    builder.build()
}

fn try_open(disk: &MemDisk, opening: Opening) -> Result<Log, StorageError> {
    Log::open(Arc::new(disk.clone()), Path::new(FOLDER), mk_config(), opening)
}

/// A log of many segments; everything but the end is durable.
fn mk_disk() -> MemDisk {
    let disk = MemDisk::new();
    let log = open(&disk, Opening::default());
    for offset in 0..RECORDS {
        append(&log, &mk_batch(offset), 0).unwrap();
        if offset == RECORDS - 4 {
            log.flush().unwrap();
        }
    }
    assert!(log.segment_count() > 5);
    disk
}

fn offsets(log: &Log) -> BTreeSet<i64> {
    records_of(&batches_of(log))
        .iter()
        .map(|record| record.offset.0)
        .filter(|at| *at >= log.start_offset().0)
        .collect()
}

/// Every record is one that was appended, at its offset.
fn assert_nothing_else(log: &Log) {
    for record in records_of(&batches_of(log)) {
        let expected = mk_batch(record.offset.0).records().unwrap().next().unwrap().unwrap();
        let there = (record.key, record.value, record.timestamp);
        assert_eq!(there, (expected.key, expected.value, expected.timestamp), "offset {}", record.offset);
    }
}

/// The log that a restart opens goes on: it takes the next record and finds it again.
fn assert_goes_on(log: &Log) {
    let end = log.end_offset();
    append(log, &mk_batch(end.0), 1).unwrap();
    assert!(offsets(log).contains(&end.0));
    assert_nothing_else(log);
}

/// What a log is opened with after a crash.
fn opening(crash: &Crash) -> Opening {
    let key = PartitionKey::of_folder("truck_gps-0").unwrap();
    let folder = Path::new(DATA);
    Opening {
        recovery_point: dir::read_recovery_points(&crash.disk, folder).unwrap().get(&key).copied(),
        start_offset: dir::read_start_offsets(&crash.disk, folder).unwrap().get(&key).copied(),
        ..Opening::default()
    }
}

fn of_log(offset: Offset) -> dir::Offsets {
    BTreeMap::from([(PartitionKey::of_folder("truck_gps-0").unwrap(), offset)])
}

/// Cleans, appends, cleans again, notes how far; yields the end of what was flushed.
fn compact_twice(disk: &MemDisk, flushed: &mut Offset) -> Result<(), StorageError> {
    let log = try_open(disk, Opening { may_have_gaps: true, ..Opening::default() })?;
    let mut dirty = Offset(0);
    for round in 0..2 {
        log.flush()?;
        *flushed = log.end_offset();
        // Several segments become one.
        log.set_config(LogConfig { segment_bytes: 1_800, ..mk_config() });
        dirty = clean(&log, dirty..log.active_base_offset(), mk_rules(NOW + round))?;
        log.set_config(mk_config());
        dir::write_cleaner_offsets(disk, Path::new(DATA), &of_log(dirty))?;
        for _ in 0..8 {
            append(&log, &mk_batch(log.end_offset().0), 0)?;
        }
    }
    log.sweep(Timestamp(NOW))
}

#[test]
fn compaction_cut_at_any_write_keeps_the_last_record_of_every_key() {
    let scenario = |disk: &MemDisk| {
        let mut flushed = Offset(RECORDS - 3);
        let _ = compact_twice(disk, &mut flushed);
        flushed.0
    };
    let crashes = crash_everywhere(mk_disk, scenario, |crash, flushed| {
        let opening = Opening { may_have_gaps: true, ..opening(crash) };
        let log = open(&crash.disk, opening);
        let there = offsets(&log);
        let context = || format!("{:?} step {}", crash.survival, crash.step);
        assert!(log.end_offset().0 >= *flushed, "{}: {} of {flushed}", context(), log.end_offset());
        let end = log.end_offset().0;
        for key in 0..KEYS {
            let last = (0..*flushed).rev().find(|offset| offset % KEYS == key).unwrap();
            let later = there.range(last..).any(|offset| offset % KEYS == key);
            assert!(later, "{}: key {key} of {there:?}", context());
        }
        assert!(there.iter().all(|offset| *offset < end));
        assert_nothing_else(&log);
        assert_goes_on(&log);
        let names = crash.disk.list(Path::new(FOLDER)).unwrap();
        let is_over =
            |name: &str| [".cleaned", ".swap", ".deleted"].iter().any(|ending| name.ends_with(ending));
        assert!(!names.iter().any(|entry| is_over(&entry.name)), "{names:?}");
        let end = log.active_base_offset();
        clean(&log, log.start_offset()..end, mk_rules(NOW + 9)).unwrap();
        let below: Vec<i64> = offsets(&log).range(..end.0).copied().collect();
        let keys: BTreeSet<i64> = below.iter().map(|offset| offset % KEYS).collect();
        assert_eq!(keys.len(), below.len(), "one record of each key");
    });
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn crash_while_a_swap_is_completed_is_recovered() {
    let disk = mk_disk();
    let (before, mut flushed) = (disk.changes(), Offset(0));
    compact_twice(&disk, &mut flushed).unwrap();
    let changes = disk.changes() - before;
    for step in (0..changes).step_by(7) {
        let torn = mk_disk();
        torn.fail_after(step);
        let _ = compact_twice(&torn, &mut flushed);
        let prepare = || torn.crash(milena_storage::Survival::All);
        let opening = Opening { may_have_gaps: true, ..Opening::default() };
        let whole = offsets(&open(&prepare(), opening));
        crash_everywhere(
            prepare,
            |disk| drop(try_open(disk, opening)),
            |crash, ()| {
                if crash.is_of_process() {
                    assert_eq!(
                        offsets(&open(&crash.disk, opening)),
                        whole,
                        "step {step}, then {}",
                        crash.step
                    );
                }
            },
        );
    }
}

/// What a client or a configuration was promised.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Records below may be gone; they are, once `is_sure`.
    start: i64,
    is_sure: bool,
    /// Records from `start` to here are there, whatever crashes.
    flushed: i64,
    /// And to here, if only the process does.
    acknowledged: i64,
}

fn delete_at_the_start(disk: &MemDisk, kept: &mut Kept) -> Result<(), StorageError> {
    let folder = Path::new(DATA);
    let log = try_open(disk, Opening::default())?;
    log.flush()?;
    kept.flushed = RECORDS;
    dir::write_recovery_points(disk, folder, &of_log(log.recovery_point()))?;
    // As DeleteRecords: deleted, then noted, then answered.
    (kept.start, kept.is_sure) = (7, false);
    log.advance_start(Offset(7))?;
    dir::write_start_offsets(disk, folder, &of_log(log.start_offset()))?;
    kept.is_sure = true;
    for offset in RECORDS..RECORDS + 6 {
        append(&log, &mk_batch(offset), 0)?;
        kept.acknowledged = offset + 1;
    }
    // As retention: nobody is told.
    (kept.start, kept.is_sure) = (log.end_offset().0 - 8, false);
    let retention = Retention { bytes_max: Some(900), age_ms_max: None };
    log.delete_old(Timestamp(NOW), retention, log.end_offset())?;
    log.sweep(Timestamp(NOW))?;
    dir::write_start_offsets(disk, folder, &of_log(log.start_offset()))?;
    log.close()
}

#[test]
fn deletion_at_the_start_cut_at_any_write_takes_nothing_else() {
    let scenario = |disk: &MemDisk| {
        let flushed = RECORDS - 3;
        let mut kept = Kept { start: 0, is_sure: true, flushed, acknowledged: RECORDS };
        let _ = delete_at_the_start(disk, &mut kept);
        kept
    };
    crash_everywhere(mk_disk, scenario, |crash, kept| {
        let log = open(&crash.disk, opening(crash));
        let there = offsets(&log);
        let start = log.start_offset().0;
        let end = if crash.is_of_process() { kept.acknowledged } else { kept.flushed };
        let context = || format!("step {} {:?} {kept:?}: {there:?}", crash.step, crash.survival);
        assert!((kept.start..end).all(|offset| there.contains(&offset)), "{}", context());
        assert!(!kept.is_sure || start >= kept.start, "{}", context());
        assert_eq!(
            there.iter().copied().collect::<Vec<_>>(),
            (start..log.end_offset().0).collect::<Vec<_>>()
        );
        assert_nothing_else(&log);
        assert_goes_on(&log);
    });
}

#[test]
fn checkpoint_cut_at_any_write_is_the_old_one_or_the_new_one() {
    let folder = Path::new(DATA);
    let prepare = || {
        let disk = MemDisk::new();
        disk.create_dir_all(folder).unwrap();
        dir::write_recovery_points(&disk, folder, &of_log(Offset(1))).unwrap();
        disk
    };
    let scenario = |disk: &MemDisk| {
        let written =
            (2..5).take_while(|at| dir::write_recovery_points(disk, folder, &of_log(Offset(*at))).is_ok());
        1 + written.count() as i64
    };
    crash_everywhere(prepare, scenario, |crash, written| {
        let read = dir::read_recovery_points(&crash.disk, folder).unwrap();
        let one_more = Offset(written + 1);
        assert!(read == of_log(Offset(*written)) || read == of_log(one_more), "{crash:?} {read:?}");
    });
}

/// The record at `offset` as the leader has it that the follower's log parted from.
fn mk_other(offset: i64) -> RecordBatch {
    let mut builder = BatchBuilder::default();
    let value = format!("of the leader {offset:0100}");
    builder.push(NewRecord {
        timestamp: Timestamp(NOW),
        value: Some(value.as_bytes()),
        ..NewRecord::default()
    });
    builder.build()
}

/// What a follower has done with its log.
#[derive(Debug, Clone, Copy)]
struct Followed {
    /// Records from here on may be gone; they are, once `is_sure`.
    cut: i64,
    is_sure: bool,
    /// Records below are there, whatever crashes, but for those that may be cut.
    flushed: i64,
    /// End of the records of the other leader.
    end: i64,
}

/// Cuts at `to`, notes the recovery point, and goes on with the other leader's records.
fn follow_another(disk: &MemDisk, to: i64, followed: &mut Followed) -> Result<(), StorageError> {
    let folder = Path::new(DATA);
    let log = try_open(disk, Opening::default())?;
    log.checkpoint()?;
    followed.flushed = RECORDS;
    dir::write_recovery_points(disk, folder, &of_log(log.recovery_point()))?;
    followed.cut = to;
    if to > 0 {
        log.truncate_to(Offset(to))?
    } else {
        log.truncate_fully(Offset(0)).map(|()| true)?
    };
    dir::write_recovery_points(disk, folder, &of_log(log.recovery_point()))?;
    (followed.is_sure, followed.end) = (true, to);
    for offset in to..to + 7 {
        append(&log, &mk_other(offset), 3)?;
        followed.end = offset + 1;
    }
    log.close()
}

#[test]
fn truncation_cut_at_any_write_leaves_the_old_log_or_the_new_one() {
    for to in [RECORDS - 1, RECORDS / 2, 1, 0] {
        let scenario = |disk: &MemDisk| {
            let mut followed = Followed { cut: RECORDS, is_sure: false, flushed: RECORDS - 3, end: 0 };
            let _ = follow_another(disk, to, &mut followed);
            followed
        };
        crash_everywhere(mk_disk, scenario, |crash, followed| {
            let log = open(&crash.disk, opening(crash));
            let context = || format!("to {to} step {} {:?} {followed:?}", crash.step, crash.survival);
            let records = records_of(&batches_of(&log));
            let there: Vec<i64> = records.iter().map(|record| record.offset.0).collect();
            assert_eq!(there, (0..log.end_offset().0).collect::<Vec<_>>(), "{}", context());
            let is_old = |record: &milena_protocol::records::Record| record.key.is_some();
            let old = records.iter().take_while(|record| is_old(record)).count() as i64;
            assert!(old >= followed.cut.min(followed.flushed), "{}: {old}", context());
            assert!(!followed.is_sure || old <= followed.cut, "{}: {old}", context());
            let others = &records[usize::try_from(old).unwrap()..];
            assert!(!others.iter().any(is_old), "{}", context());
            assert!(others.is_empty() || old == followed.cut, "{}", context());
            if crash.is_of_process() {
                assert!(log.end_offset().0 >= followed.end, "{}", context());
            }
            let first_other = (!others.is_empty()).then_some(old);
            let began =
                log.epochs().iter().find(|start| start.epoch.0 == 3).map(|start| start.start_offset.0);
            assert_eq!(began, first_other, "{}: {:?}", context(), log.epochs());
            let end = log.end_offset();
            append(&log, &mk_other(end.0), 4).unwrap();
            assert_eq!(records_of(&batches_of(&log)).len() as i64, end.0 + 1, "{}", context());
            for (index, record) in records.iter().enumerate() {
                let found = log.offset_for_timestamp(record.timestamp, end).unwrap().unwrap();
                assert!(found.offset.0 <= index as i64, "{}", context());
            }
        });
    }
}
