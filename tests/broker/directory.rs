//! A data directory goes both ways: what Apache Kafka has written is served by the broker with the same bytes, offsets
//! and group offsets, and what the broker writes after that is served by Apache Kafka.
//!
//! The writers are frames of our own, for what only they can do, franz-go and the Java client; franz-go reads too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpStream;
use std::process::Command;

use bytes::Bytes;
use milena_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnTopic;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic};
use milena_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use milena_protocol::messages::{
    AddPartitionsToTxnRequest, CreateTopicsRequest, DeleteRecordsRequest, EndTxnRequest, FetchRequest,
    FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, OffsetCommitRequest,
    OffsetFetchRequest, ProduceRequest,
};
use milena_protocol::records::{BatchBuilder, Compression, NewRecord, batches};
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Records, Request, Timestamp};
use milena_tests::{Flavor, TestBroker, dump, eventually, frame, java, paths};
use serde_json::{Value, json};

use crate::PATIENCE;

const START_MS: i64 = 1_700_000_000_000;
const GROUP: &str = "readers";
/// Transactional ids: of transactions that end, and of one that does not.
const TRANSACTION: &str = "transfer";
const ENDLESS: &str = "endless";
/// A transaction that Apache Kafka does not end by itself while the test runs.
const TRANSACTION_TIMEOUT_MS: i32 = 900_000;
/// Keys of the compacted topic; it is written to more often than it has keys.
const KEYS: i64 = 3;
const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
/// Each topic with what is special about it. A segment per append where `segment.ms` is 1.
const TOPICS: &[(&str, &[(&str, &str)])] = &[
    ("codecs", &[]),
    ("idempotent", &[]),
    ("rolled", &[("segment.ms", "1")]),
    (
        "compacted",
        &[("cleanup.policy", "compact"), ("segment.ms", "1"), ("min.cleanable.dirty.ratio", "0.01")],
    ),
    ("stamped", &[("message.timestamp.type", "LogAppendTime")]),
    ("money", &[("segment.ms", "1")]),
    ("open", &[]),
    ("franz", &[]),
    ("java", &[]),
];
/// What outside clients write to, and how many records.
const OUTSIDE: [&str; 2] = ["franz", "java"];
const OUTSIDE_RECORDS: usize = CODECS.len() * 5;

/// Aborted transactions, by producer id and first offset.
type Aborted = BTreeSet<(i64, i64)>;

/// What clients see of a broker: the bytes of all batches, offsets, and the offsets of the group.
#[derive(Debug, PartialEq)]
struct View {
    batches: BTreeMap<&'static str, Vec<Bytes>>,
    /// What `read_committed` gets of the topics with transactions, and the aborted transactions told with it.
    finished: BTreeMap<&'static str, (Vec<Bytes>, Aborted)>,
    offsets: BTreeMap<(&'static str, i64), (i64, i64)>,
    committed: BTreeMap<String, i64>,
}

struct Client(TcpStream);

impl Client {
    fn new(broker: &TestBroker) -> Self {
        Self(frame::connect(&broker.bootstrap()).unwrap())
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        frame::exchange(&mut self.0, version, request).unwrap()
    }

