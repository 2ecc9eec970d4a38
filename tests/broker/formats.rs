//! A directory that Apache Kafka formatted by its own defaults: with the consumer protocol, share and streams groups, and
//! transactions of version 2, of which much is not built here. It is served as far as it can be, the rest is kept, and
//! Apache Kafka goes on with all of it.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use bytestring::ByteString;
use milena_protocol::messages::api_versions::ApiVersionsRequest;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use milena_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use milena_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_protocol::messages::offset_fetch::OffsetFetchRequestGroup;
use milena_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use milena_protocol::messages::streams_group_heartbeat::{Subtopology, Topology};
use milena_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_protocol::messages::{
    ConsumerGroupHeartbeatRequest, CreateTopicsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListGroupsRequest, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest,
    OffsetFetchResponse, ProduceRequest, ShareGroupHeartbeatRequest, StreamsGroupHeartbeatRequest,
    TxnOffsetCommitRequest,
};
use milena_protocol::records::{BatchBuilder, NewRecord};
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Records, Request, Timestamp};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;

const TOPIC: &str = "rides";
const TRANSACTION: &str = "copier";
/// A member of every group that has members.
const MEMBER: &str = "bWVtYmVyLW9mLWFsbC1ncm91cHM";
const LEAVING: i32 = -1;
/// Longer than the test, so that Apache Kafka aborts nothing by itself.
const TRANSACTION_TIMEOUT_MS: i32 = 900_000;
/// What share groups need to work on one broker, and a directory of its own for the metadata log.
const SETTINGS: [(&str, &str); 4] = [
    ("metadata.log.dir", "{directory}/metadata"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.num.partitions", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// What clients see: type and protocol of each group, its offset, and what readers of committed records are told.
#[derive(Debug, PartialEq)]
struct View {
    groups: BTreeMap<String, (String, String)>,
    offsets: BTreeMap<&'static str, i64>,
    last_stable_offset: i64,
    /// As ListOffsets tells it to readers of committed records.
    committed_end: i64,
    high_watermark: i64,
    aborted: Vec<(i64, i64)>,
}

struct Client(TcpStream);

impl Client {
    fn new(broker: &TestBroker) -> Self {
        Self(frame::connect(&broker.bootstrap()).unwrap())
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        frame::exchange(&mut self.0, version, request).unwrap()
    }

    /// Asks until `code_of` the answer is none: coordinators and leaders come up after the broker.
    fn until_done<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        code_of: impl Fn(&R::Response) -> i16,
    ) -> R::Response
    where
        R::Response: std::fmt::Debug,
    {
        let mut refused = None;
        eventually("an answer without an error", PATIENCE, || {
            let response = self.ask(version, request);
            let code = ErrorCode::from(code_of(&response));
            if code != ErrorCode::None && refused.replace(code) != Some(code) {
                eprintln!("{response:?}");
            }
            (code == ErrorCode::None).then_some(response)
        })
    }

    /// Makes sure that there are coordinators of groups and of transactions.
    fn find_coordinators(&mut self) {
        for key_type in [0, 1] {
            let request = FindCoordinatorRequest {
                key: TRANSACTION.into(),
                key_type,
                ..FindCoordinatorRequest::default()
            };
            self.until_done(2, &request, |response| response.error_code);
        }
    }

    fn create_topic(&mut self) {
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
        self.until_done(7, &request, |response| response.topics[0].error_code);
    }

    fn finalized(&mut self) -> Vec<(String, i16)> {
        let request =
            ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
        let levels = self.ask(4, &request).finalized_features;
        let mut levels: Vec<_> =
            levels.iter().map(|level| (level.name.to_string(), level.max_version_level)).collect();
        levels.sort();
        levels
    }

    /// Takes part in a consumer group of KIP-848; yields the member's epoch.
    fn consume(&mut self, group: &str, member_epoch: i32) -> i32 {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: group.into(),
            member_id: MEMBER.into(),
            member_epoch,
            rebalance_timeout_ms: if member_epoch == 0 { 60_000 } else { -1 },
            subscribed_topic_names: (member_epoch == 0).then(|| vec![TOPIC.into()]),
            topic_partitions: (member_epoch == 0).then(Vec::new),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        self.until_done(1, &request, |response| response.error_code).member_epoch
    }

    fn share(&mut self, group: &str, member_epoch: i32) -> i32 {
        let request = ShareGroupHeartbeatRequest {
            group_id: group.into(),
            member_id: MEMBER.into(),
            member_epoch,
            subscribed_topic_names: (member_epoch == 0).then(|| vec![TOPIC.into()]),
            ..ShareGroupHeartbeatRequest::default()
        };
        self.until_done(1, &request, |response| response.error_code).member_epoch
    }

    fn stream(&mut self, group: &str, member_epoch: i32) {
        let subtopology = Subtopology {
            subtopology_id: "0".into(),
            source_topics: vec![TOPIC.into()],
            ..Subtopology::default()
        };
        let joins = member_epoch == 0;
        let request = StreamsGroupHeartbeatRequest {
            group_id: group.into(),
            member_id: MEMBER.into(),
            member_epoch,
            rebalance_timeout_ms: if joins { 60_000 } else { -1 },
            topology: joins.then(|| Topology { epoch: 0, subtopologies: vec![subtopology] }),
            active_tasks: joins.then(Vec::new),
            standby_tasks: joins.then(Vec::new),
            warmup_tasks: joins.then(Vec::new),
            process_id: joins.then(|| MEMBER.into()),
            ..StreamsGroupHeartbeatRequest::default()
        };
        self.until_done(0, &request, |response| response.error_code);
    }

    /// What a classic member hears that wants to join.
    fn join(&mut self, group: &str) -> ErrorCode {
        let protocol = JoinGroupRequestProtocol { name: "range".into(), ..Default::default() };
        let request = JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        ErrorCode::from(self.ask(9, &request).error_code)
    }

    /// Commits as the member of `epoch`, or as nobody in particular.
    fn commit(&mut self, group: &str, epoch: Option<i32>, committed_offset: i64) {
        let partition = OffsetCommitRequestPartition {
            committed_offset,
            committed_metadata: Some(ByteString::new()),
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: epoch.unwrap_or(-1),
            member_id: if epoch.is_some() { MEMBER.into() } else { ByteString::new() },
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        self.until_done(9, &request, |response| response.topics[0].partitions[0].error_code);
    }

    fn producer(&mut self) -> (ProducerId, ProducerEpoch) {
        let request = InitProducerIdRequest {
            transactional_id: Some(TRANSACTION.into()),
            transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
            ..InitProducerIdRequest::default()
        };
        let granted = self.until_done(4, &request, |response| response.error_code);
        (ProducerId(granted.producer_id), ProducerEpoch(granted.producer_epoch))
    }

    /// Appends a record, within a transaction of version 2 if there is a producer.
    fn produce(&mut self, producer: Option<(ProducerId, ProducerEpoch)>) -> i64 {
        let mut batch = match producer {
            Some((id, epoch)) => BatchBuilder::default().producer(id, epoch, 0).transactional(),
            None => BatchBuilder::default(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let timestamp = Timestamp(i64::try_from(now).unwrap());
        let record = NewRecord { timestamp, key: None, value: Some(b"ride"), headers: &[] };
        batch.push(record);
        let records = Some(Records::Bytes(batch.build().into_bytes()));
        let partition_data = vec![PartitionProduceData { index: 0, records }];
        let topic_data = vec![TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() }];
        let transactional_id = producer.is_some().then(|| TRANSACTION.into());
        let request = ProduceRequest { transactional_id, acks: -1, timeout_ms: 30_000, topic_data };
        let response =
            self.until_done(12, &request, |response| response.responses[0].partition_responses[0].error_code);
        response.responses[0].partition_responses[0].base_offset
    }

    fn commit_in_transaction(&mut self, producer: (ProducerId, ProducerEpoch), committed_offset: i64) {
        let partition = TxnOffsetCommitRequestPartition {
            committed_offset,
            committed_metadata: Some(ByteString::new()),
            ..TxnOffsetCommitRequestPartition::default()
        };
        let topic = TxnOffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition] };
        let request = TxnOffsetCommitRequest {
            transactional_id: TRANSACTION.into(),
            group_id: "copied".into(),
            producer_id: producer.0.0,
            producer_epoch: producer.1.0,
            topics: vec![topic],
            ..TxnOffsetCommitRequest::default()
        };
        self.until_done(5, &request, |response| response.topics[0].partitions[0].error_code);
    }

    /// Ends the transaction, and yields the epoch of the next.
    fn end(&mut self, producer: (ProducerId, ProducerEpoch), committed: bool) -> (ProducerId, ProducerEpoch) {
        let request = EndTxnRequest {
            transactional_id: TRANSACTION.into(),
            producer_id: producer.0.0,
            producer_epoch: producer.1.0,
            committed,
        };
        let ended = self.until_done(5, &request, |response| response.error_code);
        eventually("the marker of the transaction", PATIENCE, || {
            let read = self.read_committed();
            (read.last_stable_offset == read.high_watermark).then_some(())
        });
        (ProducerId(ended.producer_id), ProducerEpoch(ended.producer_epoch))
    }

    fn read_committed(&mut self) -> PartitionData {
        let partition = FetchPartition { partition_max_bytes: 1 << 20, ..FetchPartition::default() };
        let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..FetchTopic::default() };
        let request = FetchRequest {
            isolation_level: 1,
            max_bytes: 1 << 20,
            topics: vec![topic],
            ..FetchRequest::default()
        };
        let code = |data: &PartitionData| data.error_code;
        self.until_done(12, &request, |response| code(&response.responses[0].partitions[0]))
            .responses
            .remove(0)
            .partitions
            .remove(0)
    }

    fn committed_end(&mut self) -> i64 {
        let partition = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
        let topics = vec![ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, isolation_level: 1, topics, ..Default::default() };
        let found = self.until_done(7, &request, |response| response.topics[0].partitions[0].error_code);
        found.topics[0].partitions[0].offset
    }

    fn offset(&mut self, group: &str) -> i64 {
        let group = OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: None,
            ..OffsetFetchRequestGroup::default()
        };
        let request =
            OffsetFetchRequest { groups: vec![group], require_stable: true, ..OffsetFetchRequest::default() };
        let code = |response: &OffsetFetchResponse| {
            let group = &response.groups[0];
            group.topics.first().map_or(group.error_code, |topic| topic.partitions[0].error_code)
        };
        let found = self.until_done(9, &request, code);
        found.groups[0].topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset)
    }

    fn view(&mut self) -> View {
        let groups = ["left", "there", "turned", "shared", "streamed", "copied"];
        let offsets = groups.map(|group| (group, self.offset(group))).into_iter().collect();
        let listed = self.until_done(5, &ListGroupsRequest::default(), |response| response.error_code);
        let read = self.read_committed();
        let kind = |text: &ByteString| text.to_lowercase();
        View {
            groups: listed
                .groups
                .iter()
                .map(|group| {
                    (group.group_id.to_string(), (kind(&group.group_type), kind(&group.protocol_type)))
                })
                .collect(),
            offsets,
            last_stable_offset: read.last_stable_offset,
            committed_end: self.committed_end(),
            high_watermark: read.high_watermark,
            aborted: read
                .aborted_transactions
                .unwrap_or_default()
                .iter()
                .map(|aborted| (aborted.producer_id, aborted.first_offset))
                .collect(),
        }
    }
}

