//! What a topic's configuration makes of a producer's batch: another codec, other timestamps, or a refusal that names the
//! records to blame. Runs against Apache Kafka too (`MILENA_TEST_BROKER=kafka`).

use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use milena_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use milena_protocol::records::{BatchBuilder, Compression, NewRecord, Record, RecordBatch, batches};
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Records, Timestamp};
use milena_tests::{TestBroker, eventually, frame};

use crate::PATIENCE;

const CODECS: [(&str, Compression); 5] = [
    ("uncompressed", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];
/// Where the fields of a batch stand.
const MAGIC_AT: usize = 16;
const LAST_OFFSET_DELTA_AT: usize = 23;
const COUNT_AT: usize = 57;
const RECORDS_AT: usize = 61;

struct Client(TcpStream);

impl Client {
    fn new(broker: &TestBroker) -> Self {
        Self(frame::connect(&broker.bootstrap()).unwrap())
    }

    fn create(&mut self, name: &str, configs: &[(&str, &str)]) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        assert_eq!(frame::exchange(&mut self.0, 7, &request).unwrap().topics[0].error_code, 0);
    }

    fn produce(&mut self, version: i16, topic: &str, records: impl Into<Bytes>) -> PartitionProduceResponse {
        let data = PartitionProduceData { index: 0, records: Some(Records::Bytes(records.into())) };
        let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
        let request =
            ProduceRequest { acks: 1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        // Apache Kafka creates a topic before its leader knows of it.
        eventually("a leader", PATIENCE, || {
            let mut answer = frame::exchange(&mut self.0, version, &request).unwrap();
            let answer = answer.responses.remove(0).partition_responses.remove(0);
            let is_known = ![ErrorCode::UnknownTopicOrPartition, ErrorCode::NotLeaderOrFollower]
                .contains(&ErrorCode::from(answer.error_code));
            is_known.then_some(answer)
        })
    }

    /// The last batch of the topic.
    fn stored(&mut self, topic: &str) -> RecordBatch {
        let partition = FetchPartition { partition_max_bytes: 1 << 20, ..FetchPartition::default() };
        let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..FetchRequest::default() };
        let mut answer = frame::exchange(&mut self.0, 11, &request).unwrap();
        let partition = answer.responses.remove(0).partitions.remove(0);
        let Some(Records::Bytes(records)) = partition.records else { panic!("no records") };
        batches(records).last().unwrap().unwrap()
    }
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Three records, a second apart and the first the youngest, of an idempotent producer.
fn mk_batch(codec: Compression, now_ms: i64) -> RecordBatch {
    let mut builder = BatchBuilder::default().compression(codec).producer(ProducerId(7), ProducerEpoch(3), 5);
    let headers = [("truck", Some(&b"17"[..])), ("empty", None)];
    for index in 0..3 {
        let timestamp = Timestamp(now_ms - 1_000 * index);
        let value = [b'v'; 300];
        builder.push(NewRecord { timestamp, key: Some(b"k"), value: Some(&value), headers: &headers });
    }
    builder.build()
}

fn records(batch: &RecordBatch) -> Vec<Record> {
    batch.records().unwrap().map(Result::unwrap).collect()
}

fn code(answer: &PartitionProduceResponse) -> ErrorCode {
    ErrorCode::from(answer.error_code)
}

#[test]
fn batches_are_stored_in_the_codec_of_the_topic() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let now_ms = now_ms();
    for (name, target) in CODECS {
        let level = ("compression.gzip.level", "9");
        client.create(name, &[("compression.type", name), level, ("compression.zstd.level", "-5")]);
        for (offset, (_, source)) in (0..).step_by(3).zip(CODECS) {
            // Sequences go on from batch to batch.
            let batch = with_sequence(&mk_batch(source, now_ms), 5 + offset);
            let answer = client.produce(9, name, batch.clone());
            assert_eq!((code(&answer), answer.base_offset), (ErrorCode::None, i64::from(offset)), "{name}");
            assert_eq!(answer.log_append_time_ms, -1);
            let stored = client.stored(name);
            stored.check_crc().unwrap();
            let header = stored.header();
            assert_eq!(header.attributes.0, target as i16, "{name} from {source:?}");
            assert_eq!(
                (header.producer_id.0, header.producer_epoch.0, header.base_sequence),
                (7, 3, 5 + offset)
            );
            assert_eq!((header.base_timestamp.0, header.max_timestamp.0), (now_ms, now_ms));
            let sent = RecordBatch::take(&mut batch.clone()).unwrap();
            let contents = |batch: &RecordBatch| -> Vec<_> {
                let content = |record: Record| (record.timestamp, record.key, record.value, record.headers);
                records(batch).into_iter().map(content).collect()
            };
            assert_eq!(contents(&stored), contents(&sent), "{name} from {source:?}");
        }
    }
}

