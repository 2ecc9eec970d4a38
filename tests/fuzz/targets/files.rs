//! A log directory whose files hold any bytes: it opens or is refused, and a log that opens works like any other.
//!
//! Input: a byte of flags, two of offsets, then files, each a byte of kind, a byte of base offset and a chunk.

use std::path::Path;
use std::sync::Arc;

use milena_protocol::records::{BatchBuilder, NewRecord, batches};
use milena_protocol::{LeaderEpoch, Offset, Records, Timestamp};
use milena_storage::dir::{read_recovery_points, read_start_offsets, read_topic_id};
use milena_storage::{
    CleanShutdown, Disk, Log, LogConfig, MemDisk, MetaProperties, Opening, Placed, ReadLimits, Retention,
    StorageError,
};

use super::bounded;
use crate::input::{Input, chunk};
use crate::vector;

const DIRECTORY: &str = "/data";
const FOLDER: &str = "/data/t-0";
const CLEAN: u8 = 1;
const HAS_RECOVERY_POINT: u8 = 2;
const HAS_START: u8 = 4;
/// Gives each batch of a segment the CRC of its bytes.
const FIX_CRC: u8 = 8;
const NOW: Timestamp = Timestamp(1_000_000);
const ALLOCATED_BYTES_FREE: usize = 256 * 1024 * 1024;
/// What stands in the folder of a log; the first ones carry their base offset in the name.
const KINDS: [&str; 5] = ["log", "index", "timeindex", "txnindex", "snapshot"];
const NAMES: [&str; 7] = [
    "t-0/leader-epoch-checkpoint",
    "t-0/partition.metadata",
    "meta.properties",
    ".kafka_cleanshutdown",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
];

pub(super) fn run(data: &[u8]) {
    bounded(ALLOCATED_BYTES_FREE + 10_000 * data.len(), || {
        let mut input = Input::new(data);
        let flags = input.byte();
        let opening = Opening {
            clean: flags & CLEAN != 0,
            recovery_point: optional(flags & HAS_RECOVERY_POINT, input.byte()),
            start_offset: optional(flags & HAS_START, input.byte()),
            now: NOW,
            ..Opening::default()
        };
        let disk = mk_disk(input, flags);
        read_directory(&disk);
        if let Ok(log) = open(&disk, opening) {
            // Damaged files may refuse any of it.
            let _ = work(&log, opening);
        }
        check_reopened(&disk);
    });
}

fn optional(flag: u8, offset: u8) -> Option<Offset> {
    (flag != 0).then(|| Offset(offset.into()))
}

fn mk_disk(mut input: Input<'_>, flags: u8) -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(FOLDER)).expect("a folder in memory");
    while !input.is_empty() {
        let (kind, base, contents) = (usize::from(input.byte()), input.byte(), input.chunk());
        let path = match KINDS.get(kind % (KINDS.len() + NAMES.len())) {
            Some(extension) => format!("{FOLDER}/{base:020}.{extension}"),
            None => format!("{DIRECTORY}/{}", NAMES[kind % (KINDS.len() + NAMES.len()) - KINDS.len()]),
        };
        let is_fixed = flags & FIX_CRC != 0 && path.ends_with(".log");
        let contents = if is_fixed { with_crc(contents) } else { contents.to_vec() };
        disk.replace(Path::new(&path), &contents, false).expect("a file in memory");
    }
    disk
}

fn with_crc(contents: &[u8]) -> Vec<u8> {
    let mut fixed = Vec::with_capacity(contents.len());
    for batch in batches(contents.to_vec().into()).map_while(Result::ok) {
        let (timestamp, flags) = (batch.header().max_timestamp, batch.header().attributes);
        fixed.extend_from_slice(batch.with_max_timestamp(timestamp, flags.is_log_append_time()).bytes());
    }
    fixed.extend_from_slice(&contents[fixed.len()..]);
    fixed
}

fn open(disk: &MemDisk, opening: Opening) -> Result<Log, StorageError> {
    let config = LogConfig { segment_bytes: 1_000, index_interval_bytes: 100, ..LogConfig::default() };
    Log::open(Arc::new(disk.clone()), Path::new(FOLDER), config, opening)
}

fn read_directory(disk: &MemDisk) {
    let (directory, folder) = (Path::new(DIRECTORY), Path::new(FOLDER));
    let _ = MetaProperties::read(disk, directory);
    let _ = CleanShutdown::take(disk, directory);
    let _ = read_recovery_points(disk, directory);
    let _ = read_start_offsets(disk, directory);
    let _ = read_topic_id(disk, folder);
}

