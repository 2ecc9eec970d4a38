//! Classic groups as a client meets them that knows every field: all versions, refusals, rebalances, static members,
//! offsets, and what remains when the coordinator is killed. Runs against Apache Kafka too (`MILENA_TEST_BROKER=kafka`).

use std::io::Write as _;
use std::net::TcpStream;

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::messages::client_data::consumer_protocol_subscription::ConsumerProtocolSubscription;
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::delete_groups::DeleteGroupsRequest;
use milena_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use milena_protocol::messages::find_coordinator::FindCoordinatorRequest;
use milena_protocol::messages::heartbeat::HeartbeatRequest;
use milena_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use milena_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use milena_protocol::messages::list_groups::ListGroupsRequest;
use milena_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use milena_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use milena_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_protocol::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};
use milena_protocol::{ErrorCode, Message as _, Request, Uuid, frames};
use milena_tests::{TestBroker, eventually, frame, java};

use crate::PATIENCE;

mod pitfalls;

const GROUP: &str = "trucks";
const TOPIC: &str = "truck_gps";

/// A connection of a member, and who it is there.
struct Member {
    stream: TcpStream,
    id: ByteString,
    instance: Option<ByteString>,
    generation: i32,
}

impl Member {
    fn new(broker: &TestBroker) -> Self {
        let stream = frame::connect(&broker.bootstrap()).unwrap();
        Self { stream, id: ByteString::new(), instance: None, generation: -1 }
    }

    fn named(broker: &TestBroker, instance: &'static str) -> Self {
        Self { instance: Some(instance.into()), ..Self::new(broker) }
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        frame::exchange(&mut self.stream, version, request).unwrap()
    }

    fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.stream.write_all(&frame::request_bytes(7, version, request)).unwrap();
    }

    fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        frames::decode_response::<R>(frame::read_frame(&mut self.stream).unwrap(), version).unwrap()
    }

    fn join_request(&self) -> JoinGroupRequest {
        let metadata = ConsumerProtocolSubscription { topics: vec![TOPIC.into()], ..Default::default() };
        let protocol =
            JoinGroupRequestProtocol { name: "range".into(), metadata: metadata.to_versioned_bytes(0) };
        JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 60_000,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        }
    }

    /// Sends a JoinGroup that will be parked, after the round trip for the id.
    fn begin_join(&mut self, version: i16) {
        if self.id.is_empty() && version >= 4 && self.instance.is_none() {
            let response = self.call(version, &self.join_request());
            assert_eq!(error(response.error_code), ErrorCode::MemberIdRequired);
            self.id = response.member_id;
        }
        self.send(version, &self.join_request());
    }

    fn end_join(&mut self, version: i16) -> JoinGroupResponse {
        let response = self.receive::<JoinGroupRequest>(version);
        assert_eq!(error(response.error_code), ErrorCode::None);
        self.id = response.member_id.clone();
        self.generation = response.generation_id;
        response
    }

    fn join(&mut self, version: i16) -> JoinGroupResponse {
        self.begin_join(version);
        self.end_join(version)
    }

    fn sync_request(&self, version: i16, shares: &[(&ByteString, &'static str)]) -> SyncGroupRequest {
        let assignment = |(member, share): &(&ByteString, &'static str)| SyncGroupRequestAssignment {
            member_id: (*member).clone(),
            assignment: Bytes::from_static(share.as_bytes()),
        };
        SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: (version >= 5).then(|| "consumer".into()),
            protocol_name: (version >= 5).then(|| "range".into()),
            assignments: shares.iter().map(assignment).collect(),
        }
    }

    fn sync(&mut self, version: i16, shares: &[(&ByteString, &'static str)]) -> SyncGroupResponse {
        let request = self.sync_request(version, shares);
        self.call(version, &request)
    }

    fn heartbeat(&mut self) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
        };
        error(self.call(3, &request).error_code)
    }

    fn leave(&mut self, version: i16) -> ErrorCode {
        let member = MemberIdentity {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            reason: None,
        };
        let request =
            LeaveGroupRequest { group_id: GROUP.into(), member_id: self.id.clone(), members: vec![member] };
        let response = self.call(version, &request);
        error(response.members.first().map_or(response.error_code, |member| member.error_code))
    }

    fn commit(&mut self, version: i16, topic_id: Uuid, offset: i64, metadata: Option<&str>) -> ErrorCode {
        let partition = OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_leader_epoch: 0,
            committed_metadata: metadata.map(ByteString::from),
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic { name: TOPIC.into(), topic_id, partitions: vec![partition] };
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone().filter(|_| version >= 7),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let mut response = self.call(version, &request);
        error(response.topics.remove(0).partitions.remove(0).error_code)
    }

    /// Offset and metadata of the first partition.
    fn committed(&mut self, version: i16, topic_id: Uuid) -> (i64, Option<String>) {
        let topics = OffsetFetchRequestTopics { name: TOPIC.into(), topic_id, partition_indexes: vec![0] };
        let topic = OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![0] };
        let group = OffsetFetchRequestGroup {
            group_id: GROUP.into(),
            topics: Some(vec![topics]),
            ..OffsetFetchRequestGroup::default()
        };
        let request = OffsetFetchRequest {
            group_id: GROUP.into(),
            topics: Some(vec![topic]),
            groups: vec![group],
            require_stable: false,
        };
        let mut response = self.call(version, &request);
        let text = |metadata: Option<ByteString>| metadata.map(|text| text.to_string());
        if version >= 8 {
            let found = response.groups.remove(0).topics.remove(0).partitions.remove(0);
            return (found.committed_offset, text(found.metadata));
        }
        let found = response.topics.remove(0).partitions.remove(0);
        (found.committed_offset, text(found.metadata))
    }

    /// What became of the partitions of each topic that is named by itself, or of all.
    fn delete_offsets(
        &mut self,
        group: &'static str,
        partitions: &[(&'static str, i32)],
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let topic = |(name, partition_index): &(&'static str, i32)| OffsetDeleteRequestTopic {
            name: (*name).into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: *partition_index }],
        };
        let topics = partitions.iter().map(topic).collect();
        let response = self.call(0, &OffsetDeleteRequest { group_id: group.into(), topics });
        let mut topics = response.topics;
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        let partitions = topics.into_iter().flat_map(|topic| topic.partitions);
        match error(response.error_code) {
            ErrorCode::None => Ok(partitions.map(|partition| error(partition.error_code)).collect()),
            error => Err(error),
        }
    }

    fn describe(&mut self, version: i16) -> DescribedGroup {
        let request = DescribeGroupsRequest { groups: vec![GROUP.into()], ..Default::default() };
        self.call(version, &request).groups.remove(0)
    }
}

