//! What clients trip over in the log: epochs, times, sequences, codecs, old formats. The list is `docs/pitfalls.md`.

use std::io::{Read as _, Write as _};

use bytes::{BufMut as _, Bytes, BytesMut};
use milena_protocol::messages::create_topics::CreatableTopicConfig;
use milena_protocol::messages::describe_producers::{DescribeProducersRequest, TopicRequest};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use milena_protocol::records::BatchHeader;
use milena_tests::Flavor;

use super::*;

impl Client {
    fn produced(&mut self, batch: &RecordBatch) -> (ErrorCode, i64) {
        let response = self.try_produce(13, -1, batch.bytes().clone());
        (ErrorCode::from(response.error_code), response.base_offset)
    }

    /// The error of a metadata request for this topic id.
    fn metadata_by_id(&mut self, topic_id: Uuid) -> ErrorCode {
        let topic = MetadataRequestTopic { topic_id, name: None };
        let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
        ErrorCode::from(frame::exchange(&mut self.stream, 12, &request).unwrap().topics[0].error_code)
    }

    /// Error and leader epoch of a fetch by somebody who believes in `epoch`.
    fn fetch_in(&mut self, epoch: i32) -> ErrorCode {
        code(&self.fetch(12, |request| request.topics[0].partitions[0].current_leader_epoch = epoch))
    }

    fn active_producers(&mut self) -> usize {
        let topic = TopicRequest { name: TOPIC.into(), partition_indexes: vec![0] };
        let request = DescribeProducersRequest { topics: vec![topic] };
        let response = frame::exchange(&mut self.stream, 0, &request).unwrap();
        response.topics[0].partitions[0].active_producers.len()
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
        let response = frame::exchange(&mut self.stream, 7, &request).unwrap();
        assert_eq!(response.topics[0].error_code, 0);
    }

    /// Sets a value of the topic.
    fn set(&mut self, key: &str, value: &str) {
        let config = AlterableConfig { name: key.into(), config_operation: 0, value: Some(value.into()) };
        let resource =
            AlterConfigsResource { resource_type: 2, resource_name: TOPIC.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let response = frame::exchange(&mut self.stream, 1, &request).unwrap();
        assert_eq!(response.responses[0].error_code, 0);
    }

    /// Produces to partition 0 of another topic.
    fn produce_to(&mut self, name: &str, records: Bytes) -> ErrorCode {
        let partition = PartitionProduceData { index: 0, records: Some(Records::Bytes(records)) };
        let topic =
            TopicProduceData { name: name.into(), partition_data: vec![partition], ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        eventually("a leader", PATIENCE, || {
            let response = frame::exchange(&mut self.stream, 9, &request).unwrap();
            let code = ErrorCode::from(response.responses[0].partition_responses[0].error_code);
            (!matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition))
                .then_some(code)
        })
    }
}

/// Pitfall 7: the id of a deleted topic is unknown, for good, also when its name lives again.
#[test]
fn id_of_a_deleted_topic_stays_unknown() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    let old = client.topic_id;
    let request =
        DeleteTopicsRequest { topic_names: vec![TOPIC.into()], timeout_ms: 30_000, ..Default::default() };
    assert_eq!(frame::exchange(&mut client.stream, 5, &request).unwrap().responses[0].error_code, 0);
    client.create_topic();
    client.await_leader();
    assert_eq!(client.metadata_by_id(client.topic_id), ErrorCode::None);
    assert_eq!(client.metadata_by_id(old), ErrorCode::UnknownTopicId);
    let new = std::mem::replace(&mut client.topic_id, old);
    let batch = mk_batch(0, 1, Compression::None);
    assert_eq!(client.produced(&batch), (ErrorCode::UnknownTopicId, -1));
    for version in 13..=18 {
        assert_eq!(code(&client.fetch(version, |_| {})), ErrorCode::UnknownTopicId);
    }
    client.topic_id = new;
    assert_eq!(client.produced(&batch), (ErrorCode::None, 0));
}

