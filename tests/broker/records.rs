//! Produce, Fetch, ListOffsets and InitProducerId as a client meets them that knows every field.

use std::net::TcpStream;
use std::time::Instant;

use bytes::Bytes;
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::delete_topics::DeleteTopicsRequest;
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use milena_protocol::messages::init_producer_id::InitProducerIdRequest;
use milena_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use milena_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use milena_protocol::records::{BatchBuilder, Compression, NewRecord, RecordBatch, batches};
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Records, Timestamp, Uuid};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;

mod compaction;
mod pitfalls;
mod recovery;
mod tools;

const TOPIC: &str = "truck_gps";
/// Timestamp of the first record.
const START_MS: i64 = 1_700_000_000_000;

/// A connection to a broker that has the topic.
struct Client {
    stream: TcpStream,
    topic_id: Uuid,
}

impl Client {
    fn new(broker: &TestBroker) -> Self {
        let mut client = Self { stream: frame::connect(&broker.bootstrap()).unwrap(), topic_id: Uuid::nil() };
        client.create_topic();
        client
    }

    fn of_leader(broker: &TestBroker) -> Self {
        let mut client = Self::new(broker);
        client.await_leader();
        client
    }

    /// Apache Kafka creates a topic before its leader knows of it.
    fn await_leader(&mut self) {
        eventually("a leader", PATIENCE, || (self.list(4, -1).error_code == 0).then_some(()));
    }

    fn create_topic(&mut self) {
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let response = frame::exchange(&mut self.stream, 7, &request).unwrap();
        assert_eq!(response.topics[0].error_code, 0);
        self.topic_id = response.topics[0].topic_id;
    }

    fn try_produce(&mut self, version: i16, acks: i16, records: Bytes) -> PartitionProduceResponse {
        let partition = PartitionProduceData { index: 0, records: Some(Records::Bytes(records)) };
        let topic =
            TopicProduceData { name: TOPIC.into(), topic_id: self.topic_id, partition_data: vec![partition] };
        let request =
            ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let mut response = frame::exchange(&mut self.stream, version, &request).unwrap();
        response.responses.remove(0).partition_responses.remove(0)
    }

    fn produce(&mut self, batch: &RecordBatch) -> i64 {
        let response = self.try_produce(13, -1, batch.bytes().clone());
        assert_eq!(ErrorCode::from(response.error_code), ErrorCode::None, "{response:?}");
        response.base_offset
    }

    fn fetch(&mut self, version: i16, change: impl Fn(&mut FetchRequest)) -> PartitionData {
        let partition =
            FetchPartition { fetch_offset: 0, partition_max_bytes: 1 << 20, ..FetchPartition::default() };
        let topic = FetchTopic { topic: TOPIC.into(), topic_id: self.topic_id, partitions: vec![partition] };
        let mut request =
            FetchRequest { max_wait_ms: 0, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() };
        change(&mut request);
        let mut response = frame::exchange(&mut self.stream, version, &request).unwrap();
        assert_eq!((response.error_code, response.session_id), (0, 0));
        response.responses.remove(0).partitions.remove(0)
    }

    fn list(&mut self, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() };
        let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() };
        let mut response = frame::exchange(&mut self.stream, version, &request).unwrap();
        response.topics.remove(0).partitions.remove(0)
    }

    fn producer_id(&mut self) -> ProducerId {
        let request = InitProducerIdRequest { transactional_id: None, ..InitProducerIdRequest::default() };
        // Apache Kafka fetches its first producer ids after its start.
        let response = eventually("a producer id", PATIENCE, || {
            let response = frame::exchange(&mut self.stream, 5, &request).unwrap();
            (response.error_code != ErrorCode::CoordinatorLoadInProgress.code()).then_some(response)
        });
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        ProducerId(response.producer_id)
    }
}

fn mk_batch(first: i64, count: i64, compression: Compression) -> RecordBatch {
    fill(BatchBuilder::default().compression(compression), first, count)
}

fn fill(mut builder: BatchBuilder, first: i64, count: i64) -> RecordBatch {
    for index in first..first + count {
        let value = format!("position {index}");
        let timestamp = Timestamp(START_MS + index);
        builder.push(NewRecord { timestamp, value: Some(value.as_bytes()), ..NewRecord::default() });
    }
    builder.build()
}

/// The first and last offset of each batch.
fn ranges(data: &PartitionData) -> Vec<(i64, i64)> {
    let records = data.records.clone().expect("records are never null").into_bytes().unwrap();
    let batches = batches(records).map(Result::unwrap);
    batches
        .map(|batch| {
            batch.check_crc().unwrap();
            (batch.header().base_offset.0, batch.header().last_offset().0)
        })
        .collect()
}