    fn create_topics(&mut self) {
        let topic = |(name, configs): &(&str, &[(&str, &str)])| CreatableTopic {
            name: (*name).into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: (*name).into(),
                    value: Some((*value).into()),
                })
                .collect(),
            ..CreatableTopic::default()
        };
        let topics = TOPICS.iter().map(topic).collect();
        let response = self.ask(7, &CreateTopicsRequest { topics, timeout_ms: 30_000, validate_only: false });
        assert!(response.topics.iter().all(|topic| topic.error_code == 0), "{response:?}");
    }

    /// Appends a batch and yields its offset. A new topic has no leader for a moment.
    fn produce(&mut self, topic: &str, batch: BatchBuilder) -> i64 {
        self.produce_as(None, topic, batch)
    }

    /// Appends a batch of a transaction.
    fn produce_as(&mut self, transaction: Option<&str>, topic: &str, batch: BatchBuilder) -> i64 {
        let batch = batch.build();
        let transactional_id = transaction.map(Into::into);
        let records = Some(Records::Bytes(batch.into_bytes()));
        let partition_data = vec![PartitionProduceData { index: 0, records }];
        let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
        let request = ProduceRequest { transactional_id, acks: -1, timeout_ms: 30_000, topic_data };
        eventually("a leader that appends", PATIENCE, || {
            let response = self.ask(9, &request);
            let answer = &response.responses[0].partition_responses[0];
            let code = ErrorCode::from(answer.error_code);
            let is_early =
                matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::NotLeaderOrFollower);
            assert!(is_early || code == ErrorCode::None, "{topic}: {answer:?}");
            (!is_early).then_some(answer.base_offset)
        })
    }

    fn producer(&mut self, transactional_id: Option<&str>) -> (ProducerId, ProducerEpoch) {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(Into::into),
            transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
            ..InitProducerIdRequest::default()
        };
        let find = FindCoordinatorRequest {
            key: transactional_id.unwrap_or_default().into(),
            key_type: 1,
            ..FindCoordinatorRequest::default()
        };
        eventually("a producer id", PATIENCE, || {
            if transactional_id.is_some() && self.ask(2, &find).error_code != 0 {
                return None;
            }
            let response = self.ask(4, &request);
            let granted = (ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
            (response.error_code == 0).then_some(granted)
        })
    }

    /// Begins a transaction on a topic and appends two batches; yields its producer.
    fn begin(&mut self, transaction: &str, topic: &str) -> (ProducerId, ProducerEpoch) {
        let (id, epoch) = self.producer(Some(transaction));
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: transaction.into(),
            v3_and_below_producer_id: id.0,
            v3_and_below_producer_epoch: epoch.0,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: topic.into(), partitions: vec![0] }],
            ..AddPartitionsToTxnRequest::default()
        };
        eventually("the partition in the transaction", PATIENCE, || {
            let added = self.ask(3, &request);
            (added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code == 0)
                .then_some(())
        });
        for sequence in 0..2 {
            let batch = BatchBuilder::default().producer(id, epoch, sequence).transactional();
            self.produce_as(Some(transaction), topic, filled(batch, sequence.into(), 1));
        }
        (id, epoch)
    }

    fn transaction(&mut self, committed: bool) {
        let (id, epoch) = self.begin(TRANSACTION, "money");
        let request = EndTxnRequest {
            transactional_id: TRANSACTION.into(),
            producer_id: id.0,
            producer_epoch: epoch.0,
            committed,
        };
        eventually("the end of the transaction", PATIENCE, || {
            (self.ask(3, &request).error_code == 0).then_some(())
        });
    }

    fn delete_records(&mut self, topic: &str, offset: i64) {
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
        let topics = vec![DeleteRecordsTopic { name: topic.into(), partitions }];
        let response = self.ask(2, &DeleteRecordsRequest { topics, timeout_ms: 30_000 });
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "{response:?}");
    }

    fn commit(&mut self, topic: &str, committed_offset: i64) {
        let partition = OffsetCommitRequestPartition {
            committed_offset,
            committed_metadata: Some("place".into()),
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let find = FindCoordinatorRequest { key: GROUP.into(), ..FindCoordinatorRequest::default() };
        eventually("the coordinator", PATIENCE, || {
            if self.ask(2, &find).error_code != 0 {
                return None;
            }
            (self.ask(8, &request).topics[0].partitions[0].error_code == 0).then_some(())
        });
    }

    fn offset(&mut self, topic: &str, timestamp: i64) -> (i64, i64) {
        self.offset_at(0, topic, timestamp)
    }

    fn offset_at(&mut self, isolation_level: i8, topic: &str, timestamp: i64) -> (i64, i64) {
        let partition = ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() };
        let topics = vec![ListOffsetsTopic { name: topic.into(), partitions: vec![partition] }];
        let request =
            ListOffsetsRequest { replica_id: -1, isolation_level, topics, ..ListOffsetsRequest::default() };
        eventually("a leader", PATIENCE, || {
            let response = self.ask(7, &request);
            let found = &response.topics[0].partitions[0];
            (found.error_code == 0).then_some((found.offset, found.timestamp))
        })
    }

    /// The bytes of every batch.
    fn batches(&mut self, topic: &str) -> Vec<Bytes> {
        self.batches_at(0, topic).0
    }

    /// The bytes of every batch below the end that the isolation level sets, and the aborted transactions among them.
    fn batches_at(&mut self, isolation_level: i8, topic: &str) -> (Vec<Bytes>, Aborted) {
        let (mut next, end) = (self.offset(topic, -2).0, self.offset_at(isolation_level, topic, -1).0);
        let (mut all, mut aborted) = (Vec::new(), Aborted::new());
        while next < end {
            let partition = FetchPartition {
                fetch_offset: next,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            };
            let topic =
                FetchTopic { topic: topic.into(), partitions: vec![partition], ..FetchTopic::default() };
            let request = FetchRequest {
                min_bytes: 1,
                isolation_level,
                topics: vec![topic],
                ..FetchRequest::default()
            };
            let mut response = self.ask(12, &request);
            let data = response.responses.remove(0).partitions.remove(0);
            assert_eq!(data.error_code, 0);
            let told = data.aborted_transactions.into_iter().flatten();
            aborted.extend(told.map(|transaction| (transaction.producer_id, transaction.first_offset)));
            let before = next;
            for batch in batches(data.records.unwrap().into_bytes().unwrap()).map_while(Result::ok) {
                batch.check_crc().unwrap();
                next = batch.header().next_offset().0;
                all.push(batch.into_bytes());
            }
            assert!(next > before, "no batch at {before} of {end}");
        }
        (all, aborted)
    }

    fn view(&mut self) -> View {
        let topics = || TOPICS.iter().map(|(name, _)| *name);
        let stamps = [-1, -2, -3, START_MS, START_MS + 1000];
        // Apache Kafka finds nothing by time in a segment whose records of that time were deleted.
        let is_found = |(topic, stamp): &(&'static str, i64)| *topic != "rolled" || *stamp < 0;
        let places = topics().flat_map(|topic| stamps.map(|stamp| (topic, stamp))).filter(is_found);
        let request = OffsetFetchRequest { group_id: GROUP.into(), topics: None, ..Default::default() };
        let committed = eventually("the coordinator", PATIENCE, || {
            let response = self.ask(7, &request);
            (response.error_code == 0).then_some(response.topics)
        });
        View {
            batches: topics().map(|topic| (topic, self.batches(topic))).collect(),
            finished: ["money", "open"].map(|topic| (topic, self.batches_at(1, topic))).into(),
            offsets: places.map(|place| (place, self.offset(place.0, place.1))).collect(),
            committed: committed
                .into_iter()
                .map(|topic| (topic.name.to_string(), topic.partitions[0].committed_offset))
                .collect(),
        }
    }

    /// Appends to all topics but the one for transactions.
    fn write(&mut self, (id, epoch): (ProducerId, ProducerEpoch), sequence: i32) {
        for codec in CODECS {
            self.produce("codecs", filled(BatchBuilder::default().compression(codec), 0, 6));
            self.produce("codecs", bare(BatchBuilder::default().compression(codec)));
            self.produce("stamped", filled(BatchBuilder::default().compression(codec), 0, 6));
        }
        for number in 0..6 {
            self.produce("rolled", filled(BatchBuilder::default(), number, 2));
            self.produce("compacted", filled(BatchBuilder::default(), number, 2));
        }
        let batch = || filled(BatchBuilder::default().producer(id, epoch, sequence), 0, 2);
        let first = self.produce("idempotent", batch());
        assert_eq!(self.produce("idempotent", batch()), first, "a retry is stored once");
    }
}