/// Pitfalls 9 and 10: a new term of leadership is a new epoch, told alike by each API that tells it, and a client of
/// an older or newer one hears which it is before anything is read.
#[test]
fn leader_epoch_grows_with_each_term_and_is_checked_first() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    client.produce(&mk_batch(0, 1, Compression::None));
    let mut epochs = vec![client.list(4, -1).leader_epoch];
    for _ in 0..2 {
        broker.kill();
        broker.restart().unwrap();
        client.stream = frame::connect(&broker.bootstrap()).unwrap();
        client.await_leader();
        let epoch = client.list(4, -1).leader_epoch;
        let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let metadata = frame::exchange(&mut client.stream, 12, &request).unwrap();
        assert_eq!(metadata.topics[0].partitions[0].leader_epoch, epoch);
        assert_eq!(client.fetch_in(epoch), ErrorCode::None);
        assert_eq!(client.fetch_in(epoch - 1), ErrorCode::FencedLeaderEpoch);
        assert_eq!(client.fetch_in(epoch + 1), ErrorCode::UnknownLeaderEpoch);
        let data = client.fetch(12, |request| {
            request.topics[0].partitions[0].current_leader_epoch = epoch - 1;
            request.topics[0].partitions[0].fetch_offset = 99;
        });
        assert_eq!(code(&data), ErrorCode::FencedLeaderEpoch, "before the offset is looked at");
        client.produce(&mk_batch(0, 1, Compression::None));
        let records = client.fetch(12, |_| {}).records.unwrap().into_bytes().unwrap();
        let last = batches(records).map(Result::unwrap).last().unwrap();
        assert_eq!(last.header().leader_epoch.0, epoch, "the batch carries the epoch");
        epochs.push(epoch);
    }
    assert!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");
}

/// Pitfall 12: an answer with an error has an empty set of records, not a null one, at every version, in its bytes.
#[test]
fn records_of_an_error_are_empty_not_null() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    for version in 4..=18 {
        let data = client.fetch(version, |request| request.topics[0].partitions[0].fetch_offset = 99);
        assert_eq!(code(&data), ErrorCode::OffsetOutOfRange, "version {version}");
        assert!(data.records.is_some_and(|records| records.is_empty()), "version {version}");
        let data = client.fetch(version, |request| request.topics[0].partitions[0].partition = 7);
        assert_eq!(code(&data), ErrorCode::UnknownTopicOrPartition, "version {version}");
        assert!(data.records.is_some_and(|records| records.is_empty()), "version {version}");
    }
}

/// Pitfall 15: compaction leaves offsets as they are and a producer's last batch, be it empty; whoever follows the batches
/// from any offset arrives at the end.
#[test]
fn readers_of_a_compacted_log_arrive_at_its_end() {
    let settings = [("log.cleaner.backoff.ms", "50"), ("log.cleaner.min.cleanable.ratio", "0.01")];
    let broker = TestBroker::start_with(Flavor::wanted(), &settings).unwrap();
    let mut client = Client::of_leader(&broker);
    let configs =
        [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.01")];
    for (key, value) in configs {
        client.set(key, value);
    }
    let id = client.producer_id();
    let keyed = |mut builder: BatchBuilder, second: i64| {
        for value in [b"one", b"two"] {
            let timestamp = Timestamp(START_MS + second * 60_000);
            let (key, value) = (Some(&b"truck"[..]), Some(&value[..]));
            builder.push(NewRecord { timestamp, key, value, ..NewRecord::default() });
        }
        builder.build()
    };
    client.produce(&keyed(BatchBuilder::default(), 0));
    client.produce(&keyed(BatchBuilder::default().producer(id, ProducerEpoch(0), 0), 1));
    client.produce(&keyed(BatchBuilder::default(), 2));
    client.produce(&keyed(BatchBuilder::default(), 3));
    let from =
        |offset| move |request: &mut FetchRequest| request.topics[0].partitions[0].fetch_offset = offset;
    let empty = eventually("an empty batch", PATIENCE, || {
        let records = client.fetch(12, from(0)).records.unwrap().into_bytes().unwrap();
        batches(records).map(Result::unwrap).find(|batch| batch.header().count == 0)
    });
    let header = empty.header();
    assert_eq!((header.base_offset.0, header.last_offset().0), (2, 3), "its offsets are its own");
    assert_eq!((header.producer_id, header.base_sequence), (id, 0), "the producer is known by it");
    for start in 0..8 {
        let mut position = start;
        while position < 8 {
            let data = client.fetch(12, from(position));
            assert_eq!((code(&data), data.high_watermark), (ErrorCode::None, 8));
            let (_, last) = *ranges(&data).last().expect("a batch before the end");
            assert!(last >= position, "{position} leads back to {last}");
            position = last + 1;
        }
        assert_eq!(position, 8);
    }
}

/// Pitfall 19: the first record at or after a time, exact to the record, also where times are not in order.
#[test]
fn times_are_found_to_the_record_even_out_of_order() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    for compression in [Compression::None, Compression::Gzip] {
        let mut builder = BatchBuilder::default().compression(compression);
        for timestamp in [10, 50, 30, 20, 60] {
            let value = Some(&b"position"[..]);
            builder.push(NewRecord { timestamp: Timestamp(timestamp), value, ..NewRecord::default() });
        }
        client.produce(&builder.build());
    }
    for version in 1..=11 {
        let mut offset = |timestamp| {
            let found = client.list(version, timestamp);
            (found.timestamp, found.offset)
        };
        assert_eq!(offset(10), (10, 0), "a time is its own first");
        assert_eq!(offset(11), (50, 1));
        assert_eq!(offset(50), (50, 1));
        assert_eq!(offset(51), (60, 4));
        assert_eq!(offset(61), (-1, -1), "no match is -1 twice");
    }
    let found = client.list(7, -3);
    assert_eq!((found.timestamp, found.offset), (60, 4), "the first of the latest");
}

