//! Topics that come and go over a disk in memory: what one leaves behind must not touch the next of its name.

use std::path::Path;

use bytes::Bytes;
use milena_core::config::effective::TopicConfig;
use milena_protocol::messages::metadata_records::{PartitionRecord, TopicRecord};
use milena_protocol::records::{BatchBuilder, NewRecord};
use milena_protocol::{LeaderEpoch, Offset, Timestamp};
use milena_storage::{Call, MemDisk, Survival};
use rustix::io::Errno;

use super::*;
use crate::partition::{Isolation, ProduceTerms, ReadRequest, TableLimits};

mod crashes;
mod dirs;
mod moves;

const TOPIC: &str = "truck_gps";

fn mk_image(topic_id: u128) -> MetadataImage {
    let topic_id = Uuid::from_u128(topic_id << 64 | 1);
    let partition = PartitionRecord {
        topic_id,
        partition_id: 0,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 0,
        directories: vec![Uuid::from_u128(1)],
        ..PartitionRecord::default()
    };
    let mut image = MetadataImage::default();
    image.replay(Offset(0), &TopicRecord { name: TOPIC.into(), topic_id }.into()).unwrap();
    image.replay(Offset(1), &partition.into()).unwrap();
    image
}

async fn open(disk: &MemDisk, image: &MetadataImage) -> Partitions {
    try_open(disk, image).await.unwrap()
}

async fn try_open(disk: &MemDisk, image: &MetadataImage) -> anyhow::Result<Partitions> {
    let mut config = Config::load(None, &[], std::iter::empty()).unwrap();
    config.log_dirs = vec!["/memory/data".into()];
    config.metadata_dir = "/memory/data".into();
    let live = LiveProperties::new(&config, image);
    let directory = Directory { folder: "/memory/data".into(), id: Some(Uuid::from_u128(1)) };
    disk.create_dir_all(&directory.folder)?;
    let disk = Arc::new(disk.clone());
    let partitions = Partitions::open(&config, &[directory], disk, live, StorageMetrics::default())?;
    partitions.recover(image).await?;
    Ok(partitions)
}

fn change(partitions: &Partitions, from: &MetadataImage, to: &MetadataImage) {
    partitions.apply(&MetadataDelta::between(from, to), to);
}

fn sole(partitions: &Partitions) -> Arc<Partition> {
    partitions.of(TOPIC, PartitionIndex(0)).unwrap()
}

fn configure(partition: &Partition, change: impl Fn(&mut TopicConfig)) {
    let mut config = MetadataImage::default().topic_config(NodeId(1), TOPIC, &Properties::default());
    change(&mut config);
    partition.configure(Arc::new(config));
}

fn produce(partition: &Arc<Partition>, timestamp: Timestamp) -> Offset {
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord { timestamp, value: Some(b"x"), ..NewRecord::default() });
    let terms = ProduceTerms { acks_all: true, zstd_allowed: true };
    partition.produce(builder.build().into_bytes(), terms).unwrap().base_offset
}

fn read(partition: &Partition) -> Bytes {
    let request = ReadRequest {
        offset: Offset(0),
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        bytes_max: 1 << 20,
        at_least_one: true,
        isolation: Isolation::Uncommitted,
        leader_only: true,
    };
    partition.read(&request).unwrap().records.into_bytes().unwrap()
}

#[tokio::test]
async fn checkpoints_of_a_deleted_topic_do_not_hide_records_of_the_next() {
    let (disk, first, second) = (MemDisk::new(), mk_image(1), mk_image(2));
    let partitions = open(&disk, &first).await;
    let old = sole(&partitions);
    configure(&old, |config| (config.segment_bytes, config.retention_bytes) = (200, 200));
    (0..20).for_each(|_| {
        produce(&old, crate::partition::now());
    });
    assert!(old.clean().unwrap() > 0);
    partitions.0.write_checkpoints(&partitions.0.hosted.load()).unwrap();
    change(&partitions, &first, &second);
    for offset in 0..3 {
        assert_eq!(produce(&sole(&partitions), crate::partition::now()), Offset(offset));
    }
    let killed = sole(&open(&disk.crash(Survival::All), &second).await);
    assert_eq!((killed.log_start_offset(), killed.log_end_offset()), (Offset(0), Offset(3)));
}

#[tokio::test]
async fn swap_that_failed_on_a_full_disk_is_not_tried_again_and_loses_nothing() {
    for (call, is_swap) in [(Call::Write, false), (Call::Rename, true), (Call::Remove, true)] {
        let (disk, image) = (MemDisk::new(), crashes::mk_compacted_image(1));
        let partitions = open(&disk, &image).await;
        let partition = sole(&partitions);
        for _ in 0..7 {
            crashes::append(&partition, 1).unwrap();
        }
        let plan = partition.plan_cleaning(crate::partition::now()).unwrap().unwrap();
        partition.prepare_cleaning().unwrap();
        partitions.note_recovery_points().unwrap();
        let limits = TableLimits { bytes_max: 1 << 20, load_factor: 0.9 };
        let compact = || {
            disk.refuse(call, Some(Errno::NOSPC.raw_os_error()));
            let compacted = partition.compact(&plan, limits, &mut |_| true);
            disk.refuse(call, None);
            compacted
        };
        assert!(compact().unwrap_err().is_full(), "{call:?}");
        assert_eq!(partition.is_uncleanable(), is_swap, "{call:?}");
        let again = partitions.compact_dirtiest(1, &Default::default());
        assert_eq!(again, !is_swap, "{call:?}");
        let killed = sole(&open(&disk.crash(Survival::All), &image).await);
        let found = crashes::values(&killed);
        let last_of_each = (4..7).map(|offset| format!("1/{offset}"));
        assert!(last_of_each.into_iter().all(|value| found.contains(&value)), "{call:?}: {found:?}");
    }
}

#[tokio::test]
async fn retention_of_a_deleted_topic_leaves_the_files_of_the_next() {
    let (disk, first, second) = (MemDisk::new(), mk_image(1), mk_image(2));
    let partitions = open(&disk, &first).await;
    let old = sole(&partitions);
    produce(&old, Timestamp(1));
    change(&partitions, &first, &second);
    produce(&sole(&partitions), crate::partition::now());
    configure(&old, |config| config.retention_ms = 1);
    assert_eq!(old.clean().unwrap(), 0);
    let killed = sole(&open(&disk.crash(Survival::All), &second).await);
    assert_eq!((killed.log_start_offset(), killed.log_end_offset()), (Offset(0), Offset(1)));
    assert!(!read(&killed).is_empty());
}

#[tokio::test]
async fn log_that_could_not_be_renamed_is_not_taken_for_the_next_topics() {
    let (disk, first, second) = (MemDisk::new(), mk_image(1), mk_image(2));
    let partitions = open(&disk, &first).await;
    produce(&sole(&partitions), crate::partition::now());
    disk.fail_after(0);
    change(&partitions, &first, &MetadataImage::default());
    disk.fail_after(100_000);
    change(&partitions, &MetadataImage::default(), &second);
    assert_eq!(produce(&sole(&partitions), crate::partition::now()), Offset(0));
    let entries = disk.list(Path::new("/memory/data")).unwrap();
    assert!(entries.iter().any(|entry| entry.name.ends_with("-stray")), "{entries:?}");
}