fn with_sequence(batch: &RecordBatch, sequence: i32) -> Bytes {
    edited(batch, |bytes| bytes[53..57].copy_from_slice(&sequence.to_be_bytes()))
}

/// The batch after `edit`, with the CRC that goes with it.
fn edited(batch: &RecordBatch, edit: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = batch.bytes().to_vec();
    edit(&mut bytes);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[21..]);
    bytes[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
    bytes.into()
}

#[test]
fn append_time_replaces_the_producers() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let before_ms = now_ms();
    for (name, codec) in [("kept", "producer"), ("recompressed", "lz4")] {
        // Limits on timestamps do not count then.
        let limit = ("message.timestamp.before.max.ms", "10");
        client
            .create(name, &[("message.timestamp.type", "LogAppendTime"), ("compression.type", codec), limit]);
        let answer = client.produce(9, name, mk_batch(Compression::Zstd, 5_000_000).bytes().clone());
        assert_eq!(code(&answer), ErrorCode::None);
        assert!(answer.log_append_time_ms >= before_ms);
        let stored = client.stored(name);
        stored.check_crc().unwrap();
        assert!(stored.header().attributes.is_log_append_time());
        assert_eq!(stored.header().base_timestamp.0, 5_000_000);
        assert_eq!(stored.header().max_timestamp.0, answer.log_append_time_ms);
        assert!(records(&stored).iter().all(|record| record.timestamp.0 == answer.log_append_time_ms));
    }
}

#[test]
fn records_out_of_time_are_named() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let limits = [("message.timestamp.before.max.ms", "600000"), ("message.timestamp.after.max.ms", "60000")];
    client.create("t", &limits);
    let now_ms = now_ms();
    let offsets = [0, -900_000, -300_000, 300_000, 30_000];
    let mut builder = BatchBuilder::default();
    for offset in offsets {
        builder.push(NewRecord { timestamp: Timestamp(now_ms + offset), ..NewRecord::default() });
    }
    // Without a timestamp it cannot be out of time.
    builder.push(NewRecord { timestamp: Timestamp(-1), ..NewRecord::default() });
    let batch = builder.build();
    let answer = client.produce(9, "t", batch.bytes().clone());
    assert_eq!(code(&answer), ErrorCode::InvalidTimestamp);
    let named: Vec<i32> = answer.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(named, [1, 3]);
    assert!(answer.record_errors.iter().all(|error| error.batch_index_error_message.is_some()));
    assert!(answer.error_message.is_some());
    assert_eq!((answer.base_offset, answer.log_append_time_ms, answer.log_start_offset), (-1, -1, 0));
    let answer = client.produce(7, "t", batch.bytes().clone());
    assert_eq!(code(&answer), ErrorCode::InvalidTimestamp, "older versions get the code alone");
    let of_broker = BatchBuilder::default().log_append_time(Timestamp(now_ms));
    let mut of_broker = of_broker;
    of_broker.push(NewRecord { timestamp: Timestamp(-1), ..NewRecord::default() });
    let answer = client.produce(9, "t", of_broker.build().bytes().clone());
    assert_eq!(code(&answer), ErrorCode::None, "a time within the limits, whoever says it");
}

