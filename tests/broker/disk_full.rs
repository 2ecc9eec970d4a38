//! A log directory on a small file system that a producer fills: nothing acknowledged is lost, and the broker goes on
//! when there is room.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, NewRecord, batches};
use milena_protocol::{ErrorCode, Records, Timestamp};
use milena_tests::{Flavor, SmallDisk, TestBroker, dump, eventually, frame};
use tempfile::TempDir;

use crate::PATIENCE;

const TOPIC: &str = "ledger";
const DISK_BYTES: u64 = 16 << 20;
/// Taken from the disk at first, and given back.
const BALLAST_BYTES: usize = 6 << 20;
const RECORD_BYTES: usize = 300_000;

fn create_topic(broker: &TestBroker) {
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    let response = frame::exchange(&mut frame::connect(&broker.bootstrap()).unwrap(), 6, &request).unwrap();
    assert_eq!(response.topics[0].error_code, 0);
}

/// Produces a record that names its number; yields its offset or the error.
fn produce(broker: &TestBroker, number: i64) -> Result<i64, ErrorCode> {
    let mut value = number.to_string().into_bytes();
    value.resize(RECORD_BYTES, b' ');
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord {
        timestamp: Timestamp(1_700_000_000_000),
        value: Some(&value),
        ..Default::default()
    });
    let records = Some(Records::Bytes(builder.build().into_bytes()));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic = TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let response = frame::exchange(&mut stream, 9, &request).unwrap();
    let partition = &response.responses[0].partition_responses[0];
    match ErrorCode::from(partition.error_code) {
        ErrorCode::None => Ok(partition.base_offset),
        code => Err(code),
    }
}

/// The numbers of all records, by offset.
fn read(broker: &TestBroker) -> Vec<i64> {
    let (mut numbers, mut stream) = (Vec::new(), frame::connect(&broker.bootstrap()).unwrap());
    loop {
        let partition = FetchPartition {
            fetch_offset: numbers.len() as i64,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { min_bytes: 1, topics: vec![topic], ..Default::default() };
        let mut response = frame::exchange(&mut stream, 12, &request).unwrap();
        let data = response.responses.remove(0).partitions.remove(0);
        assert_eq!(data.error_code, 0);
        let bytes: Bytes = data.records.unwrap().into_bytes().unwrap();
        if bytes.is_empty() {
            return numbers;
        }
        for batch in batches(bytes).map(Result::unwrap) {
            assert_eq!(batch.header().base_offset.0, numbers.len() as i64);
            let record = batch.records().unwrap().next().unwrap().unwrap();
            let number = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            numbers.push(number.trim().parse().unwrap());
        }
    }
}

fn describe(broker: &TestBroker) -> DescribeLogDirsResult {
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let request = DescribeLogDirsRequest { topics: None };
    frame::exchange(&mut stream, 4, &request).unwrap().results.remove(0)
}

fn is_offline(broker: &TestBroker) -> bool {
    let metrics = broker.metrics().unwrap();
    metrics.lines().any(|line| line == "milena_log_directory_offline 1")
}

/// Produces until the disk is full; yields the offsets that were acknowledged, and why there are no more.
fn fill(broker: &TestBroker) -> (Vec<i64>, ErrorCode) {
    let mut acknowledged = Vec::new();
    loop {
        match produce(broker, acknowledged.len() as i64) {
            Ok(offset) => {
                assert_eq!(offset, acknowledged.len() as i64);
                acknowledged.push(offset);
            }
            Err(code) => return (acknowledged, code),
        }
        assert!(acknowledged.len() < 100, "the disk never filled");
    }
}

/// Takes what room there is, to the last byte.
fn take_the_rest(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

#[test]
fn full_disk_refuses_producers_until_there_is_room_and_loses_nothing() {
    let disk = TempDir::with_prefix("milena-disk-").unwrap();
    let _mounted = SmallDisk::mount(disk.path(), DISK_BYTES);
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; BALLAST_BYTES]).unwrap();
    let folder = disk.path().join("data").display().to_string();
    let mut broker = TestBroker::start_with(Flavor::Milena, &[("log.dirs", &folder)]).unwrap();
    create_topic(&broker);
    let (mut acknowledged, refusal) = fill(&broker);
    assert_eq!(refusal, ErrorCode::KafkaStorageError);
    assert!(acknowledged.len() > 10);
    let line = broker.process().line_with("log directory goes offline", PATIENCE);
    assert!(line.contains("00000000000000000000.log") && line.contains("os error 28"), "{line}");
    assert!(is_offline(&broker));
    assert_eq!(ErrorCode::from(describe(&broker).error_code), ErrorCode::KafkaStorageError);
    assert_eq!(read(&broker), acknowledged, "what was acknowledged is served while the disk is full");

    fs::remove_file(&ballast).unwrap();
    let next = acknowledged.len() as i64;
    let offset = eventually("an append that is taken", PATIENCE, || produce(&broker, next).ok());
    assert_eq!(offset, next);
    acknowledged.push(next);
    assert!(!is_offline(&broker));
    assert_eq!(describe(&broker).error_code, 0);
    broker.kill();
    broker.restart().unwrap();
    assert_eq!(read(&broker), acknowledged);
    broker.stop();
}

#[test]
fn kills_and_starts_without_any_room_lose_nothing() {
    let disk = TempDir::with_prefix("milena-disk-").unwrap();
    let _mounted = SmallDisk::mount(disk.path(), DISK_BYTES);
    let folder = disk.path().join("data");
    let log_dirs = folder.display().to_string();
    let mut broker = TestBroker::start_with(Flavor::Milena, &[("log.dirs", &log_dirs)]).unwrap();
    create_topic(&broker);
    let (acknowledged, _) = fill(&broker);
    broker.kill();
    let rest = disk.path().join("rest");
    for _ in 0..2 {
        take_the_rest(&rest);
        broker.launch().unwrap();
        eventually("a start or its failure", PATIENCE, || {
            let lines = broker.process().lines();
            let is_started = lines.iter().any(|line| line.contains("broker started"));
            (is_started || broker.process().ended().is_some()).then_some(())
        });
        broker.kill();
    }
    fs::remove_file(&rest).unwrap();
    broker.restart().unwrap();
    assert_eq!(read(&broker), acknowledged);
    broker.stop();
    let files = dump::partitions(&folder).iter().flat_map(|folder| dump::dumpable(folder)).collect();
    assert_eq!(dump::complaint(files, &|_, _| false), None);
}

#[test]
fn one_log_that_cannot_be_opened_does_not_stop_the_start() {
    let mut broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    create_topic(&broker);
    produce(&broker, 0).unwrap();
    broker.stop();
    let folder = broker.data().join(format!("{TOPIC}-0"));
    let aside = broker.data().join("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "not a folder").unwrap();
    broker.restart().unwrap();
    broker.process().line_with("cannot open log, it stays offline", PATIENCE);
    assert_eq!(produce(&broker, 1), Err(ErrorCode::KafkaStorageError));
    broker.stop();
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    broker.restart().unwrap();
    assert_eq!(produce(&broker, 1), Ok(1));
    assert_eq!(read(&broker), [0, 1]);
}