fn error(code: i16) -> ErrorCode {
    ErrorCode::from(code)
}

/// A broker with the topic and with a coordinator for every group; yields the topic's id.
fn start() -> (TestBroker, Uuid) {
    let broker = TestBroker::start().unwrap();
    let mut client = Member::new(&broker);
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    let topic_id = client.call(7, &request).topics[0].topic_id;
    await_coordinator(&broker);
    (broker, topic_id)
}

fn await_coordinator(broker: &TestBroker) {
    eventually("a coordinator that serves", PATIENCE, || {
        let mut client = Member::new(broker);
        let request = FindCoordinatorRequest {
            coordinator_keys: vec![GROUP.into()],
            ..FindCoordinatorRequest::default()
        };
        let found = client.call(4, &request).coordinators[0].error_code == 0;
        let serves = found && error(client.describe(5).error_code) == ErrorCode::None;
        serves.then_some(())
    });
}

#[test]
fn every_version_of_the_group_apis_takes_a_member_through_its_life() {
    let (broker, _) = start();
    for version in 0..=9 {
        let mut member = Member::new(&broker);
        let joined = member.join(version);
        assert_eq!((&joined.leader, joined.members.len()), (&member.id, 1), "version {version}");
        assert_eq!(joined.protocol_name, Some("range".into()));
        let sync_version = version.min(5);
        let id = member.id.clone();
        let synced = member.sync(sync_version, &[(&id, "all")]);
        assert_eq!(
            (error(synced.error_code), synced.assignment.as_ref()),
            (ErrorCode::None, b"all".as_ref())
        );
        assert_eq!(synced.protocol_name, (version >= 5).then(|| "range".into()));
        assert_eq!(member.heartbeat(), ErrorCode::None);
        for describe_version in 0..=6 {
            let group = member.describe(describe_version);
            assert_eq!((group.group_state.as_ref(), group.protocol_data.as_ref()), ("Stable", "range"));
            assert_eq!(group.members[0].member_assignment.as_ref(), b"all");
            assert!(group.members[0].client_host.starts_with('/'), "{}", group.members[0].client_host);
        }
        assert_eq!(member.leave(version.min(5)), ErrorCode::None);
        assert_eq!(member.heartbeat(), ErrorCode::UnknownMemberId);
        assert_eq!(member.describe(5).group_state, "Empty");
    }
    let mut client = Member::new(&broker);
    let request =
        ListGroupsRequest { states_filter: vec!["empty".into()], types_filter: vec!["Classic".into()] };
    let listed = client.call(5, &request).groups;
    assert_eq!((listed[0].group_id.as_ref(), listed[0].group_type.as_ref()), (GROUP, "classic"));
    let delete = DeleteGroupsRequest { groups_names: vec![GROUP.into()] };
    assert_eq!(error(client.call(2, &delete).results[0].error_code), ErrorCode::None);
    assert_eq!(error(client.call(2, &delete).results[0].error_code), ErrorCode::GroupIdNotFound);
    assert_eq!(client.describe(5).group_state, "Dead");
    assert_eq!(error(client.describe(6).error_code), ErrorCode::GroupIdNotFound);
}

