//! What the directories of a quorum say: who has which offsets, and whether snapshots and logs tell the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use milena_core::metadata::{MetadataImage, MetadataLoader};
use milena_protocol::Offset;
use milena_protocol::messages::DescribeQuorumRequest;
use milena_protocol::messages::describe_quorum::{
    RequestPartitionData, RequestTopicData, ResponsePartitionData,
};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::records::{RecordBatch, batches};
use milena_tests::cluster::TestCluster;
use milena_tests::eventually;

use crate::{BROKERS, PATIENCE};

fn folder(cluster: &TestCluster, id: i32) -> PathBuf {
    cluster.node(id).folder().join("data").join("__cluster_metadata-0")
}

/// Files that end so, by the offset their names begin with.
fn files(cluster: &TestCluster, id: i32, suffix: &str) -> BTreeMap<i64, PathBuf> {
    let entries = fs::read_dir(folder(cluster, id)).unwrap().flatten().map(|entry| entry.path());
    let numbered = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let stem = name.strip_suffix(suffix)?;
        Some((stem.split('-').next()?.parse().ok()?, path))
    });
    numbered.collect()
}

/// The offset that the newest snapshot of a node covers.
pub(crate) fn newest_snapshot(cluster: &TestCluster, id: i32) -> i64 {
    files(cluster, id, ".checkpoint").keys().next_back().copied().unwrap_or(0)
}

/// Waits until the log of `leader` begins after `offset`: whoever is at it must fetch a snapshot.
pub(crate) fn await_log_start_beyond(cluster: &TestCluster, leader: i32, offset: i64) {
    eventually("a log that begins later", PATIENCE, || {
        let oldest = files(cluster, leader, ".checkpoint").keys().next().copied().unwrap_or(0);
        (oldest > offset).then_some(())
    });
}

fn quorum(cluster: &TestCluster) -> Option<ResponsePartitionData> {
    let partitions = vec![RequestPartitionData { partition_index: 0 }];
    let topics = vec![RequestTopicData { topic_name: "__cluster_metadata".into(), partitions }];
    let answer = cluster.node(BROKERS[1]).ask(2, &DescribeQuorumRequest { topics }).ok()?;
    answer.topics.into_iter().next()?.partitions.into_iter().next().filter(|led| led.error_code == 0)
}

/// Waits until the voter `id` has what was committed when this was called.
pub(crate) fn await_caught_up(cluster: &TestCluster, _leader: i32, id: i32) {
    let wanted = eventually("the state of the quorum", PATIENCE, || quorum(cluster)).high_watermark;
    eventually(&format!("node {id} at offset {wanted}"), PATIENCE, || {
        let state = quorum(cluster)?;
        let voter = state.current_voters.iter().find(|voter| voter.replica_id == id)?;
        (voter.log_end_offset >= wanted).then_some(())
    });
}

/// The epochs of the batches that the logs still hold.
pub(crate) fn leaders(cluster: &TestCluster) -> BTreeSet<i32> {
    log_batches(cluster, 1).iter().map(|batch| batch.header().leader_epoch.0).collect()
}

fn log_batches(cluster: &TestCluster, id: i32) -> Vec<RecordBatch> {
    let segments = files(cluster, id, ".log").into_values();
    segments.flat_map(|path| batches(Bytes::from(fs::read(path).unwrap())).map_while(Result::ok)).collect()
}

fn records(batch: &RecordBatch) -> Vec<MetadataRecord> {
    if batch.header().attributes.is_control() {
        return Vec::new();
    }
    let decode = |record: Result<milena_protocol::records::Record, _>| {
        MetadataRecord::from_bytes(record.unwrap().value.unwrap()).unwrap()
    };
    batch.records().unwrap().map(decode).collect()
}

/// The image that a snapshot of everything below `offset` holds.
fn load(path: &PathBuf, offset: i64) -> MetadataLoader {
    let mut loader = MetadataLoader::default();
    for batch in batches(Bytes::from(fs::read(path).unwrap())) {
        for record in records(&batch.unwrap()) {
            loader.replay(Offset((offset - 1).max(0)), &record).unwrap();
        }
    }
    loader.skip_to(Offset(offset));
    loader
}

/// Every image that a log holds between its oldest snapshot and its end, at `offsets`.
fn images(cluster: &TestCluster, id: i32, offsets: &BTreeSet<i64>) -> BTreeMap<i64, MetadataImage> {
    let snapshots = files(cluster, id, ".checkpoint");
    let Some((start, oldest)) = snapshots.first_key_value() else { return BTreeMap::new() };
    let mut loader = load(oldest, *start);
    let mut found = BTreeMap::new();
    for batch in log_batches(cluster, id) {
        let header = batch.header();
        if header.base_offset.0 < *start {
            continue;
        }
        for (offset, record) in (header.base_offset.0..).map(Offset).zip(records(&batch)) {
            loader.replay(offset, &record).unwrap();
        }
        loader.skip_to(header.next_offset());
        if offsets.contains(&header.next_offset().0) {
            found.insert(header.next_offset().0, loader.current().clone());
        }
    }
    found
}

/// Holds every snapshot against what the logs of all say at its offset, and the logs against each other.
pub(crate) fn compare(cluster: &TestCluster, ids: &[i32]) {
    let snapshots: Vec<_> = ids.iter().map(|id| files(cluster, *id, ".checkpoint")).collect();
    let offsets = snapshots.iter().flat_map(|files| files.keys().copied()).collect();
    let logs: Vec<_> = ids.iter().map(|id| images(cluster, *id, &offsets)).collect();
    let mut compared = 0;
    for (writer, files) in ids.iter().zip(&snapshots) {
        for (offset, path) in files {
            let written = load(path, *offset);
            for (reader, images) in ids.iter().zip(&logs).filter(|(reader, _)| *reader != writer) {
                let Some(replayed) = images.get(offset) else { continue };
                assert_same(
                    written.current(),
                    replayed,
                    &format!("{writer} wrote {offset}, {reader} replayed it"),
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 0, "no snapshot lies in the log of another");
    eprintln!("{compared} images compared, record by record");
    let mut bytes: BTreeMap<i64, (i32, Bytes)> = BTreeMap::new();
    for id in ids {
        for batch in log_batches(cluster, *id) {
            let base = batch.header().base_offset.0;
            let (other, known) = bytes.entry(base).or_insert_with(|| (*id, batch.bytes().clone()));
            assert_eq!(known, batch.bytes(), "nodes {other} and {id} differ at offset {base}");
        }
    }
}

/// Apache Kafka keeps features and listeners in an order of its own.
fn in_order(mut record: MetadataRecord) -> MetadataRecord {
    match &mut record {
        MetadataRecord::RegisterControllerRecord(record) => {
            record.features.sort_by(|one, other| one.name.cmp(&other.name));
            record.end_points.sort_by(|one, other| one.name.cmp(&other.name));
        }
        MetadataRecord::RegisterBrokerRecord(record) => {
            record.features.sort_by(|one, other| one.name.cmp(&other.name));
            record.end_points.sort_by(|one, other| one.name.cmp(&other.name));
        }
        _ => {}
    }
    record
}

fn assert_same(written: &MetadataImage, replayed: &MetadataImage, what: &str) {
    let records = |image: &MetadataImage| image.to_records().into_iter().map(in_order).collect::<Vec<_>>();
    let (written, replayed) = (records(written), records(replayed));
    for (one, other) in written.iter().zip(&replayed) {
        assert_eq!(one, other, "{what}");
    }
    assert_eq!(written.len(), replayed.len(), "{what}");
}