#[test]
fn records_without_key_are_named_where_the_topic_is_compacted() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create("t", &[("cleanup.policy", "compact,delete"), ("compression.type", "gzip")]);
    let mut builder = BatchBuilder::default().compression(Compression::Snappy);
    for key in [None, Some(&b"k"[..]), None, Some(&b""[..])] {
        builder.push(NewRecord { timestamp: Timestamp(now_ms()), key, ..NewRecord::default() });
    }
    let answer = client.produce(9, "t", builder.build().bytes().clone());
    assert_eq!(code(&answer), ErrorCode::InvalidRecord);
    let named: Vec<i32> = answer.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(named, [0, 2]);
}

#[test]
fn size_counts_as_it_came_and_as_it_is_stored() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let limit = ("max.message.bytes", "5000");
    client.create("kept", &[limit]);
    client.create("plain", &[limit, ("compression.type", "uncompressed")]);
    client.create("packed", &[limit, ("compression.type", "gzip")]);
    let mk = |codec| {
        let mut builder = BatchBuilder::default().compression(codec);
        builder.push(NewRecord {
            timestamp: Timestamp(now_ms()),
            value: Some(&[0; 50_000]),
            ..NewRecord::default()
        });
        builder.build().bytes().clone()
    };
    let mut outcome = |topic, codec| code(&client.produce(9, topic, mk(codec)));
    assert_eq!(outcome("kept", Compression::Zstd), ErrorCode::None);
    assert_eq!(outcome("plain", Compression::Zstd), ErrorCode::MessageTooLarge);
    assert_eq!(outcome("packed", Compression::Zstd), ErrorCode::None);
    assert_eq!(outcome("packed", Compression::None), ErrorCode::MessageTooLarge, "before it is recompressed");
}

/// The log start comes with what is found out about the records, and with nothing else.
#[test]
fn refusals_say_what_kafka_knows_by_then() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create("t", &[("max.message.bytes", "5000"), ("cleanup.policy", "compact")]);
    let batch = mk_batch(Compression::None, now_ms());
    assert_eq!(code(&client.produce(9, "t", batch.bytes().clone())), ErrorCode::None);
    let mut told = |bytes: Bytes| {
        let answer = client.produce(9, "t", bytes);
        (code(&answer), answer.base_offset, answer.log_append_time_ms, answer.log_start_offset)
    };
    let mut large = BatchBuilder::default();
    large.push(NewRecord { key: Some(b"k"), value: Some(&[0; 6_000]), ..NewRecord::default() });
    assert_eq!(told(large.build().bytes().clone()), (ErrorCode::MessageTooLarge, -1, -1, -1));
    let mut unsealed = batch.bytes().to_vec();
    unsealed[20] ^= 1;
    assert_eq!(told(unsealed.into()), (ErrorCode::CorruptMessage, -1, -1, -1));
    let mut keyless = BatchBuilder::default();
    keyless.push(NewRecord { timestamp: Timestamp(now_ms()), ..NewRecord::default() });
    assert_eq!(told(keyless.build().bytes().clone()), (ErrorCode::InvalidRecord, -1, -1, 0));
    let gap = with_sequence(&batch, 50);
    assert_eq!(told(gap), (ErrorCode::OutOfOrderSequenceNumber, -1, -1, 0));
    let old = edited(&batch, |bytes| bytes[51..53].copy_from_slice(&1_i16.to_be_bytes()));
    assert_eq!(told(old), (ErrorCode::InvalidProducerEpoch, -1, -1, 0));
    assert_eq!(told(batch.bytes().clone()).1, 0, "a retry");
    let ahead = edited(&batch, |bytes| {
        bytes[51..53].copy_from_slice(&4_i16.to_be_bytes());
        bytes[53..57].copy_from_slice(&8_i32.to_be_bytes());
    });
    assert_eq!(told(ahead), (ErrorCode::OutOfOrderSequenceNumber, -1, -1, 0), "a new epoch begins at 0");
}