/// Pitfall 22: the last five batches of a producer are known; a retry of one has its first offset, what is older or
/// ahead is out of order.
#[test]
fn five_batches_of_a_producer_are_remembered() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    let id = client.producer_id();
    // Apache Kafka forgets producers whose records are old when it starts.
    let timestamp = Timestamp(now_ms());
    let batch = |sequence| {
        let mut builder = BatchBuilder::default().producer(id, ProducerEpoch(0), sequence);
        for value in [b"one", b"two"] {
            builder.push(NewRecord { timestamp, value: Some(value), ..NewRecord::default() });
        }
        builder.build()
    };
    for sequence in [0, 2, 4, 6, 8, 10] {
        assert_eq!(client.produced(&batch(sequence)), (ErrorCode::None, i64::from(sequence)));
    }
    let check = |client: &mut Client, remembered: &[i32]| {
        for sequence in remembered {
            assert_eq!(client.produced(&batch(*sequence)), (ErrorCode::None, i64::from(*sequence)));
        }
        assert_eq!(client.produced(&batch(0)), (ErrorCode::OutOfOrderSequenceNumber, -1));
        assert_eq!(client.produced(&batch(14)), (ErrorCode::OutOfOrderSequenceNumber, -1));
        assert_eq!(client.fetch(13, |_| {}).high_watermark, 12);
    };
    check(&mut client, &[2, 4, 6, 8, 10]);
    broker.kill();
    broker.restart().unwrap();
    client.stream = frame::connect(&broker.bootstrap()).unwrap();
    client.await_leader();
    // Apache Kafka has a snapshot by then, which holds one batch of each.
    check(&mut client, if broker.flavor() == Flavor::Kafka { &[10] } else { &[2, 4, 6, 8, 10] });
    assert_eq!(client.produced(&batch(12)), (ErrorCode::None, 12));
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Pitfall 23: the state of an idle producer expires, by the broker's clock where records carry no time, and its next
/// batch is accepted at any sequence.
#[test]
fn idle_producer_goes_on_after_its_state_expired() {
    let settings =
        [("producer.id.expiration.ms", "1000"), ("producer.id.expiration.check.interval.ms", "200")];
    let broker = TestBroker::start_with(Flavor::wanted(), &settings).unwrap();
    let mut client = Client::of_leader(&broker);
    let id = client.producer_id();
    let batch = |sequence| {
        let mut builder = BatchBuilder::default().producer(id, ProducerEpoch(0), sequence);
        builder.push(NewRecord { timestamp: Timestamp(-1), value: Some(b"a"), ..NewRecord::default() });
        builder.build()
    };
    assert_eq!(client.produced(&batch(0)), (ErrorCode::None, 0));
    assert_eq!(client.produced(&batch(1)), (ErrorCode::None, 1), "no time is not an old time");
    eventually("the end of the producer's state", PATIENCE, || {
        (client.active_producers() == 0).then_some(())
    });
    assert_eq!(client.produced(&batch(17)), (ErrorCode::None, 2));
}

