//! How much a fetch answers, and when. Runs against Apache Kafka too (`MILENA_TEST_BROKER=kafka`).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, NewRecord, RecordBatch};
use milena_protocol::{ErrorCode, Records, Timestamp, frames};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;

const TOPIC: &str = "t";
const VERSION: i16 = 11;
const PARTITIONS: i32 = 3;
const UNKNOWN: i32 = 99;
/// How long a fetch is watched that should wait.
const SILENCE: Duration = Duration::from_millis(300);

struct Client(TcpStream);

impl Client {
    /// A connection to a broker that leads the topic.
    fn new(broker: &TestBroker) -> Self {
        let mut client = Self(frame::connect(&broker.bootstrap()).unwrap());
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: PARTITIONS,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        assert_eq!(frame::exchange(&mut client.0, 7, &request).unwrap().topics[0].error_code, 0);
        eventually("leaders", PATIENCE, || {
            let answer = client.fetch(&mk_fetch(&[0, 1, 2], 0));
            answer.responses[0].partitions.iter().all(|partition| partition.error_code == 0).then_some(())
        });
        client
    }

    fn produce(&mut self, partition: i32, batch: &RecordBatch) {
        let data =
            PartitionProduceData { index: partition, records: Some(Records::Bytes(batch.bytes().clone())) };
        let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![data], ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let answer = frame::exchange(&mut self.0, 9, &request).unwrap();
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }

    fn fetch(&mut self, request: &FetchRequest) -> FetchResponse {
        frame::exchange(&mut self.0, VERSION, request).unwrap()
    }
}

/// A fetch that was sent on a connection of its own.
struct Parked(TcpStream);

impl Parked {
    fn new(broker: &TestBroker, request: &FetchRequest) -> Self {
        let mut stream = frame::connect(&broker.bootstrap()).unwrap();
        stream.write_all(&frame::request_bytes(1, VERSION, request)).unwrap();
        Self(stream)
    }

    /// Nothing comes back for a while.
    fn assert_waits(&mut self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let error = self.0.read(&mut [0]).expect_err("a fetch that waits");
        assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    }

    fn answer(&mut self) -> FetchResponse {
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        frames::decode_response::<FetchRequest>(frame::read_frame(&mut self.0).unwrap(), VERSION).unwrap()
    }
}

fn mk_fetch(partitions: &[i32], max_wait_ms: i32) -> FetchRequest {
    let asked = |partition: &i32| FetchPartition {
        partition: *partition,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: TOPIC.into(),
        partitions: partitions.iter().map(asked).collect(),
        ..FetchTopic::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}

fn mk_batch(value_bytes: usize) -> RecordBatch {
    let mut builder = BatchBuilder::default();
    let value = vec![b'v'; value_bytes];
    builder.push(NewRecord {
        timestamp: Timestamp(1_700_000_000_000),
        value: Some(&value),
        ..NewRecord::default()
    });
    builder.build()
}

/// Partition, error and bytes of records, by partition.
fn told(answer: &FetchResponse) -> Vec<(i32, ErrorCode, usize)> {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let mut told: Vec<_> = partitions
        .map(|partition| {
            let bytes = partition.records.as_ref().map_or(0, Records::len);
            (partition.partition_index, ErrorCode::from(partition.error_code), bytes)
        })
        .collect();
    told.sort_unstable_by_key(|(partition, ..)| *partition);
    told
}

const NONE: ErrorCode = ErrorCode::None;

#[test]
fn fetch_waits_for_its_bytes_over_all_partitions() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let batch = mk_batch(1_000);
    let size = batch.size_bytes();
    let min_bytes = i32::try_from(2 * size).unwrap();
    let mut parked = Parked::new(&broker, &FetchRequest { min_bytes, ..mk_fetch(&[0, 1, 2], 60_000) });
    client.produce(0, &batch);
    parked.assert_waits();
    client.produce(2, &batch);
    assert_eq!(told(&parked.answer()), [(0, NONE, size), (1, NONE, 0), (2, NONE, size)]);

    let mut parked =
        Parked::new(&broker, &FetchRequest { min_bytes: min_bytes + 1, ..mk_fetch(&[0, 2], 1_500) });
    parked.assert_waits();
    assert_eq!(
        told(&parked.answer()),
        [(0, NONE, size), (2, NONE, size)],
        "what there is when the time is over"
    );
    let bytes = i32::try_from(size).unwrap();
    let request = FetchRequest { min_bytes: i32::MAX, max_bytes: bytes, ..mk_fetch(&[0, 2], 60_000) };
    assert_eq!(told(&client.fetch(&request)), [(0, NONE, size), (2, NONE, 0)], "no more than it may be");
}

#[test]
fn error_is_told_at_once_unless_nobody_knows_the_partition() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let at_once = |client: &mut Client, request: &FetchRequest| {
        let started = Instant::now();
        let answer = client.fetch(request);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        told(&answer)
    };
    let unknown = (UNKNOWN, ErrorCode::UnknownTopicOrPartition, 0);
    assert_eq!(at_once(&mut client, &mk_fetch(&[UNKNOWN], 30_000)), [unknown]);
    let mut request = mk_fetch(&[0, 1], 30_000);
    request.topics[0].partitions[1].fetch_offset = 5;
    let out_of_range = (1, ErrorCode::OffsetOutOfRange, 0);
    assert_eq!(at_once(&mut client, &request), [(0, NONE, 0), out_of_range]);
    request.topics[0].partitions[1] =
        FetchPartition { partition: 1, current_leader_epoch: 9, ..Default::default() };
    let ahead = (1, ErrorCode::UnknownLeaderEpoch, 0);
    assert_eq!(at_once(&mut client, &request), [(0, NONE, 0), ahead]);
    assert_eq!(at_once(&mut client, &mk_fetch(&[0, UNKNOWN], 0)), [(0, NONE, 0), unknown]);

    let mut parked = Parked::new(&broker, &mk_fetch(&[0, UNKNOWN], 60_000));
    parked.assert_waits();
    let batch = mk_batch(10);
    client.produce(0, &batch);
    assert_eq!(told(&parked.answer()), [(0, NONE, batch.size_bytes()), unknown]);
}

#[test]
fn sizes_are_bounded_but_for_the_first_batch() {
    let broker = TestBroker::start_with(Flavor::wanted(), &[("fetch.max.bytes", "5000")]).unwrap();
    let mut client = Client::new(&broker);
    let batch = mk_batch(2_000);
    let size = batch.size_bytes();
    for partition in 0..PARTITIONS {
        (0..4).for_each(|_| client.produce(partition, &batch));
    }
    let whole = |bytes: usize| bytes / size * size;
    let mut bytes_of = |request: &FetchRequest| -> Vec<usize> {
        // Apache Kafka may cut the last batch off, which readers ignore.
        told(&client.fetch(request)).into_iter().map(|(_, _, bytes)| whole(bytes)).collect()
    };
    assert_eq!(bytes_of(&mk_fetch(&[0, 1, 2], 0)), [whole(5_000), 0, 0], "what the broker allows");
    let mut request = mk_fetch(&[0, 1, 2], 0);
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = i32::try_from(size).unwrap();
    }
    assert_eq!(bytes_of(&request), [size, size, 0]);
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = 1;
    }
    assert_eq!(bytes_of(&request), [size, 0, 0]);
    assert_eq!(bytes_of(&FetchRequest { max_bytes: 1, ..mk_fetch(&[0, 1], 0) }), [size, 0]);
    assert_eq!(bytes_of(&FetchRequest { max_bytes: 0, ..mk_fetch(&[0, 1], 0) }), [size, 0]);
}