fn code(data: &PartitionData) -> ErrorCode {
    ErrorCode::from(data.error_code)
}

#[test]
fn every_version_produces_and_fetches() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    for (offset, version) in (3..=13).enumerate() {
        let response = client.try_produce(version, 1, mk_batch(0, 1, Compression::None).into_bytes());
        assert_eq!((response.error_code, response.base_offset), (0, offset as i64), "version {version}");
    }
    for version in 4..=18 {
        let data = client.fetch(version, |_| {});
        assert_eq!(ranges(&data).len(), 11, "version {version}");
        assert_eq!(data.high_watermark, 11);
    }
}

/// Pitfalls 11 and 13.
#[test]
fn whole_batches_come_and_the_first_one_always() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    for first in [0, 10, 20] {
        client.produce(&mk_batch(first, 10, Compression::Lz4));
    }
    let from_inside = client.fetch(13, |request| request.topics[0].partitions[0].fetch_offset = 15);
    assert_eq!(ranges(&from_inside), [(10, 19), (20, 29)], "a fetch inside a batch gets all of it");
    let tiny = client.fetch(13, |request| request.topics[0].partitions[0].partition_max_bytes = 1);
    assert_eq!(ranges(&tiny), [(0, 9)]);
    let tiny = client.fetch(13, |request| request.max_bytes = 1);
    assert_eq!(ranges(&tiny), [(0, 9)]);
    let at_end = client.fetch(13, |request| request.topics[0].partitions[0].fetch_offset = 30);
    assert_eq!((code(&at_end), ranges(&at_end)), (ErrorCode::None, vec![]));
}

/// Pitfall 10.
#[test]
fn fetch_errors_say_what_the_client_must_do() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.produce(&mk_batch(0, 1, Compression::None));
    let epoch = client.list(4, -1).leader_epoch;
    let mut with = |change: &dyn Fn(&mut FetchPartition)| {
        let data = client.fetch(12, |request| change(&mut request.topics[0].partitions[0]));
        assert!(data.records.is_some(), "records are never null");
        code(&data)
    };
    assert_eq!(with(&|partition| partition.fetch_offset = 2), ErrorCode::OffsetOutOfRange);
    assert_eq!(with(&|partition| partition.fetch_offset = -1), ErrorCode::OffsetOutOfRange);
    assert_eq!(with(&|partition| partition.current_leader_epoch = epoch), ErrorCode::None);
    assert_eq!(with(&|partition| partition.current_leader_epoch = epoch + 1), ErrorCode::UnknownLeaderEpoch);
    assert_eq!(with(&|partition| partition.partition = 7), ErrorCode::UnknownTopicOrPartition);
    let unknown = client.fetch(13, |request| request.topics[0].topic_id = Uuid::max());
    assert_eq!(code(&unknown), ErrorCode::UnknownTopicId);
}

#[test]
fn fetch_waits_for_records_but_not_longer_than_asked() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let started = Instant::now();
    assert_eq!(ranges(&client.fetch(13, |request| request.max_wait_ms = 300)), []);
    assert!(started.elapsed().as_millis() >= 300);
    let mut producer =
        Client { stream: frame::connect(&broker.bootstrap()).unwrap(), topic_id: client.topic_id };
    let waiting = std::thread::spawn(move || client.fetch(13, |request| request.max_wait_ms = 25_000));
    producer.produce(&mk_batch(0, 1, Compression::None));
    assert_eq!(ranges(&waiting.join().unwrap()), [(0, 0)]);
}

/// Pitfall 19.
#[test]
fn offsets_are_found_by_time_and_by_name() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.produce(&mk_batch(0, 10, Compression::Zstd));
    client.produce(&mk_batch(10, 10, Compression::None));
    for version in 1..=11 {
        let mut offset = |timestamp: i64| {
            let found = client.list(version, timestamp);
            (ErrorCode::from(found.error_code), found.timestamp, found.offset)
        };
        let ok = |timestamp, offset| (ErrorCode::None, timestamp, offset);
        let since = |first: i16, found| {
            if version < first { (ErrorCode::UnsupportedVersion, -1, -1) } else { found }
        };
        assert_eq!(offset(START_MS + 13), ok(START_MS + 13, 13), "version {version}");
        assert_eq!(offset(START_MS + 5), ok(START_MS + 5, 5));
        assert_eq!(offset(0), ok(START_MS, 0));
        assert_eq!(offset(START_MS + 20), ok(-1, -1));
        assert_eq!(offset(-1), ok(-1, 20));
        assert_eq!(offset(-2), ok(-1, 0));
        assert_eq!(offset(-3), since(7, ok(START_MS + 19, 19)));
        assert_eq!(offset(-4), since(8, ok(-1, 0)));
        assert_eq!(offset(-5), since(9, ok(-1, -1)));
        assert_eq!(offset(-6), since(11, ok(-1, -1)));
        assert_eq!(offset(-7), (ErrorCode::UnsupportedVersion, -1, -1));
    }
}

