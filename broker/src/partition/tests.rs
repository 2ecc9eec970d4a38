//! A partition over a disk that can lose, tear and refuse writes.

use std::path::Path;

use milena_core::config::Properties;
use milena_core::metadata::MetadataImage;
use milena_core::partition::{Leadership, LiveBroker};
use milena_protocol::messages::control_records::EndTxnMarker;
use milena_protocol::records::{BatchBuilder, ControlRecordType, NewRecord, batches};
use milena_protocol::{Message as _, NodeId, ProducerEpoch, ProducerId, TopicId, Uuid};
use milena_storage::{Disk, MemDisk, Opening, Survival};

use super::*;
use crate::metrics::StorageMetrics;

mod disk;
mod replication;

const ACKS_ALL: ProduceTerms = ProduceTerms { acks_all: true, zstd_allowed: true };

fn mk_partition(disk: &MemDisk, change: impl Fn(&mut TopicConfig)) -> Arc<Partition> {
    open(disk, change, Opening::default())
}

fn open(disk: &MemDisk, change: impl Fn(&mut TopicConfig), opening: Opening) -> Arc<Partition> {
    let mut config = MetadataImage::default().topic_config(NodeId(1), "truck_gps", &Properties::default());
    change(&mut config);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let partition = Partition::open(Opened {
        disk: &disk,
        folder: Path::new("/data/truck_gps-0"),
        node_id: NodeId(1),
        topic: "truck_gps".into(),
        topic_id: TopicId(Uuid::max()),
        index: PartitionIndex(0),
        config: Arc::new(config),
        opening,
        high_watermark: None,
        dir: Arc::new(LogDir::new(Path::new("/data"), Uuid::nil(), StorageMetrics::default())),
        lag_ms_max: 30_000,
        has_topic_id: false,
    })
    .unwrap();
    lead(&partition, 0, &[1]);
    Arc::new(partition)
}

fn lead(partition: &Partition, epoch: i32, replicas: &[i32]) {
    let nodes: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
    let alive = |_| Some(LiveBroker { epoch: -1, is_stopping: false });
    let (replicas, isr) = (nodes.clone(), nodes);
    partition.lead(Leadership { epoch: LeaderEpoch(epoch), partition_epoch: epoch, replicas, isr }, &alive);
}

fn mk_batch(base_sequence: i32, values: &[&str]) -> RecordBatch {
    let mut builder = BatchBuilder::default().producer(ProducerId(7), ProducerEpoch(0), base_sequence);
    for value in values {
        builder.push(NewRecord { timestamp: now(), value: Some(value.as_bytes()), ..NewRecord::default() });
    }
    builder.build()
}

fn produce(partition: &Arc<Partition>, base_sequence: i32, values: &[&str]) -> Result<i64, ErrorCode> {
    let produced = partition.produce(mk_batch(base_sequence, values).into_bytes(), ACKS_ALL);
    produced.map(|appended| appended.base_offset.0).map_err(|rejection| rejection.code)
}

