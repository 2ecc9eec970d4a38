//! What followers, consumers after a leader change, and operators' tools ask of a partition.

use milena_protocol::messages::create_topics::CreatableTopicConfig;
use milena_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use milena_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResult,
};
use milena_protocol::messages::describe_producers::{
    DescribeProducersRequest, PartitionResponse, TopicRequest,
};
use milena_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use milena_tests::Flavor;

use super::*;

impl Client {
    /// Error code, epoch and end offset.
    fn end_of_epoch(
        &mut self,
        version: i16,
        leader_epoch: i32,
        change: impl Fn(&mut OffsetForLeaderPartition),
    ) -> (ErrorCode, i32, i64) {
        let mut partition = OffsetForLeaderPartition { leader_epoch, ..OffsetForLeaderPartition::default() };
        change(&mut partition);
        let topic = OffsetForLeaderTopic { topic: TOPIC.into(), partitions: vec![partition] };
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] };
        let mut response = frame::exchange(&mut self.stream, version, &request).unwrap();
        let end = response.topics.remove(0).partitions.remove(0);
        (ErrorCode::from(end.error_code), end.leader_epoch, end.end_offset)
    }

    /// Error code and low watermark.
    fn delete_records(&mut self, version: i16, topic: &str, offset: i64) -> (ErrorCode, i64) {
        let partition = DeleteRecordsPartition { partition_index: 0, offset };
        let topic = DeleteRecordsTopic { name: topic.into(), partitions: vec![partition] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 };
        let mut response = frame::exchange(&mut self.stream, version, &request).unwrap();
        let deleted = response.topics.remove(0).partitions.remove(0);
        (ErrorCode::from(deleted.error_code), deleted.low_watermark)
    }

    fn log_dir(&mut self, version: i16, topics: Option<&[(&str, i32)]>) -> DescribeLogDirsResult {
        let topic = |(topic, index): &(&str, i32)| DescribableLogDirTopic {
            topic: (*topic).into(),
            partitions: vec![*index],
        };
        let request =
            DescribeLogDirsRequest { topics: topics.map(|topics| topics.iter().map(topic).collect()) };
        let mut response = frame::exchange(&mut self.stream, version, &request).unwrap();
        assert_eq!((response.error_code, response.results.len()), (0, 1));
        response.results.remove(0)
    }

    fn producers(&mut self, topic: &str, index: i32) -> PartitionResponse {
        let topic = TopicRequest { name: topic.into(), partition_indexes: vec![index] };
        let request = DescribeProducersRequest { topics: vec![topic] };
        let mut response = frame::exchange(&mut self.stream, 0, &request).unwrap();
        response.topics.remove(0).partitions.remove(0)
    }

    fn create_with_policy(&mut self, topic: &str, policy: &str) {
        let config = CreatableTopicConfig { name: "cleanup.policy".into(), value: Some(policy.into()) };
        let topic = CreatableTopic {
            name: topic.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: vec![config],
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let response = frame::exchange(&mut self.stream, 7, &request).unwrap();
        assert_eq!(response.topics[0].error_code, 0);
    }
}

/// Pitfall 9.
#[test]
fn leader_epochs_end_where_the_next_one_begins() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    let current = client.list(4, -1).leader_epoch;
    client.produce(&mk_batch(0, 5, Compression::None));
    for version in 2..=4 {
        let mut end = |epoch| client.end_of_epoch(version, epoch, |_| {});
        assert_eq!(end(current), (ErrorCode::None, current, 5), "version {version}");
        assert_eq!(end(current + 1), (ErrorCode::None, -1, -1));
        assert_eq!(end(-1), (ErrorCode::None, -1, -1));
        let mut believing =
            |epoch| client.end_of_epoch(version, current, |partition| partition.current_leader_epoch = epoch);
        assert_eq!(believing(current), (ErrorCode::None, current, 5));
        assert_eq!(believing(current + 1), (ErrorCode::UnknownLeaderEpoch, -1, -1));
        let elsewhere = client.end_of_epoch(version, current, |partition| partition.partition = 7);
        assert_eq!(elsewhere, (ErrorCode::UnknownTopicOrPartition, -1, -1));
    }
}