#[test]
fn idempotent_producer_is_held_to_its_sequences() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let (id, other) = (client.producer_id(), client.producer_id());
    assert_ne!(id, other);
    let batch = |sequence, epoch| {
        fill(BatchBuilder::default().producer(id, ProducerEpoch(epoch), sequence), 0, 2).into_bytes()
    };
    let mut produce = |sequence, epoch| {
        let response = client.try_produce(9, -1, batch(sequence, epoch));
        (ErrorCode::from(response.error_code), response.base_offset)
    };
    assert_eq!(produce(0, 0), (ErrorCode::None, 0));
    assert_eq!(produce(2, 0), (ErrorCode::None, 2));
    assert_eq!(produce(0, 0), (ErrorCode::None, 0), "a retry gets the offset of the first try");
    assert_eq!(produce(6, 0), (ErrorCode::OutOfOrderSequenceNumber, -1));
    assert_eq!(produce(0, 1), (ErrorCode::None, 4));
    assert_eq!(produce(4, 0), (ErrorCode::InvalidProducerEpoch, -1));
    assert_eq!(client.fetch(13, |_| {}).high_watermark, 6);
}

#[test]
fn refused_batches_carry_kafkas_codes() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let good = mk_batch(0, 2, Compression::None).into_bytes();
    let mut corrupt = good.to_vec();
    corrupt[70] ^= 1;
    let two = [good.clone(), good.clone()].concat();
    let transactional =
        fill(BatchBuilder::default().producer(ProducerId(1), ProducerEpoch(0), 0).transactional(), 0, 1);
    let mut large = BatchBuilder::default();
    large.push(NewRecord { value: Some(&[0; 1_100_000]), ..NewRecord::default() });
    let mut refused = |version, acks, records: Bytes| {
        let response = client.try_produce(version, acks, records);
        assert_eq!(response.base_offset, -1);
        ErrorCode::from(response.error_code)
    };
    assert_eq!(refused(9, 2, good.clone()), ErrorCode::InvalidRequiredAcks);
    assert_eq!(refused(9, -1, corrupt.into()), ErrorCode::CorruptMessage);
    assert_eq!(refused(9, -1, two.into()), ErrorCode::InvalidRecord);
    assert_eq!(refused(9, -1, Bytes::new()), ErrorCode::InvalidRecord);
    assert_eq!(refused(9, -1, large.build().into_bytes()), ErrorCode::MessageTooLarge);
    assert_eq!(refused(9, -1, transactional.into_bytes()), ErrorCode::TransactionalIdAuthorizationFailed);
    let zstd = mk_batch(0, 1, Compression::Zstd).into_bytes();
    assert_eq!(refused(6, -1, zstd), ErrorCode::UnsupportedCompressionType);
    assert_eq!(client.fetch(13, |_| {}).high_watermark, 0);
    client.produce(&mk_batch(0, 1, Compression::None));
}

/// Pitfall 7.
#[test]
fn topic_created_again_under_its_name_is_empty_and_another() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.produce(&mk_batch(0, 5, Compression::None));
    let before = client.topic_id;
    let request = DeleteTopicsRequest {
        topic_names: vec![TOPIC.into()],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    let deleted = frame::exchange(&mut client.stream, 5, &request).unwrap();
    assert_eq!(deleted.responses[0].error_code, 0);
    assert_eq!(code(&client.fetch(13, |_| {})), ErrorCode::UnknownTopicId);
    client.create_topic();
    assert_ne!(client.topic_id, before);
    assert_eq!(client.fetch(13, |_| {}).high_watermark, 0);
    client.produce(&mk_batch(0, 1, Compression::None));
    broker.stop();
    broker.restart().unwrap();
    let mut again =
        Client { stream: frame::connect(&broker.bootstrap()).unwrap(), topic_id: client.topic_id };
    assert_eq!(ranges(&again.fetch(13, |_| {})), [(0, 0)]);
}