/// Pitfalls 17 and 18.
#[test]
fn directory_that_apache_kafka_formatted_by_its_defaults_is_served_and_goes_back() {
    let mut broker = TestBroker::start_kafka_by_default(&SETTINGS).unwrap();
    let mut client = Client::new(&broker);
    client.create_topic();
    client.find_coordinators();
    let levels = client.finalized();
    let built = ["eligible.leader.replicas.version", "kraft.version", "metadata.version"];
    let kept = levels.iter().filter(|(name, _)| !built.contains(&&**name));
    let kept: Vec<_> = kept.cloned().collect();
    assert!(kept.contains(&("transaction.version".to_owned(), 2)), "{kept:?}");
    for (group, offset) in [("left", 3), ("turned", 5)] {
        let epoch = client.consume(group, 0);
        client.commit(group, Some(epoch), offset);
        client.consume(group, LEAVING);
    }
    let there = client.consume("there", 0);
    client.commit("there", Some(there), 4);
    let shared = client.share("shared", 0);
    client.stream("streamed", 0);
    client.stream("streamed", LEAVING);
    let mut producer = client.producer();
    for (offset, is_committed) in [(7, true), (8, false)] {
        client.produce(Some(producer));
        client.commit_in_transaction(producer, offset);
        producer = client.end(producer, is_committed);
    }
    eventually("the offset of the transaction", PATIENCE, || (client.offset("copied") == 7).then_some(()));
    let open = client.produce(Some(producer));
    let theirs = client.view();
    assert_eq!(theirs.offsets["copied"], 7);
    assert_eq!((theirs.last_stable_offset, theirs.committed_end, theirs.aborted.len()), (open, open, 1));
    broker.stop();

    broker.restart_as(Flavor::Milena).unwrap();
    let mut client = Client::new(&broker);
    let warnings = broker.process().lines();
    for (name, level) in &kept {
        let is_named = |line: &&String| line.contains("not served yet") && line.contains(&**name);
        assert_eq!(warnings.iter().filter(is_named).count(), 1, "{name}={level}: {warnings:#?}");
    }
    let served: Vec<_> = client.finalized().into_iter().map(|(name, _)| name).collect();
    assert_eq!(served, built);
    assert_eq!(client.view(), theirs);
    for group in ["there", "shared"] {
        assert_eq!(client.join(group), ErrorCode::InconsistentGroupProtocol, "{group}");
    }
    assert_eq!(client.join("turned"), ErrorCode::MemberIdRequired);
    client.commit("turned", None, 6);
    client.commit("left", None, 9);
    client.produce(None);
    let ours = client.view();
    assert_eq!(ours.groups["turned"], ("classic".to_owned(), String::new()));
    assert_eq!((ours.offsets["turned"], ours.offsets["left"]), (6, 9));
    assert_eq!((ours.last_stable_offset, ours.high_watermark), (open, theirs.high_watermark + 1));
    broker.stop();

    broker.restart_as(Flavor::Kafka).unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(client.finalized(), levels);
    assert_eq!(client.view(), ours);
    let there = client.consume("there", there);
    client.commit("there", Some(there), 10);
    client.share("shared", shared);
    let left = client.consume("left", 0);
    client.commit("left", Some(left), 11);
    client.stream("streamed", 0);
    client.end(producer, false);
    let after = client.view();
    assert_eq!((after.offsets["there"], after.offsets["left"]), (10, 11));
    assert_eq!(after.aborted.last(), Some(&(producer.0.0, open)), "{after:?}");
    let complaints: Vec<_> =
        broker.process().lines().into_iter().filter(|line| line.contains("ERROR")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
