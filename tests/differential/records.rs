//! Records: produced in good and bad batches, fetched from anywhere, deleted, and looked up by time and epoch.

use bytes::Bytes;
use milena_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_protocol::messages::describe_producers::TopicRequest;
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic};
use milena_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_protocol::messages::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use milena_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use milena_protocol::messages::{
    DeleteRecordsRequest, DescribeProducersRequest, FetchRequest, FetchResponse, InitProducerIdRequest,
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, ProduceRequest,
};
use milena_protocol::records::{BatchBuilder, Compression, NewRecord, batches};
use milena_protocol::{ProducerEpoch, ProducerId, Records, Timestamp};
use milena_tests::{Dice, frame};

use crate::START_MS;
use crate::lockstep::{Effect, Lockstep};
use crate::side::Side;
use crate::topics;

const SPAN_MS: i64 = 1_000;
/// Producer ids that the first producers of a broker get, and one that none has.
const PRODUCERS: &[i64] = &[0, 1, 2, 77_777];
/// Bytes of a batch's header that tests break: length, magic, crc, attributes, counts, timestamps, sequence.
const BROKEN_BYTES: &[usize] = &[8, 11, 16, 17, 22, 23, 26, 27, 34, 42, 50, 52, 56, 60, 61, 63, 70];

pub(crate) fn partition(dice: &mut Dice) -> i32 {
    dice.mostly(&[0, 0, 0, 1, 2], &[-1, 9, i32::MAX, i32::MIN])
}

/// One to three partitions, each once.
fn partitions(dice: &mut Dice) -> Vec<i32> {
    let mut partitions: Vec<i32> = (0..dice.of(&[1, 1, 2, 3])).map(|_| partition(dice)).collect();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
}

fn offset(dice: &mut Dice) -> i64 {
    match dice.below(10) {
        0 => dice.of(&[-1, -2, -3, i64::MAX, i64::MIN]),
        1..=4 => 0,
        _ => dice.between(0, 60),
    }
}

/// Produces a record set.
pub(crate) fn produce(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, side: &Side| ProduceRequest {
        transactional_id: None,
        acks: dice.mostly(&[-1, 1], &[2, -2]),
        timeout_ms: 30_000,
        topic_data: produced(dice, side),
    };
    lockstep.ask(dice, Effect::Writes, make, |side, response| {
        response
            .responses
            .sort_by_cached_key(|topic| (topic.name.clone(), side.common_name(&topic.topic_id.to_string())));
        for topic in &mut response.responses {
            topic.partition_responses.sort_by_key(|partition| (partition.index, partition.error_code));
            // We refuse a batch in words, and tell the start of a log more often.
            for refused in topic.partition_responses.iter_mut().filter(|partition| partition.base_offset < 0)
            {
                (refused.error_message, refused.log_start_offset) = (None, -1);
            }
        }
    });
}

/// Produces without an answer. The next answer on the connection shows what came of it: offsets, or that it ended.
pub(crate) fn produce_unanswered(lockstep: &mut Lockstep, dice: &mut Dice) {
    let version = lockstep.version::<ProduceRequest>(dice);
    for side in [&mut lockstep.theirs, &mut lockstep.ours] {
        let topic_data = produced(&mut dice.clone(), side);
        let request = ProduceRequest { transactional_id: None, acks: 0, timeout_ms: 30_000, topic_data };
        side.send(&frame::request_bytes(7, version, &request));
    }
    list_latest(lockstep, dice);
}

/// Asks where the partitions of all topics end.
fn list_latest(lockstep: &mut Lockstep, dice: &mut Dice) {
    let partition =
        |partition_index| ListOffsetsPartition { partition_index, current_leader_epoch: -1, timestamp: -1 };
    let topic =
        |name: &&str| ListOffsetsTopic { name: (*name).into(), partitions: (0..3).map(partition).collect() };
    let make = |_: &mut Dice, _: &Side| ListOffsetsRequest {
        replica_id: -1,
        isolation_level: 0,
        topics: topics::NAMES.iter().map(topic).collect(),
        timeout_ms: 30_000,
    };
    lockstep.ask(dice, Effect::Writes, make, tidy_listed);
}

/// One topic at a time: of a partition that is named twice Apache Kafka drops the first records.
fn produced(dice: &mut Dice, side: &Side) -> Vec<TopicProduceData> {
    let name = topics::name(dice);
    let mut partition_data: Vec<_> = (0..dice.of(&[1, 1, 2]))
        .map(|_| PartitionProduceData {
            index: partition(dice),
            records: record_set(dice).map(Records::Bytes),
        })
        .collect();
    partition_data.sort_by_key(|data| data.index);
    partition_data.dedup_by_key(|data| data.index);
    // Null records make Apache Kafka forget the other partitions too.
    if let Some(null) = partition_data.iter().position(|data| data.records.is_none()) {
        partition_data = vec![partition_data.swap_remove(null)];
    }
    vec![TopicProduceData { name: name.into(), topic_id: side.topic_id(name), partition_data }]
}