/// Pitfall 32.
#[test]
fn second_member_shares_and_takes_over_what_the_first_leaves() {
    let (broker, topic_id) = start();
    let (mut first, mut second) = (Member::new(&broker), Member::new(&broker));
    first.join(9);
    let first_id = first.id.clone();
    first.sync(5, &[(&first_id, "both")]);
    second.begin_join(9);
    eventually("the rebalance", PATIENCE, || {
        (first.heartbeat() == ErrorCode::RebalanceInProgress).then_some(())
    });
    assert_eq!(first.commit(9, topic_id, 5, None), ErrorCode::None, "the old generation may still commit");
    let joined = first.join(9);
    assert_eq!(second.end_join(9).generation_id, joined.generation_id);
    assert_eq!(joined.members.len(), 2, "the leader stays");
    assert_eq!(first.commit(9, topic_id, 6, None), ErrorCode::RebalanceInProgress);
    let request = second.sync_request(5, &[]);
    second.send(5, &request);
    let second_id = second.id.clone();
    assert_eq!(first.sync(5, &[(&first_id, "one"), (&second_id, "other")]).assignment.as_ref(), b"one");
    assert_eq!(second.receive::<SyncGroupRequest>(5).assignment.as_ref(), b"other");

    assert_eq!(first.leave(5), ErrorCode::None);
    assert_eq!(second.heartbeat(), ErrorCode::RebalanceInProgress);
    assert_eq!(second.join(9).leader, second.id);
    assert_eq!(second.sync(5, &[(&second_id, "both")]).assignment.as_ref(), b"both");
}

#[test]
fn static_member_comes_back_without_a_rebalance_and_fences_its_double() {
    let (broker, topic_id) = start();
    let mut old = Member::named(&broker, "truck-1");
    old.join(9);
    let id = old.id.clone();
    old.sync(5, &[(&id, "all")]);
    let mut new = Member::named(&broker, "truck-1");
    let joined = new.join(9);
    assert_eq!((joined.generation_id, joined.skip_assignment), (old.generation, true));
    assert_eq!(new.sync(5, &[]).assignment.as_ref(), b"all");
    assert_eq!(new.heartbeat(), ErrorCode::None);
    assert_eq!(old.heartbeat(), ErrorCode::FencedInstanceId);
    assert_eq!(old.commit(9, topic_id, 1, None), ErrorCode::FencedInstanceId);
    assert_eq!(error(old.sync(5, &[]).error_code), ErrorCode::FencedInstanceId);
    assert_eq!(old.leave(5), ErrorCode::FencedInstanceId);
    let mut administrator = Member { id: ByteString::new(), ..Member::named(&broker, "truck-1") };
    assert_eq!(administrator.leave(3), ErrorCode::None);
    assert_eq!(new.heartbeat(), ErrorCode::UnknownMemberId);
}

/// Pitfall 35.
#[test]
fn offsets_and_their_metadata_read_back_in_every_version() {
    let (broker, topic_id) = start();
    let mut client = Member::new(&broker);
    for version in 2..=10 {
        for metadata in [None, Some(""), Some("checkpoint")] {
            assert_eq!(client.commit(version, topic_id, i64::from(version), metadata), ErrorCode::None);
            for fetch_version in 1..=10 {
                let expected = (i64::from(version), Some(metadata.unwrap_or_default().to_owned()));
                assert_eq!(client.committed(fetch_version, topic_id), expected, "version {fetch_version}");
            }
        }
        let long = "x".repeat(4097);
        assert_eq!(client.commit(version, topic_id, 1, Some(&long)), ErrorCode::OffsetMetadataTooLarge);
    }
    assert_eq!(client.commit(10, Uuid::from_u128(9), 1, None), ErrorCode::UnknownTopicId);
}

