//! Logs on a disk in memory, as the tests of this folder need them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use milena_protocol::records::{Record, RecordBatch, batches};
use milena_protocol::{LeaderEpoch, Offset, Timestamp};
use milena_storage::{
    Appended, CleanRules, Log, LogConfig, MemDisk, Opening, Placed, ReadLimits, StorageError,
};

pub(crate) const FOLDER: &str = "/data/truck_gps-0";

pub(crate) fn mk_config() -> LogConfig {
    LogConfig { segment_bytes: 600, index_interval_bytes: 100, ..LogConfig::default() }
}

pub(crate) fn open(disk: &MemDisk, opening: Opening) -> Log {
    Log::open(Arc::new(disk.clone()), Path::new(FOLDER), mk_config(), opening).unwrap()
}

pub(crate) fn append(log: &Log, batch: &RecordBatch, epoch: i32) -> Result<Appended, StorageError> {
    let placed = Placed { batch, base_offset: log.end_offset(), leader_epoch: LeaderEpoch(epoch) };
    log.append(&[placed], Timestamp(0))
}

pub(crate) fn mk_rules(now: i64) -> CleanRules {
    CleanRules {
        now: Timestamp(now),
        delete_retention_ms: 10_000,
        producers: HashMap::new(),
        table_bytes_max: 1 << 20,
        table_load_factor: 0.9,
    }
}

/// Cleans as the broker does; yields up to where the log is clean.
pub(crate) fn clean(log: &Log, dirty: Range<Offset>, rules: CleanRules) -> Result<Offset, StorageError> {
    let mut cleaning = log.cleaning(dirty, rules, &mut |_| true)?;
    while let Some(group) = cleaning.next_group() {
        let mut cleaned = log.begin_cleaned(&group)?;
        cleaning.fill(&group, &mut cleaned, &mut |_| true)?;
        cleaned.write_indexes(log)?;
        assert!(log.swap(&cleaned)?);
    }
    Ok(cleaning.end_offset())
}

/// Every batch of the log, read as a consumer does.
pub(crate) fn batches_of(log: &Log) -> Vec<RecordBatch> {
    let (mut found, mut next) = (Vec::new(), log.start_offset());
    let limits = ReadLimits { end_offset: Offset(i64::MAX), bytes_max: usize::MAX >> 1, at_least_one: true };
    while next < log.end_offset() {
        let bytes = log.read(next, limits).unwrap().into_bytes().unwrap();
        if bytes.is_empty() {
            break;
        }
        found.extend(batches(bytes).map(Result::unwrap).inspect(|batch| batch.check_crc().unwrap()));
        next = found.last().map_or(next, |last: &RecordBatch| last.header().next_offset());
    }
    found
}

pub(crate) fn records_of(batches: &[RecordBatch]) -> Vec<Record> {
    batches.iter().flat_map(|batch| batch.records().unwrap().map(Result::unwrap)).collect()
}
