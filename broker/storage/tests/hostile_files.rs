//! Every file that a log directory holds, with bytes that nobody wrote: an answer or an error, never a panic.

#![allow(clippy::unwrap_used, reason = "a test ends where its own files cannot be made")]

use std::path::Path;
use std::sync::Arc;

use milena_protocol::records::{BatchBuilder, NewRecord};
use milena_protocol::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, Uuid};
use milena_storage::dir::{
    read_recovery_points, read_start_offsets, read_topic_id, write_recovery_points, write_start_offsets,
    write_topic_id,
};
use milena_storage::{
    CleanShutdown, Disk, Log, LogConfig, MemDisk, MetaProperties, Opening, PartitionKey, Placed,
    ProducerEntry, ReadLimits,
};
use proptest::prelude::*;

const DIRECTORY: &str = "/data";
const FOLDER: &str = "/data/truck_gps-0";

/// A log directory as an orderly stop leaves it, with every kind of file in it.
fn mk_directory() -> MemDisk {
    let disk = MemDisk::new();
    let (directory, folder) = (Path::new(DIRECTORY), Path::new(FOLDER));
    disk.create_dir_all(directory).unwrap();
    let log = open(&disk, false).unwrap();
    for epoch in 0..12 {
        let mut builder = BatchBuilder::default();
        builder.push(NewRecord { timestamp: Timestamp(1), value: Some(&[7; 200]), ..NewRecord::default() });
        let batch = builder.build();
        let placed =
            Placed { batch: &batch, base_offset: log.end_offset(), leader_epoch: LeaderEpoch(epoch / 3) };
        log.append(&[placed], Timestamp(1)).unwrap();
    }
    let producer = ProducerEntry {
        producer_id: ProducerId(5),
        epoch: ProducerEpoch(0),
        last_sequence: 3,
        last_offset: Offset(11),
        offset_delta: 0,
        timestamp: Timestamp(1),
        coordinator_epoch: -1,
        transaction_start: Offset(-1),
    };
    log.write_producer_snapshot(log.end_offset(), &[producer]).unwrap();
    log.close().unwrap();
    write_topic_id(&disk, folder, TopicId(Uuid::from_u128(9))).unwrap();
    let offsets = [(PartitionKey::of_folder("truck_gps-0").unwrap(), Offset(4))].into_iter().collect();
    write_recovery_points(&disk, directory, &offsets).unwrap();
    write_start_offsets(&disk, directory, &offsets).unwrap();
    CleanShutdown { broker_epoch: 7 }.write(&disk, directory).unwrap();
    MetaProperties { cluster_id: "c".to_owned(), node_id: NodeId(1), directory_id: Uuid::from_u128(3) }
        .write(&disk, directory)
        .unwrap();
    disk
}

fn open(disk: &MemDisk, clean: bool) -> Result<Log, milena_storage::StorageError> {
    let config = LogConfig { segment_bytes: 1_000, index_interval_bytes: 100, ..LogConfig::default() };
    Log::open(Arc::new(disk.clone()), Path::new(FOLDER), config, Opening { clean, ..Opening::default() })
}

/// Reads all that there is to read; whatever it finds is right.
fn read_everything(disk: &MemDisk, clean: bool) {
    let (directory, folder) = (Path::new(DIRECTORY), Path::new(FOLDER));
    let _ = MetaProperties::read(disk, directory);
    let _ = CleanShutdown::take(disk, directory);
    let _ = read_recovery_points(disk, directory);
    let _ = read_start_offsets(disk, directory);
    let _ = read_topic_id(disk, folder);
    let Ok(log) = open(disk, clean) else { return };
    let _ = log.producer_snapshot();
    let _ = log.offset_for_timestamp(Timestamp(0), Offset(i64::MAX));
    let _ = log.headers_from(log.start_offset(), |_| ());
    let limits = ReadLimits { end_offset: Offset(i64::MAX), bytes_max: 1 << 20, at_least_one: true };
    let _ = log.read(log.start_offset(), limits);
}

fn files(disk: &MemDisk) -> Vec<std::path::PathBuf> {
    let inside = |folder: &str| {
        let names = disk.list(Path::new(folder)).unwrap();
        names
            .into_iter()
            .filter(|entry| !entry.is_dir)
            .map(|entry| Path::new(folder).join(entry.name))
            .collect::<Vec<_>>()
    };
    [inside(DIRECTORY), inside(FOLDER)].concat()
}

#[test]
fn the_directory_holds_every_kind_of_file() {
    let disk = mk_directory();
    let names: Vec<_> = files(&disk).iter().map(|path| path.display().to_string()).collect();
    for kind in [
        ".log",
        ".index",
        ".timeindex",
        ".snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
        "meta.properties",
        ".kafka_cleanshutdown",
        "recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint",
    ] {
        assert!(names.iter().any(|name| name.ends_with(kind)), "no {kind} in {names:?}");
    }
    assert_eq!(open(&disk, true).unwrap().end_offset(), Offset(12));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_answered_or_refused(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..16),
        cut in any::<bool>(),
        clean in any::<bool>(),
    ) {
        let disk = mk_directory();
        let files = files(&disk);
        let path = which.get::<std::path::PathBuf>(&files);
        let mut contents = disk.read(path).unwrap();
        if !contents.is_empty() {
            let at = at.index(contents.len());
            if cut {
                contents.truncate(at);
            } else {
                let end = contents.len().min(at + bytes.len());
                contents[at..end].copy_from_slice(&bytes[..end - at]);
            }
        }
        disk.replace(path, &contents, true).unwrap();
        read_everything(&disk, clean);
    }

    #[test]
    fn foreign_files_are_answered_or_refused(
        which in any::<prop::sample::Index>(),
        contents in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[0-9 \n=.a-z-]{0,80}".prop_map(String::into_bytes),
            "0\n[0-9]{1,12}\n([a-z]{1,4} [0-9]{1,3} -?[0-9]{1,20}\n){0,3}".prop_map(String::into_bytes),
        ],
        clean in any::<bool>(),
    ) {
        let disk = mk_directory();
        let files = files(&disk);
        disk.replace(which.get::<std::path::PathBuf>(&files), &contents, true).unwrap();
        read_everything(&disk, clean);
    }
}