#[test]
fn offsets_are_deleted_unless_members_need_them() {
    let (mut broker, topic_id) = start();
    let mut member = Member::new(&broker);
    let (mine, absent) = ((TOPIC, 0), ("absent", 0));
    assert_eq!(member.delete_offsets("", &[mine]), Err(ErrorCode::InvalidGroupId));
    assert_eq!(member.delete_offsets(GROUP, &[mine]), Err(ErrorCode::GroupIdNotFound));
    member.join(9);
    let id = member.id.clone();
    member.sync(5, &[(&id, "all")]);
    assert_eq!(member.commit(9, topic_id, 42, None), ErrorCode::None);
    let errors = [ErrorCode::UnknownTopicOrPartition, ErrorCode::GroupSubscribedToTopic];
    assert_eq!(member.delete_offsets(GROUP, &[mine, absent]), Ok(errors.to_vec()));
    assert_eq!(member.committed(9, topic_id).0, 42);
    assert_eq!(member.leave(5), ErrorCode::None);
    assert_eq!(member.delete_offsets(GROUP, &[(TOPIC, 7)]), Ok(vec![ErrorCode::UnknownTopicOrPartition]));
    assert_eq!(member.delete_offsets(GROUP, &[mine]), Ok(vec![ErrorCode::None]));
    assert_eq!(member.committed(9, topic_id).0, -1);
    assert_eq!(member.delete_offsets(GROUP, &[mine]), Ok(vec![ErrorCode::None]), "there is none any more");
    broker.kill();
    broker.restart().unwrap();
    await_coordinator(&broker);
    assert_eq!(Member::new(&broker).committed(9, topic_id).0, -1);
}

#[test]
fn topics_without_partitions_are_told_if_they_are_unknown() {
    let (broker, topic_id) = start();
    let mut client = Member::new(&broker);
    assert_eq!(client.commit(9, topic_id, 42, None), ErrorCode::None);
    let topic = |name: &'static str| OffsetCommitRequestTopic { name: name.into(), ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: GROUP.into(),
        topics: vec![topic(TOPIC), topic("absent")],
        ..Default::default()
    };
    let committed = client.call(9, &request).topics.into_iter().map(|topic| topic.name);
    assert_eq!(committed.collect::<Vec<_>>(), ["absent"]);
    let topic = |name: &'static str| OffsetDeleteRequestTopic { name: name.into(), ..Default::default() };
    let request = OffsetDeleteRequest { group_id: GROUP.into(), topics: vec![topic(TOPIC), topic("absent")] };
    let deleted = client.call(0, &request).topics.into_iter().map(|topic| topic.name);
    assert_eq!(deleted.collect::<Vec<_>>(), ["absent"]);
}

#[test]
fn members_and_offsets_survive_a_coordinator_that_is_killed() {
    let (mut broker, topic_id) = start();
    let mut member = Member::new(&broker);
    member.join(9);
    let id = member.id.clone();
    member.sync(5, &[(&id, "all")]);
    assert_eq!(member.commit(9, topic_id, 42, Some("here")), ErrorCode::None);
    broker.kill();
    broker.restart().unwrap();
    await_coordinator(&broker);
    member.stream = frame::connect(&broker.bootstrap()).unwrap();
    assert_eq!(member.heartbeat(), ErrorCode::None);
    assert_eq!(member.sync(5, &[]).assignment.as_ref(), b"all");
    assert_eq!(member.committed(9, topic_id), (42, Some("here".to_owned())));
    assert_eq!(member.commit(9, topic_id, 43, None), ErrorCode::None);
    broker.stop();
    let written = dumped_groups(&broker);
    for part in [r#""group":"trucks""#, r#""offset":43"#, r#""topic":"truck_gps""#, r#""protocol":"range""#] {
        assert!(written.contains(part), "{part} is not in {written}");
    }
}

/// What Kafka's own tool reads in the coordinator's log.
fn dumped_groups(broker: &TestBroker) -> String {
    let folders = std::fs::read_dir(broker.data()).unwrap().map(|folder| folder.unwrap().path());
    let folders =
        folders.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("__consumer_offsets-"));
    let logs: Vec<_> =
        folders.map(|path| path.join("00000000000000000000.log").display().to_string()).collect();
    let arguments = ["--offsets-decoder", "--files", &logs.join(",")];
    java::tool("org.apache.kafka.tools.DumpLogSegments", &arguments).unwrap()
}