/// Pitfall 38: a record without a key is refused where logs are compacted, a large batch where the topic says so.
#[test]
fn topics_refuse_what_their_configuration_forbids() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create("compacted", &[("cleanup.policy", "compact")]);
    client.create("small", &[("max.message.bytes", "200")]);
    let with = |key: Option<&[u8]>, compression, bytes: usize| {
        let mut builder = BatchBuilder::default().compression(compression);
        builder.push(NewRecord { key, value: Some(&vec![7; bytes]), ..NewRecord::default() });
        builder.build().into_bytes()
    };
    for compression in [Compression::None, Compression::Zstd] {
        let without_key = with(None, compression, 1);
        assert_eq!(client.produce_to("compacted", without_key), ErrorCode::InvalidRecord);
        assert_eq!(client.produce_to("compacted", with(Some(b"k"), compression, 1)), ErrorCode::None);
    }
    assert_eq!(client.produce_to("small", with(None, Compression::None, 100)), ErrorCode::None);
    assert_eq!(client.produce_to("small", with(None, Compression::None, 200)), ErrorCode::MessageTooLarge);
    let compressed = with(None, Compression::Gzip, 1000);
    assert_eq!(client.produce_to("small", compressed), ErrorCode::None, "what is sent counts");
}

/// Pitfall 42: what a producer compressed comes back byte for byte, in its own framing of snappy too.
#[test]
fn batches_come_back_as_they_were_compressed() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    let mut sent: Vec<_> =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
            .map(|compression| mk_batch(0, 20, compression))
            .into();
    sent.push(raw_snappy(&mk_batch(0, 20, Compression::None)));
    for batch in &sent {
        client.produce(batch);
    }
    let fetched = client.fetch(12, |_| {}).records.unwrap().into_bytes().unwrap();
    let fetched: Vec<_> = batches(fetched).map(Result::unwrap).collect();
    assert_eq!(fetched.len(), sent.len());
    for (sent, fetched) in sent.iter().zip(&fetched) {
        let BatchHeader { base_offset, leader_epoch, .. } = *fetched.header();
        assert_eq!(sent.stamped(base_offset, leader_epoch).bytes(), fetched.bytes());
        assert_eq!(fetched.records().unwrap().map(Result::unwrap).count(), 20);
    }
}

/// A batch's records as an LZ4 frame of stored blocks, with the flags of the frame and the checksum of its header.
fn lz4_frame(payload: &[u8], flags: u8, checksum: u8) -> Vec<u8> {
    const STORED: u32 = 1 << 31;
    const LARGEST_BLOCK_64_KIB: u8 = 0x40;
    let length = u32::try_from(payload.len()).unwrap() | STORED;
    let header = [4, 0x22, 0x4d, 0x18, flags, LARGEST_BLOCK_64_KIB, checksum];
    [&header[..], &length.to_le_bytes(), payload, &[0; 4]].concat()
}

/// Pitfall 42: LZ4 frames whose blocks depend on each other are refused, for the Java client cannot read them.
#[test]
fn lz4_that_the_java_client_cannot_read_is_refused() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    let plain = mk_batch(0, 20, Compression::None);
    let independent = lz4_frame(&plain.payload(), 0x60, 0x82);
    assert_eq!(client.produced(&with_block(&plain, Compression::Lz4, &independent)), (ErrorCode::None, 0));
    let dependent = lz4_frame(&plain.payload(), 0x40, 0xc0);
    let refused = client.produced(&with_block(&plain, Compression::Lz4, &dependent));
    // Apache Kafka refuses it by accident.
    let kafka = broker.flavor() == Flavor::Kafka;
    assert_eq!(refused.0, if kafka { ErrorCode::UnknownServerError } else { ErrorCode::CorruptMessage });
    assert_eq!(client.fetch(13, |_| {}).high_watermark, 20);
}