/// Pitfall 20.
#[test]
fn deleted_records_are_gone_for_good() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    for first in [0, 10, 20] {
        client.produce(&mk_batch(first, 10, Compression::None));
    }
    for (version, offset) in [(0, 3), (1, 4), (2, 5)] {
        assert_eq!(client.delete_records(version, TOPIC, offset), (ErrorCode::None, offset));
    }
    assert_eq!(client.delete_records(2, TOPIC, 2), (ErrorCode::None, 5), "the log start never moves back");
    assert_eq!(client.delete_records(2, TOPIC, 31), (ErrorCode::OffsetOutOfRange, -1));
    assert_eq!(client.delete_records(2, TOPIC, -2), (ErrorCode::OffsetOutOfRange, -1));
    assert_eq!(client.delete_records(2, "nothing", 0), (ErrorCode::UnknownTopicOrPartition, -1));
    assert_eq!(client.list(11, -2).offset, 5);
    let from =
        |offset| move |request: &mut FetchRequest| request.topics[0].partitions[0].fetch_offset = offset;
    let below = client.fetch(13, from(4));
    assert_eq!((code(&below), below.log_start_offset), (ErrorCode::OffsetOutOfRange, -1));
    assert_eq!(ranges(&client.fetch(13, from(5))), [(0, 9), (10, 19), (20, 29)]);
    if broker.flavor() == Flavor::Milena {
        broker.kill();
    } else {
        broker.stop();
    }
    broker.restart().unwrap();
    client.stream = frame::connect(&broker.bootstrap()).unwrap();
    assert_eq!(client.list(11, -2).offset, 5, "a restart brings nothing back");
    assert_eq!(client.delete_records(2, TOPIC, -1), (ErrorCode::None, 30));
    assert_eq!((client.list(11, -2).offset, client.list(11, -1).offset), (30, 30));
    client.produce(&mk_batch(30, 1, Compression::None));
    assert_eq!(ranges(&client.fetch(13, from(30))), [(30, 30)]);
}

#[test]
fn topic_created_again_starts_at_its_own_first_record() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    client.produce(&mk_batch(0, 10, Compression::None));
    assert_eq!(client.delete_records(2, TOPIC, 5), (ErrorCode::None, 5));
    let topic_names = vec![TOPIC.into()];
    let request = DeleteTopicsRequest { topic_names, timeout_ms: 30_000, ..Default::default() };
    let deleted = frame::exchange(&mut client.stream, 5, &request).unwrap();
    assert_eq!(deleted.responses[0].error_code, 0);
    client.create_topic();
    eventually("a leader", PATIENCE, || (client.list(4, -1).error_code == 0).then_some(()));
    client.produce(&mk_batch(0, 10, Compression::None));
    broker.kill();
    broker.restart().unwrap();
    client.stream = frame::connect(&broker.bootstrap()).unwrap();
    assert_eq!((client.list(11, -2).offset, client.list(11, -1).offset), (0, 10));
}

#[test]
fn only_topics_that_delete_let_records_be_deleted() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    client.create_with_policy("compacted", "compact");
    client.create_with_policy("both", "compact,delete");
    for (topic, answer) in [("compacted", (ErrorCode::PolicyViolation, -1)), ("both", (ErrorCode::None, 0))] {
        let answered = eventually("a leader", PATIENCE, || {
            let answered = client.delete_records(2, topic, -1);
            (answered.0 != ErrorCode::NotLeaderOrFollower).then_some(answered)
        });
        assert_eq!(answered, answer, "{topic}");
    }
}

#[test]
fn log_directory_says_how_much_is_in_it() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    client.create_with_policy("another", "delete");
    let batch = mk_batch(0, 10, Compression::None);
    client.produce(&batch);
    let size = i64::try_from(batch.size_bytes()).unwrap();
    for version in 1..=5 {
        let all = client.log_dir(version, None);
        assert_eq!((all.error_code, all.log_dir.as_ref()), (0, broker.data().to_str().unwrap()));
        let mut sizes: Vec<_> = all
            .topics
            .iter()
            .map(|topic| (topic.name.as_ref(), topic.partitions[0].partition_size))
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [("another", 0), (TOPIC, size)], "version {version}");
        let volume = (all.total_bytes, all.usable_bytes);
        assert!(if version < 4 { volume == (-1, -1) } else { volume.0 > volume.1 && volume.1 > 0 });
        let one = client.log_dir(version, Some(&[(TOPIC, 0), (TOPIC, 7), ("nothing", 0)]));
        assert_eq!(one.topics.len(), 1);
        let partition = &one.topics[0].partitions[0];
        assert_eq!(
            (partition.partition_size, partition.offset_lag, partition.is_future_key),
            (size, 0, false)
        );
        assert_eq!(client.log_dir(version, Some(&[])).topics, []);
    }
}

#[test]
fn idempotent_producers_of_a_partition_are_described() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::of_leader(&broker);
    assert_eq!(client.producers(TOPIC, 0), PartitionResponse::default());
    let id = client.producer_id();
    client.produce(&fill(BatchBuilder::default().producer(id, ProducerEpoch(3), 0), 0, 4));
    client.produce(&mk_batch(4, 1, Compression::None));
    let described = client.producers(TOPIC, 0);
    assert_eq!(described.active_producers.len(), 1, "a record without a producer id has no producer");
    let producer = &described.active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch), (id.0, 3));
    assert_eq!((producer.last_sequence, producer.last_timestamp), (3, START_MS + 3));
    assert_eq!((producer.coordinator_epoch, producer.current_txn_start_offset), (-1, -1));
    let refused = |partition: PartitionResponse| {
        (ErrorCode::from(partition.error_code), partition.error_message.is_some())
    };
    assert_eq!(refused(client.producers(TOPIC, 7)), (ErrorCode::UnknownTopicOrPartition, false));
    assert_eq!(refused(client.producers("nothing", 0)), (ErrorCode::UnknownTopicOrPartition, true));
    assert_eq!(refused(client.producers("no topic", 0)), (ErrorCode::InvalidTopicException, true));
}