/// Records with and without keys, values and headers.
fn filled(mut batch: BatchBuilder, first: i64, count: i64) -> BatchBuilder {
    for number in first..first + count {
        let (key, value) = (format!("key {}", number % KEYS), format!("value {number}"));
        let header = [("header", Some(&b"value"[..])), ("empty", None)];
        batch.push(NewRecord {
            timestamp: Timestamp(START_MS + number * 1000),
            key: Some(key.as_bytes()),
            value: (number % 5 != 4).then_some(value.as_bytes()),
            headers: if number % 2 == 0 { &header } else { &[] },
        });
    }
    batch
}

/// A record without a key and one without anything.
fn bare(mut batch: BatchBuilder) -> BatchBuilder {
    for value in [Some(&b"value"[..]), None] {
        batch.push(NewRecord { timestamp: Timestamp(START_MS), value, ..NewRecord::default() });
    }
    batch
}

/// What an outside client is to write: one batch with each codec.
fn outside_batches(topic: &str) -> Value {
    let record = |key: Value, value: Value, headers: Value| json!({"key": key, "value": value, "repeat": 1, "headers": headers, "timestamp": START_MS});
    let records = json!([
        record(json!("key"), json!("value"), json!([["header", "value"], ["null", null], ["empty", ""]])),
        record(json!(null), json!("without a key"), json!([])),
        record(json!("gone"), json!(null), json!([["why", "tombstone"]])),
        record(json!(null), json!(null), json!([])),
        record(json!(""), json!(""), json!([])),
    ]);
    let batches = CODECS.map(|codec| json!({"topic": topic, "codec": codec.name(), "records": records}));
    json!(batches)
}