/// Everything a partition does with its log.
fn work(log: &Log, opening: Opening) -> Result<(), StorageError> {
    let limits = ReadLimits { end_offset: Offset(i64::MAX), bytes_max: 1 << 20, at_least_one: true };
    let (start, end) = (log.start_offset(), log.end_offset());
    let _ = log.producer_snapshot();
    let _ = log.headers_from(start, |_| ());
    for timestamp in [-1, 0, 1_000, i64::MAX] {
        let _ = log.offset_for_timestamp(Timestamp(timestamp), Offset(i64::MAX));
    }
    let _ = log.read(start, limits);
    for epoch in -1..4 {
        let _ = log.end_of_epoch(LeaderEpoch(epoch));
    }
    append(log, end)?;
    let read = log.read(end, limits)?;
    log.flush()?;
    log.delete_old(NOW, Retention { age_ms_max: Some(1), bytes_max: Some(100) }, end)?;
    log.truncate_to(end)?;
    // A log that was opened unread is what its files say.
    if !opening.clean && opening.recovery_point.is_none() {
        let first = batches(into_bytes(read)).next().expect("a batch").expect("a whole batch");
        assert_eq!(first.header().base_offset, end, "what was appended can be read");
        assert_eq!(log.end_offset(), end.max(log.start_offset()), "a truncation takes it back");
    }
    append(log, log.end_offset())?;
    log.close()
}

fn into_bytes(records: Records) -> bytes::Bytes {
    records.into_bytes().expect("it is in memory")
}

fn append(log: &Log, base_offset: Offset) -> Result<(), StorageError> {
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord { timestamp: NOW, value: Some(&[7; 90]), ..NewRecord::default() });
    let batch = builder.build();
    let leader_epoch = log.last_epoch().unwrap_or(LeaderEpoch(0));
    log.append(&[Placed { batch: &batch, base_offset, leader_epoch }], NOW).map(drop)
}

/// What a repaired log holds is whole: opening it as after a crash finds nothing more to cut off.
fn check_reopened(disk: &MemDisk) {
    let after_crash = Opening { now: NOW, ..Opening::default() };
    let Ok(first) = open(disk, after_crash) else { return };
    let ends = (first.end_offset(), first.size_bytes());
    drop(first);
    let Ok(second) = open(disk, after_crash) else { panic!("a repaired log opens") };
    assert_eq!((second.end_offset(), second.size_bytes()), ends);
    assert!(second.repair().is_none(), "{:?}", second.repair());
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let file = |kind: u8, base: u8, contents: &[u8]| [&[kind, base], &chunk(contents)[..]].concat();
    let batch = |name: &str| {
        let lines = vector::lines("batches");
        vector::hex(&lines.iter().find(|line| line[0] == name).expect("a batch").to_vec()[1])
    };
    let segment = [batch("none"), batch("zstd"), batch("idempotent")].concat();
    let index = [0, 0, 0, 3, 0, 0, 0, 205];
    let times = [&2_000_i64.to_be_bytes()[..], &[0, 0, 0, 2]].concat();
    let log: Vec<u8> = [file(0, 40, &segment), file(1, 40, &index), file(2, 40, &times)].concat();
    let texts: Vec<u8> = [
        file(5, 0, b"0\n2\n0 0\n7 40\n"),
        file(6, 0, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAACQ\n"),
        file(7, 0, b"version=1\ncluster.id=c\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAACQ\n"),
        file(8, 0, b"{\"version\":0,\"brokerEpoch\":7}"),
        file(9, 0, b"0\n1\nt 0 41\n"),
        file(10, 0, b"0\n1\nt 0 41\n"),
        file(11, 0, b"0\n1\nt 0 41\n"),
    ]
    .concat();
    let mut seeds = vec![
        // It claimed more than half a gigabyte, in a part of a segment that is not checked.
        include_bytes!("../findings/batch_longer_than_its_segment").to_vec(),
        include_bytes!("../findings/indexes_without_their_segment").to_vec(),
    ];
    for flags in [0, CLEAN, FIX_CRC, CLEAN | FIX_CRC | HAS_RECOVERY_POINT | HAS_START] {
        seeds.push([&[flags, 41, 40], &log[..]].concat());
        seeds.push([&[flags, 41, 40], &log[..], &texts].concat());
    }
    seeds
}