/// The batch with its records as one raw block of snappy, as librdkafka and others without snappy-java write it. The
/// block is a literal: what matters is that nothing frames it.
fn raw_snappy(plain: &RecordBatch) -> RecordBatch {
    let payload = plain.payload();
    let length = u16::try_from(payload.len()).unwrap();
    let mut block = BytesMut::new();
    block.put_slice(&[(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
    block.put_u8(61 << 2);
    block.put_u16_le(length - 1);
    block.put_slice(&payload);
    with_block(plain, Compression::Snappy, &block)
}

/// The batch with another block of records, said to be compressed.
fn with_block(plain: &RecordBatch, codec: Compression, block: &[u8]) -> RecordBatch {
    const BLOCK_AT: usize = 61;
    let mut bytes = [&plain.bytes()[..BLOCK_AT], block].concat();
    let size = u32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&size.to_be_bytes());
    bytes[21..23].copy_from_slice(&(codec as i16).to_be_bytes());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[21..]);
    bytes[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
    RecordBatch::take(&mut bytes.into()).unwrap()
}

/// Pitfall 46: formats before batches are refused, with a code, and the connection goes on.
#[test]
fn messages_of_old_formats_are_refused() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    for magic in 0..=1 {
        let mut message = BytesMut::new();
        message.put_u8(magic);
        message.put_u8(0);
        if magic == 1 {
            message.put_i64(START_MS);
        }
        message.put_i32(-1);
        message.put_i32(3);
        message.put_slice(b"old");
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &message);
        let mut set = BytesMut::new();
        set.put_i64(0);
        set.put_i32(i32::try_from(message.len() + 4).unwrap());
        set.put_u32(u32::try_from(crc).unwrap());
        set.put_slice(&message);
        for version in 3..=13 {
            let response = client.try_produce(version, -1, set.clone().freeze());
            assert_eq!(ErrorCode::from(response.error_code), ErrorCode::InvalidRecord, "{magic} {version}");
        }
    }
    assert_eq!(client.produced(&mk_batch(0, 1, Compression::None)), (ErrorCode::None, 0));
}

/// Pitfall 45: answers leave in the order of the requests, with many batches in flight; `acks=0` has no answer, and
/// its error closes the connection.
#[test]
fn answers_keep_the_order_of_requests() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    let produce = |acks, index| {
        let records = Some(Records::Bytes(mk_batch(0, 1, Compression::None).into_bytes()));
        let partition = PartitionProduceData { index, records };
        let topic =
            TopicProduceData { name: TOPIC.into(), partition_data: vec![partition], ..Default::default() };
        ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
    };
    let waiting = FetchRequest { max_wait_ms: 300, min_bytes: 1, ..FetchRequest::default() };
    let metadata = MetadataRequest { topics: Some(vec![]), ..MetadataRequest::default() };
    let mut pipelined = frame::request_bytes(100, 12, &waiting).to_vec();
    for id in 101..120 {
        pipelined.extend(frame::request_bytes(id, 9, &produce(if id % 2 == 0 { -1 } else { 0 }, 0)));
    }
    pipelined.extend(frame::request_bytes(120, 12, &metadata));
    client.stream.write_all(&pipelined).unwrap();
    let expected: Vec<i32> = (100..=120).filter(|id| id % 2 == 0).collect();
    let mut base_offsets = Vec::new();
    for id in &expected {
        let answer = frame::read_frame(&mut client.stream).unwrap();
        assert_eq!(answer[..4], id.to_be_bytes());
        if (101..120).contains(id) {
            let response = milena_protocol::frames::decode_response::<ProduceRequest>(answer, 9).unwrap();
            base_offsets.push(response.responses[0].partition_responses[0].base_offset);
        }
    }
    assert_eq!(base_offsets, [1, 3, 5, 7, 9, 11, 13, 15, 17]);
    client.stream.write_all(&frame::request_bytes(121, 9, &produce(0, 7))).unwrap();
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "closed without an answer");
}