/// The outside clients write to their topics.
fn write_outside(broker: &TestBroker) {
    let mut java = java::java_with(&paths::cache().join("clients/java"));
    java.args(["Breadth", &broker.bootstrap(), "write"]);
    for (topic, command) in OUTSIDE.into_iter().zip([franz(broker, &["spec"]), java]) {
        java::run(command, &outside_batches(topic).to_string()).unwrap();
    }
}

/// What franz-go reads of those topics, a line for each record.
fn read_outside(broker: &TestBroker) -> Vec<String> {
    let topics = OUTSIDE.map(|topic| format!("{topic}:{OUTSIDE_RECORDS}"));
    let printed = java::run(franz(broker, &["show", &topics[0], &topics[1]]), "").unwrap();
    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn franz(broker: &TestBroker, arguments: &[&str]) -> Command {
    let mut command = Command::new(paths::cache().join("clients/franz"));
    command.args([&broker.bootstrap(), "franz"]).args(arguments);
    command
}

/// The bytes of the transaction indexes of a topic, by name.
fn transaction_indexes(broker: &TestBroker, topic: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(broker.data().join(format!("{topic}-0"))).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    let indexes =
        named.filter(|(name, path)| name.ends_with(".txnindex") && fs::metadata(path).unwrap().len() > 0);
    indexes.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

#[test]
fn data_directory_of_apache_kafka_is_served_as_it_is_and_goes_back() {
    let settings = [("log.cleaner.backoff.ms", "100")];
    let mut broker = TestBroker::start_kafka_by_default(&settings).unwrap();
    let mut client = Client::new(&broker);
    client.create_topics();
    let producer = client.producer(None);
    client.write(producer, 0);
    client.transaction(true);
    client.transaction(false);
    client.transaction(true);
    client.begin(ENDLESS, "open");
    write_outside(&broker);
    client.delete_records("rolled", 3);
    client.commit("codecs", 4);
    client.commit("rolled", 5);
    let written = 12;
    eventually("a compacted log", PATIENCE, || {
        let batches = client.batches("compacted");
        let records: usize = batches.iter().map(batches_records).sum();
        (records < written).then_some(())
    });
    let (theirs, read) = (client.view(), read_outside(&broker));
    assert_eq!(theirs.finished["money"].1.len(), 1, "an aborted transaction");
    assert_eq!(theirs.finished["open"].0, Vec::<Bytes>::new(), "nothing of a transaction that is open");
    broker.stop();
    let indexes = transaction_indexes(&broker, "money");
    assert!(!indexes.is_empty());

    broker.restart_as(Flavor::Milena).unwrap();
    let mut client = Client::new(&broker);
    assert_same(&client.view(), &theirs);
    assert_eq!(read_outside(&broker), read);
    client.write(producer, 2);
    client.delete_records("rolled", 7);
    client.commit("codecs", 9);
    let ours = client.view();
    assert_eq!(ours.committed["rolled"], 5);
    broker.stop();
    assert_eq!(transaction_indexes(&broker, "money"), indexes);
    dump::assert_readable_with_holes(&broker);

    broker.restart_as(Flavor::Kafka).unwrap();
    let mut client = Client::new(&broker);
    let mut back = client.view();
    // Its cleaner goes on with what we wrote.
    back.batches.remove("compacted");
    let mut expected = ours;
    expected.batches.remove("compacted");
    assert_same(&back, &expected);
    assert_eq!(read_outside(&broker), read);
    client.write(producer, 4);
}

fn batches_records(batch: &Bytes) -> usize {
    let batches = batches(batch.clone()).map(Result::unwrap);
    batches.map(|batch| batch.header().count as usize).sum()
}

fn assert_same(seen: &View, expected: &View) {
    assert_eq!(seen.committed, expected.committed);
    assert_eq!(seen.finished, expected.finished);
    for (place, offset) in &expected.offsets {
        assert_eq!(seen.offsets[place], *offset, "{place:?}");
    }
    for (topic, batches) in &expected.batches {
        assert_eq!(seen.batches[topic].len(), batches.len(), "batches of {topic}");
        assert_eq!(seen.batches[topic], *batches, "{topic}");
    }
}
