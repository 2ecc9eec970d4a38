//! What followers, consumers after a leader change, and operators' tools ask of a partition.

use milena_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

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
