//! What followers, consumers after a leader change, and operators' tools ask of a partition.

use milena_protocol::messages::create_topics::CreatableTopicConfig;
use milena_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
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

#[test]
fn leader_epochs_end_where_the_next_one_begins() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
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

#[test]
fn deleted_records_are_gone_for_good() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
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
fn only_topics_that_delete_let_records_be_deleted() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create_with_policy("compacted", "compact");
    client.create_with_policy("both", "compact,delete");
    assert_eq!(client.delete_records(2, "compacted", 0), (ErrorCode::PolicyViolation, -1));
    assert_eq!(client.delete_records(2, "both", -1), (ErrorCode::None, 0));
}