fn record_set(dice: &mut Dice) -> Option<Bytes> {
    match dice.below(40) {
        0 => None,
        1 => Some(Bytes::new()),
        2 => Some([batch(dice), batch(dice)].concat().into()),
        3 => Some(batch(dice).slice(..dice.of(&[1, 12, 17, 60, 61]))),
        4..=8 => Some(broken(dice)),
        _ => Some(batch(dice)),
    }
}

fn batch(dice: &mut Dice) -> Bytes {
    let compressions = [
        Compression::None,
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    let mut builder = BatchBuilder::default().compression(dice.of(&compressions));
    if dice.percent(30) {
        let (id, epoch) = (dice.of(PRODUCERS), dice.mostly(&[0], &[1, 2, -1]));
        let sequence = dice.mostly(&[0, 1, 2, 3, 4, 5, 6], &[-1, i32::MAX]);
        builder = builder.producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    }
    let records = dice.mostly(&[1, 1, 2, 3], &[0, 20]);
    for number in 0..records {
        let timestamp =
            Timestamp(dice.mostly(&[*START_MS + dice.clone().between(0, SPAN_MS)], &[-1, -2, *START_MS]));
        let key = format!("key {}", dice.below(4));
        let value = format!("value {number}").repeat(dice.of(&[0, 1, 20]));
        let header = ("header", dice.percent(50).then_some(&b"h"[..]));
        builder.push(NewRecord {
            timestamp,
            key: dice.percent(70).then_some(key.as_bytes()),
            value: dice.percent(80).then_some(value.as_bytes()),
            headers: if dice.percent(20) { std::slice::from_ref(&header) } else { &[] },
        });
    }
    builder.build().into_bytes()
}

/// A batch with one byte changed, its checksum made good again more often than not.
fn broken(dice: &mut Dice) -> Bytes {
    let mut bytes = batch(dice).to_vec();
    let at = dice.of(BROKEN_BYTES).min(bytes.len() - 1);
    bytes[at] = bytes[at].wrapping_add(dice.of(&[1, 2, 4, 8, 16, 32, 128, 255]));
    if dice.percent(70) {
        let crc = milena_protocol::records::crc_of(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes.into()
}

/// Fetches once, without a session.
pub(crate) fn fetch(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, side: &Side| FetchRequest {
        max_wait_ms: 0,
        min_bytes: dice.mostly(&[0, 1, 1000], &[-1, i32::MAX, i32::MIN]),
        max_bytes: dice.mostly(&[i32::MAX, 1 << 20], &[0, 1, 200, -1, i32::MIN]),
        isolation_level: dice.mostly(&[0, 1], &[2, -1]),
        session_epoch: dice.mostly(&[-1], &[0, 1]),
        session_id: dice.mostly(&[0], &[77]),
        topics: dice.several(2, |dice| {
            let name = topics::name(dice);
            let partitions = dice.several(3, fetched);
            FetchTopic { topic: name.into(), topic_id: side.topic_id(name), partitions }
        }),
        ..FetchRequest::default()
    };
    lockstep.ask(dice, Effect::Reads, make, tidy_fetched);
}

/// Brings an answer into an order, and its records into words.
pub(crate) fn tidy_fetched(side: &Side, response: &mut FetchResponse) {
    // Session ids are random.
    response.session_id = response.session_id.signum().abs();
    response
        .responses
        .sort_by_cached_key(|topic| (topic.topic.clone(), side.common_name(&topic.topic_id.to_string())));
    // In a session, what changed moves to the end, so a topic comes in pieces.
    response.responses.dedup_by(|later, topic| {
        let is_same = (&later.topic, later.topic_id) == (&topic.topic, topic.topic_id);
        if is_same {
            topic.partitions.append(&mut later.partitions);
        }
        is_same
    });
    for topic in &mut response.responses {
        topic.partitions.sort_by_key(|partition| (partition.partition_index, partition.error_code));
        for partition in &mut topic.partitions {
            partition.records = partition.records.take().map(|records| described(records).into());
            // Apache Kafka says null where a batch does not fit.
            let has_none = partition.aborted_transactions.as_ref().is_some_and(Vec::is_empty);
            partition.aborted_transactions.take_if(|_| has_none && partition.error_code == 0);
        }
    }
}

pub(crate) fn fetched(dice: &mut Dice) -> FetchPartition {
    FetchPartition {
        partition: partition(dice),
        current_leader_epoch: dice.mostly(&[-1, 0], &[1, i32::MAX, -2]),
        fetch_offset: offset(dice),
        last_fetched_epoch: dice.mostly(&[-1], &[0, 1, -2]),
        partition_max_bytes: dice.mostly(&[1 << 20, 300], &[0, 1, -1, i32::MAX, i32::MIN]),
        ..FetchPartition::default()
    }
}

/// Whole batches as text: headers, and records after decompression. Where a batch was cut off does not matter.
fn described(records: Records) -> Bytes {
    let mut text = String::new();
    for batch in batches(records.into_bytes().unwrap()).map_while(Result::ok) {
        let mut header = *batch.header();
        (header.crc, header.batch_length) = (0, 0);
        text.push_str(&format!("{header:?}"));
        for record in batch.records().unwrap() {
            text.push_str(&format!("{record:?}"));
        }
    }
    text.into()
}

/// Deletes records at the start of partitions.
pub(crate) fn delete(lockstep: &mut Lockstep, dice: &mut Dice) {
    let topic = |dice: &mut Dice, name: &str| DeleteRecordsTopic {
        name: name.into(),
        // Of a partition that is named twice Apache Kafka takes the last offset alone.
        partitions: partitions(dice)
            .into_iter()
            .map(|partition_index| {
                let offset = dice.mostly(&[0, 1, 2, 5], &[-1, -2, i64::MAX, i64::MIN]);
                DeleteRecordsPartition { partition_index, offset }
            })
            .collect(),
    };
    let make = |dice: &mut Dice, _: &Side| DeleteRecordsRequest {
        topics: topics::names(dice).into_iter().map(|name| topic(dice, name)).collect(),
        timeout_ms: 30_000,
    };
    lockstep.ask(dice, Effect::Writes, make, |_, response| {
        response.topics.sort_by(|a, b| a.name.cmp(&b.name));
        for topic in &mut response.topics {
            topic.partitions.sort_by_key(|partition| partition.partition_index);
        }
    });
}

/// Looks offsets up by time and by special timestamps.
pub(crate) fn list_offsets(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| ListOffsetsRequest {
        replica_id: -1,
        isolation_level: dice.mostly(&[0, 1], &[2, -1]),
        topics: topics::names(dice).into_iter().map(|name| listed(dice, name)).collect(),
        timeout_ms: 30_000,
    };
    lockstep.ask(dice, Effect::Reads, make, tidy_listed);
}

fn tidy_listed(_: &Side, response: &mut ListOffsetsResponse) {
    response.topics.sort_by(|a, b| a.name.cmp(&b.name));
    for topic in &mut response.topics {
        topic.partitions.sort_by_key(|partition| (partition.partition_index, partition.error_code));
    }
}

fn listed(dice: &mut Dice, name: &str) -> ListOffsetsTopic {
    let mut wanted = partitions(dice);
    if dice.percent(5) {
        wanted.push(wanted[0]);
    }
    let partition = |partition_index: i32| ListOffsetsPartition {
        partition_index,
        current_leader_epoch: dice.mostly(&[-1, 0], &[1, 7, -2]),
        timestamp: match dice.below(3) {
            0 => dice.mostly(&[-1, -2, -3, -4, -5], &[-6, -7, i64::MIN, i64::MAX]),
            _ => dice.mostly(&[*START_MS + dice.clone().between(-1, SPAN_MS)], &[0]),
        },
    };
    ListOffsetsTopic { name: name.into(), partitions: wanted.into_iter().map(partition).collect() }
}

/// Asks where leader epochs ended.
pub(crate) fn epochs(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| OffsetForLeaderEpochRequest {
        replica_id: dice.mostly(&[-1], &[-2]),
        topics: dice.several(2, |dice| OffsetForLeaderTopic {
            topic: topics::name(dice).into(),
            partitions: dice.several(3, |dice| OffsetForLeaderPartition {
                partition: partition(dice),
                current_leader_epoch: dice.mostly(&[-1, 0], &[1, -2, i32::MAX]),
                leader_epoch: dice.mostly(&[0], &[-2, -1, 1, i32::MAX]),
            }),
        }),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response.topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        for topic in &mut response.topics {
            topic.partitions.sort_by_key(|partition| (partition.partition, partition.error_code));
        }
    });
}

/// Asks for an id as a producer.
pub(crate) fn init_producer(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| InitProducerIdRequest {
        transactional_id: dice.percent(10).then(|| "".into()),
        transaction_timeout_ms: dice.mostly(&[60_000], &[0, -1, i32::MAX, i32::MIN]),
        producer_id: dice.mostly(&[-1], &[0, 5, -2, i64::MAX]),
        producer_epoch: dice.mostly(&[-1], &[0, 3, -2, i16::MAX]),
        ..InitProducerIdRequest::default()
    };
    lockstep.ask(dice, Effect::Writes, make, |_, _| {});
}

/// Describes the producers of partitions.
pub(crate) fn describe_producers(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DescribeProducersRequest {
        topics: dice.several(2, |dice| TopicRequest {
            name: topics::name(dice).into(),
            partition_indexes: dice.several(3, partition),
        }),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response.topics.sort_by(|a, b| a.name.cmp(&b.name));
        for topic in &mut response.topics {
            topic.partitions.sort_by_key(|partition| partition.partition_index);
            // What is named twice we answer once.
            topic.partitions.dedup_by_key(|partition| partition.partition_index);
            for partition in &mut topic.partitions {
                partition.active_producers.sort_by_key(|producer| producer.producer_id);
            }
        }
    });
}