fn values(partition: &Partition) -> Vec<String> {
    let request = ReadRequest {
        offset: partition.log_start_offset(),
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        bytes_max: 1 << 20,
        at_least_one: true,
        isolation: Isolation::Uncommitted,
        leader_only: true,
    };
    let bytes = partition.read(&request).unwrap().records.into_bytes().unwrap();
    let records = batches(bytes).flat_map(|batch| batch.unwrap().records().unwrap());
    records.map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn produced_records_are_committed_and_read() {
    let partition = mk_partition(&MemDisk::new(), |_| {});
    let appended = partition.produce(mk_batch(0, &["a", "b"]).into_bytes(), ACKS_ALL).unwrap();
    partition.committed(&appended).await.unwrap();
    assert_eq!(partition.high_watermark(), Offset(2));
    assert_eq!(values(&partition), ["a", "b"]);
    assert_eq!(appended.log_append_time, Timestamp::NONE);
}

#[test]
fn closed_partition_takes_no_records() {
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, |_| {});
    assert_eq!(produce(&partition, 0, &["a"]), Ok(0));
    partition.close().unwrap();
    assert_eq!(produce(&partition, 1, &["b"]), Err(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn retries_survive_a_crash_and_a_stop_in_order() {
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, |config| config.segment_bytes = 400);
    for sequence in 0..20 {
        assert_eq!(produce(&partition, sequence, &["x"]), Ok(i64::from(sequence)));
    }
    let crashed = mk_partition(&disk.crash(Survival::All), |_| {});
    partition.close().unwrap();
    let stopped = open(&disk, |_| {}, Opening { clean: true, ..Opening::default() });
    for partition in [&crashed, &stopped] {
        for retried in 15..20 {
            assert_eq!(produce(partition, retried, &["x"]), Ok(i64::from(retried)), "a duplicate");
        }
        assert_eq!(produce(partition, 14, &["x"]), Err(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(produce(partition, 21, &["x"]), Err(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(produce(partition, 20, &["x"]), Ok(20));
        assert_eq!(partition.high_watermark(), Offset(21));
    }
}

#[test]
fn read_tells_that_more_stands_in_the_next_segment() {
    let partition = mk_partition(&MemDisk::new(), |config| config.segment_bytes = 200);
    (0..6).for_each(|sequence| {
        produce(&partition, sequence, &["x"]).unwrap();
    });
    let active = partition.log().active_base_offset();
    assert!(active > Offset(0));
    let read = |offset| {
        let request = ReadRequest {
            offset,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: 1 << 20,
            at_least_one: true,
            isolation: Isolation::Uncommitted,
            leader_only: true,
        };
        partition.read(&request).unwrap().ends_early
    };
    assert!(read(Offset(active.0 - 1)));
    assert!(!read(active));
    assert!(!read(partition.high_watermark()));
}

#[tokio::test]
async fn waiting_producers_learn_of_a_lost_leadership() {
    let partition = Arc::new(mk_partition(&MemDisk::new(), |_| {}));
    lead(&partition, 1, &[1, 2]);
    let appended = partition.produce(mk_batch(0, &["a"]).into_bytes(), ACKS_ALL).unwrap();
    let waiting = tokio::spawn({
        let partition = partition.clone();
        async move { partition.committed(&appended).await }
    });
    tokio::task::yield_now().await;
    partition.resign(LeaderEpoch(2));
    assert_eq!(waiting.await.unwrap(), Err(ErrorCode::NotLeaderOrFollower));
    assert_eq!(produce(&partition, 1, &["b"]), Err(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn coordinator_appends_only_in_its_own_epoch() {
    let partition = mk_partition(&MemDisk::new(), |_| {});
    lead(&partition, 3, &[1]);
    let batch = mk_batch(-1, &["a"]);
    assert_eq!(partition.append(&batch, LeaderEpoch(2)).map(|_| ()), Err(ErrorCode::NotLeaderOrFollower));
    assert_eq!(partition.append(&batch, LeaderEpoch(3)).map(|appended| appended.base_offset), Ok(Offset(0)));
}

#[test]
fn retention_follows_the_topics_configuration() {
    let partition = mk_partition(&MemDisk::new(), |config| config.segment_bytes = 300);
    for sequence in 0..20 {
        produce(&partition, sequence, &["x"]).unwrap();
    }
    assert_eq!(partition.clean().unwrap(), 0);
    let mut config = TopicConfig::clone(&partition.config.load());
    config.retention_bytes = 500;
    partition.configure(Arc::new(config));
    assert!(partition.clean().unwrap() > 0);
    assert!(partition.log_start_offset() > Offset(0));
    assert_eq!(partition.earliest().offset, partition.log_start_offset());
    let request = ReadRequest {
        offset: Offset(0),
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        bytes_max: 100,
        at_least_one: true,
        isolation: Isolation::Uncommitted,
        leader_only: true,
    };
    assert_eq!(partition.read(&request).map(|_| ()), Err(ErrorCode::OffsetOutOfRange));
}

#[test]
fn checkpoint_leaves_a_log_alone_that_grows_fast() {
    let partition = mk_partition(&MemDisk::new(), |config| config.max_message_bytes = 32 << 20);
    produce(&partition, 0, &["x".repeat(17 << 20).as_str()]).unwrap();
    partition.checkpoint_if_far().unwrap();
    assert_eq!(partition.log().recovery_point(), Offset(0));
    produce(&partition, 1, &["little"]).unwrap();
    partition.checkpoint_if_far().unwrap();
    assert_eq!(partition.log().recovery_point(), Offset(2));
}

#[test]
fn epochs_end_where_the_next_one_begins_written_to_or_not() {
    let partition = mk_partition(&MemDisk::new(), |_| {});
    let end = |epoch: i32| {
        let (epoch, offset) = partition.end_of_epoch(LeaderEpoch(epoch));
        (epoch.0, offset.0)
    };
    lead(&partition, 2, &[1]);
    assert_eq!([end(-2), end(-1), end(1), end(2), end(3)], [(-2, 0), (-1, -1), (1, 0), (2, 0), (-1, -1)]);
    produce(&partition, 0, &["a", "b"]).unwrap();
    lead(&partition, 4, &[1]);
    produce(&partition, 2, &["c"]).unwrap();
    lead(&partition, 6, &[1]);
    assert_eq!([end(-1), end(0), end(2), end(3)], [(-1, -1), (0, 0), (2, 2), (2, 2)]);
    assert_eq!([end(4), end(5), end(6), end(7)], [(4, 3), (4, 3), (6, 3), (-1, -1)]);
}

/// A record of a transaction, or the marker of its end.
fn of_transaction(producer: i64, end: Option<ControlRecordType>) -> RecordBatch {
    let sequence = if end.is_some() { -1 } else { 0 };
    let mut batch =
        BatchBuilder::default().producer(ProducerId(producer), ProducerEpoch(0), sequence).transactional();
    match end {
        Some(end) => {
            batch.push_control(end, now(), &EndTxnMarker { coordinator_epoch: 0 }.to_versioned_bytes(0));
        }
        None => {
            batch.push(NewRecord {
                timestamp: now(),
                value: Some(b"in transaction"),
                ..NewRecord::default()
            });
        }
    }
    batch.build()
}

#[test]
fn transactions_in_the_log_bound_what_committed_readers_see_after_crashes_and_stops() {
    let disk = MemDisk::new();
    let written = mk_partition(&disk, |_| {});
    for (producer, end) in [
        (1, None),
        (2, None),
        (3, None),
        (2, Some(ControlRecordType::Abort)),
        (1, Some(ControlRecordType::Commit)),
        (4, None),
        (4, Some(ControlRecordType::Abort)),
    ] {
        written.append(&of_transaction(producer, end), LeaderEpoch(0)).unwrap();
    }
    let seen = |partition: &Partition, committed_only: bool| {
        let request = ReadRequest {
            offset: Offset(0),
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: 1 << 20,
            at_least_one: true,
            isolation: if committed_only { Isolation::Committed } else { Isolation::Uncommitted },
            leader_only: true,
        };
        let read = partition.read(&request).unwrap();
        let end = batches(read.records.into_bytes().unwrap()).last().unwrap().unwrap();
        (end.header().next_offset().0, read.last_stable_offset.0, read.aborted)
    };
    let aborted = vec![(ProducerId(2), Offset(1))];
    let crashed = mk_partition(&disk.crash(Survival::All), |_| {});
    assert_eq!(
        seen(&crashed, true),
        (2, 2, aborted.clone()),
        "the third is open, and the fourth is behind it"
    );
    assert_eq!(seen(&crashed, false), (7, 2, vec![]));
    assert_eq!(crashed.latest(Isolation::Committed).0.offset, Offset(2));
    crashed.close().unwrap();
    let disk = disk.crash(Survival::All);
    let stopped = mk_partition(&disk, |_| {});
    stopped.close().unwrap();
    let stopped = open(&disk, |_| {}, Opening { clean: true, ..Opening::default() });
    assert_eq!(seen(&stopped, true), (2, 2, aborted), "as the snapshot has it");
    let abort = of_transaction(3, Some(ControlRecordType::Abort));
    stopped.append(&abort, LeaderEpoch(0)).unwrap();
    let ended = mk_partition(&disk.crash(Survival::All), |_| {});
    let all = [(2, 1), (3, 2), (4, 5)].map(|(producer, offset)| (ProducerId(producer), Offset(offset)));
    assert_eq!(seen(&ended, true), (8, 8, all.to_vec()));
}

#[test]
fn nothing_is_compacted_from_the_first_open_transaction_on() {
    let compacted = |config: &mut TopicConfig| {
        (config.cleanup_compact, config.segment_bytes, config.min_cleanable_dirty_ratio) = (true, 300, 0.0);
    };
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, compacted);
    let plain = |value: &str| {
        let mut batch = BatchBuilder::default();
        let (key, value) = (Some(&b"key"[..]), Some(value.as_bytes()));
        batch.push(NewRecord { timestamp: now(), key, value, headers: &[] });
        partition.append(&batch.build(), LeaderEpoch(0)).unwrap();
    };
    let planned = || partition.plan_cleaning(now()).unwrap().map(|plan| plan.dirty.end);
    (0..20).for_each(|_| plain("before"));
    let before = planned().unwrap();
    let open = partition.append(&of_transaction(3, None), LeaderEpoch(0)).unwrap().base_offset;
    (0..20).for_each(|_| plain("after"));
    let during = planned().unwrap();
    assert!((before..=open).contains(&during), "{before} {during} {open}");
    partition.append(&of_transaction(3, Some(ControlRecordType::Abort)), LeaderEpoch(0)).unwrap();
    assert!(planned().unwrap() > open);
}