/// A request that asks for impossible acknowledgements still learns which partitions there are, and where it has no
/// whole batch. What is no batch at all refuses the whole request.
#[test]
fn impossible_requests_are_told_of_partitions_as_kafka_does() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create("t", &[]);
    let batch = mk_batch(Compression::None, now_ms());
    assert_eq!(code(&client.produce(9, "t", batch.bytes().clone())), ErrorCode::None);
    let mut codes = |acks, first: &Bytes, beyond: &Bytes| -> Vec<ErrorCode> {
        let data = |index, records: &Bytes| PartitionProduceData {
            index,
            records: Some(Records::Bytes(records.clone())),
        };
        let partition_data = vec![data(0, first), data(9, beyond)];
        let topic = TopicProduceData { name: "t".into(), partition_data, ..Default::default() };
        let request =
            ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let answer = frame::exchange(&mut client.0, 9, &request).unwrap();
        let mut answers: Vec<_> =
            answer.responses.iter().flat_map(|topic| &topic.partition_responses).collect();
        answers.sort_unstable_by_key(|partition| partition.index);
        answers.into_iter().map(code).collect()
    };
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let mut no_batch = batch.bytes().to_vec();
    no_batch[MAGIC_AT] = 4;
    let (batch, none, no_batch) = (batch.bytes(), &Bytes::new(), &no_batch.into());
    assert_eq!(codes(2, batch, batch), [ErrorCode::InvalidRequiredAcks, unknown]);
    assert_eq!(codes(2, none, batch), [ErrorCode::InvalidRecord, unknown]);
    assert_eq!(codes(1, batch, no_batch), [ErrorCode::CorruptMessage; 2]);
}

/// What is checked first decides the answer.
#[test]
fn damaged_batches_are_refused_as_kafka_does() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create("t", &[]);
    let mk = |codec, sequence| {
        let batch = mk_batch(codec, now_ms());
        RecordBatch::take(&mut with_sequence(&batch, sequence)).unwrap()
    };
    let plain = mk(Compression::None, 0);
    let mut outcome = |bytes: Bytes| code(&client.produce(9, "t", bytes));
    let miscounted = |bytes: &mut Vec<u8>| bytes[COUNT_AT + 3] = 9;
    let mut unsealed = plain.bytes().to_vec();
    miscounted(&mut unsealed);
    assert_eq!(outcome(unsealed.into()), ErrorCode::CorruptMessage, "the CRC comes before the counts");
    assert_eq!(outcome(edited(&plain, miscounted)), ErrorCode::InvalidRecord);
    let fewer = |bytes: &mut Vec<u8>| {
        bytes[COUNT_AT + 3] = 2;
        bytes[LAST_OFFSET_DELTA_AT + 3] = 1;
    };
    let more = |bytes: &mut Vec<u8>| {
        bytes[COUNT_AT + 3] = 4;
        bytes[LAST_OFFSET_DELTA_AT + 3] = 3;
    };
    for codec in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let batch = mk(codec, 0);
        assert_eq!(outcome(edited(&batch, fewer)), ErrorCode::InvalidRecord, "{codec:?}");
        assert_eq!(outcome(edited(&batch, more)), ErrorCode::InvalidRecord, "{codec:?}");
    }
    let first_length = |bytes: &mut Vec<u8>| bytes[RECORDS_AT] ^= 0x7e;
    assert_eq!(outcome(edited(&plain, first_length)), ErrorCode::InvalidRecord);
    assert_eq!(outcome(Bytes::new()), ErrorCode::InvalidRecord);
    let old = edited(&plain, |bytes| bytes[16] = 1);
    assert_eq!(outcome(old), ErrorCode::InvalidRecord);
    let unknown = edited(&plain, |bytes| bytes[16] = 9);
    assert_eq!(outcome(unknown), ErrorCode::CorruptMessage);
    let two = [plain.bytes().clone(), plain.bytes().clone()].concat();
    assert_eq!(outcome(two.clone().into()), ErrorCode::InvalidRecord);
    let cut = Bytes::from(two).slice(..plain.size_bytes() + 70);
    assert_eq!(outcome(cut), ErrorCode::None, "what is left of a second batch is ignored");
}
