//! State by replay, one request, the whole outcome.

use milena_protocol::messages::alter_configs;
use milena_protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use milena_protocol::messages::broker_registration::{BrokerRegistrationRequest, Feature};
use milena_protocol::messages::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use milena_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use milena_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_protocol::messages::metadata_records::*;
use milena_protocol::messages::update_features::FeatureUpdateKey;
use milena_protocol::{ErrorCode, NodeId, Offset, ProducerId, Timestamp, TopicId, Uuid};

use super::{
    Controller, ControllerReply, ControllerRequest, PRODUCER_ID_BLOCK, Settings, TopicReference,
    bootstrap_records, feature_records,
};
use crate::config::Properties;
use crate::machine::{Machine, Ticket};
use crate::metadata::{ConfigResource, MetadataImage, MetadataLoader, ResourceType};

mod brokers;
mod features;
mod oracle;
mod partitions;
mod property;

struct Quorum(Controller);

impl Quorum {
    /// A cluster with one unfenced broker.
    fn new() -> Self {
        let mut quorum = Self::empty(1);
        quorum.restart_broker(1);
        quorum
    }

    /// A cluster of the controller `node` alone.
    fn empty(node: i32) -> Self {
        let mut loader = MetadataLoader::default();
        // What other features bring is tested where they are turned on.
        let is_needed = |record: &MetadataRecord| matches!(record, MetadataRecord::FeatureLevelRecord(level) if level.name == "metadata.version");
        let levels = feature_records().filter(is_needed);
        for (offset, record) in bootstrap_records(levels, 1).iter().enumerate() {
            loader.replay(Offset(offset as i64), record).unwrap();
        }
        let mut properties = Properties::default();
        properties.set("num.partitions", "2").unwrap();
        let settings = Settings {
            node_id: NodeId(node),
            cluster_id: "c".into(),
            kraft_version: 1,
            kraft_version_max: 1,
            voters: [NodeId(node)].into(),
            is_alone: true,
            properties,
        };
        Self(Controller::new(settings, loader.published().clone(), Timestamp(0), 1))
    }

    /// A new process of the broker, after an orderly end of the former one.
    fn restart_broker(&mut self, id: i32) {
        let broker_epoch = self.register(id);
        let heartbeat = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch,
            current_metadata_offset: broker_epoch,
            want_fence: false,
            want_shut_down: false,
            offline_log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        };
        let (_, reply) = self.ask(ControllerRequest::BrokerHeartbeat(heartbeat));
        assert!(matches!(reply, ControllerReply::Heartbeat(Ok(heartbeat)) if !heartbeat.is_fenced));
    }

    /// A new process of the broker, fenced.
    fn register(&mut self, id: i32) -> i64 {
        let previous_broker_epoch = self.image().broker(NodeId(id)).map_or(-1, |broker| broker.epoch);
        let start = self.image().next_offset().0;
        let request = BrokerRegistrationRequest { previous_broker_epoch, ..incarnation(id, start) };
        let request = ControllerRequest::BrokerRegistration { request, tells_previous_epoch: true };
        match self.ask(request).1 {
            ControllerReply::Registration(Ok(epoch)) => epoch,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, request: ControllerRequest) -> (Vec<MetadataRecord>, ControllerReply) {
        self.ask_at(Timestamp(0), request)
    }

    fn ask_at(
        &mut self,
        now: Timestamp,
        request: ControllerRequest,
    ) -> (Vec<MetadataRecord>, ControllerReply) {
        let mut outcome = self.0.handle(now, Ticket(1), request);
        outcome.records.iter().for_each(|record| self.0.replay(record));
        (outcome.records, outcome.replies.remove(0).1)
    }

    fn image(&self) -> &MetadataImage {
        self.0.image()
    }

    fn create(&mut self, topic: CreatableTopic) -> Result<(i32, i16), (ErrorCode, String)> {
        let before = self.image().clone();
        let (records, reply) =
            self.ask(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
        let ControllerReply::TopicsCreated(mut results) = reply else { panic!("{reply:?}") };
        let result = results.remove(0).1;
        assert_eq!(result.is_err(), records.is_empty());
        assert_eq!(result.is_err(), *self.image() == before);
        result
            .map(|t| (t.partitions, t.replication_factor))
            .map_err(|r| (r.code, r.message.unwrap_or_default()))
    }

    fn alter(
        &mut self,
        kind: ResourceType,
        name: &str,
        configs: &[(&str, i8, Option<&str>)],
    ) -> Result<usize, (ErrorCode, String)> {
        let configs = configs.iter().map(|(name, operation, value)| AlterableConfig {
            name: (*name).into(),
            config_operation: *operation,
            value: value.map(Into::into),
        });
        let resource = AlterConfigsResource {
            resource_type: kind as i8,
            resource_name: name.into(),
            configs: configs.collect(),
        };
        let request =
            ControllerRequest::IncrementalAlterConfigs { resources: vec![resource], validate_only: false };
        let (records, reply) = self.ask(request);
        let ControllerReply::ConfigsAltered(mut results) = reply else { panic!("{reply:?}") };
        results.remove(0).2.map(|()| records.len()).map_err(|r| (r.code, r.message.unwrap_or_default()))
    }

    fn replace(
        &mut self,
        kind: i8,
        name: &str,
        configs: &[(&str, Option<&str>)],
    ) -> Result<usize, (ErrorCode, String)> {
        let resource = mk_replacement(kind, name, configs);
        let (records, reply) =
            self.ask(ControllerRequest::AlterConfigs { resources: vec![resource], validate_only: false });
        let ControllerReply::ConfigsAltered(mut results) = reply else { panic!("{reply:?}") };
        results.remove(0).2.map(|()| records.len()).map_err(|r| (r.code, r.message.unwrap_or_default()))
    }

    fn grow(&mut self, name: &str, count: i32) -> Result<(), (ErrorCode, String)> {
        self.grow_to(CreatePartitionsTopic { name: name.into(), count, assignments: None })
    }

    fn grow_to(&mut self, topic: CreatePartitionsTopic) -> Result<(), (ErrorCode, String)> {
        let (_, reply) =
            self.ask(ControllerRequest::CreatePartitions { topics: vec![topic], validate_only: false });
        let ControllerReply::PartitionsCreated(mut results) = reply else { panic!("{reply:?}") };
        results.remove(0).1.map_err(|r| (r.code, r.message.unwrap_or_default()))
    }

    fn own_value(&self, kind: ResourceType, name: &str, key: &str) -> Option<String> {
        self.image().config(&ConfigResource::new(kind, name))?.get(key).map(ToString::to_string)
    }
}

fn mk_replacement(
    resource_type: i8,
    name: &str,
    configs: &[(&str, Option<&str>)],
) -> alter_configs::AlterConfigsResource {
    let config = |(name, value): &(&str, Option<&str>)| alter_configs::AlterableConfig {
        name: (*name).into(),
        value: value.map(Into::into),
    };
    alter_configs::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        configs: configs.iter().map(config).collect(),
    }
}

/// A process of the broker `id`, told apart from its former ones by `start`.
fn incarnation(id: i32, start: i64) -> BrokerRegistrationRequest {
    let feature = |name: &str, min_supported_version, max_supported_version| Feature {
        name: name.into(),
        min_supported_version,
        max_supported_version,
    };
    BrokerRegistrationRequest {
        broker_id: id,
        cluster_id: "c".into(),
        incarnation_id: Uuid::from_u128((id as u128) << 64 | start as u128),
        features: vec![
            feature("metadata.version", 7, 30),
            feature("kraft.version", 0, 1),
            feature("eligible.leader.replicas.version", 0, 1),
        ],
        log_dirs: vec![directory(id)],
        ..Default::default()
    }
}

/// The only log directory of a broker.
fn directory(broker: i32) -> Uuid {
    Uuid::from_u128(1_000 + broker as u128)
}

fn mk_topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: replicas,
        ..Default::default()
    }
}

fn with_config(topic: CreatableTopic, name: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig { name: name.into(), value: value.map(Into::into) };
    CreatableTopic { configs: vec![config], ..topic }
}

fn manual(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *index,
        broker_ids: brokers.to_vec(),
    };
    CreatableTopic { assignments: assignments.iter().map(assignment).collect(), ..mk_topic(name, -1, -1) }
}

#[test]
fn a_created_topic_is_a_topic_its_values_and_its_partitions() {
    let mut quorum = Quorum::new();
    let topics = vec![with_config(mk_topic("a", 1, 1), "retention.ms", Some("5"))];
    let (records, reply) = quorum.ask(ControllerRequest::CreateTopics { topics, validate_only: false });
    let ControllerReply::TopicsCreated(results) = reply else { panic!("{reply:?}") };
    let id = results[0].1.as_ref().unwrap().id;
    let expected: [MetadataRecord; 3] = [
        TopicRecord { name: "a".into(), topic_id: id.0 }.into(),
        ConfigRecord {
            resource_type: 2,
            resource_name: "a".into(),
            name: "retention.ms".into(),
            value: Some("5".into()),
        }
        .into(),
        PartitionRecord {
            partition_id: 0,
            topic_id: id.0,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![directory(1)],
            ..Default::default()
        }
        .into(),
    ];
    assert_eq!(records, expected);
    assert_ne!(id, TopicId(Uuid::nil()));
    assert_eq!(quorum.create(mk_topic("defaults", -1, -1)), Ok((2, 1)));
    assert_eq!(quorum.create(manual("m", &[(1, &[1]), (0, &[1])])), Ok((2, 1)));
}

#[test]
fn topics_are_refused_in_the_words_of_kafka() {
    use ErrorCode::{
        InvalidConfig, InvalidPartitions, InvalidReplicaAssignment, InvalidReplicationFactor, InvalidRequest,
        InvalidTopicException, PolicyViolation, TopicAlreadyExists,
    };
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("a.b", 1, 1)).unwrap();
    let assignment = InvalidReplicaAssignment;
    let table: Vec<(CreatableTopic, ErrorCode, &str)> = vec![
        (mk_topic("a.b", 1, 1), TopicAlreadyExists, "Topic 'a.b' already exists."),
        (mk_topic("a_b", 1, 1), InvalidTopicException, "Topic 'a_b' collides with existing topic: a.b"),
        (mk_topic("..", 1, 1), InvalidTopicException, "Topic name is invalid: '..' is not allowed"),
        (
            mk_topic("__cluster_metadata", 1, 1),
            InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
        (
            mk_topic("x", 0, 1),
            InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            mk_topic("x", 1, 0),
            InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            mk_topic("x", 1, 3),
            InvalidReplicationFactor,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because \
             only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (mk_topic("x", 20_000, 1), PolicyViolation, "Excessively large number of partitions per request."),
        (mk_topic("x", 10_000, 1), PolicyViolation, "Excessively large number of partitions per request."),
        (mk_topic("", 20_000, 0), PolicyViolation, "Excessively large number of partitions per request."),
        (with_config(mk_topic("x", 1, 1), "foo", Some("1")), InvalidConfig, "Unknown topic config name: foo"),
        (
            with_config(mk_topic("x", 1, 1), "retention.ms", None),
            InvalidConfig,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            manual("x", &[(0, &[1]), (2, &[1])]),
            assignment,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            manual("x", &[(0, &[])]),
            assignment,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            manual("x", &[(0, &[1, 1])]),
            assignment,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            manual("x", &[(0, &[7])]),
            assignment,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            CreatableTopic { num_partitions: 1, ..manual("x", &[(0, &[1])]) },
            InvalidRequest,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
    ];
    for (topic, code, message) in table {
        assert_eq!(quorum.create(topic), Err((code, message.to_owned())));
    }
}

#[test]
fn a_refused_topic_does_not_hold_up_the_others_and_validation_writes_nothing() {
    let mut quorum = Quorum::new();
    let topics = vec![mk_topic("a", 1, 1), mk_topic("b b", 1, 1), mk_topic("c", 1, 1), mk_topic("c", 1, 1)];
    let request = |validate_only| ControllerRequest::CreateTopics { topics: topics.clone(), validate_only };
    for validate_only in [true, false] {
        let (records, reply) = quorum.ask(request(validate_only));
        let ControllerReply::TopicsCreated(results) = reply else { panic!("{reply:?}") };
        let codes: Vec<_> = results.iter().map(|(_, result)| result.as_ref().err().map(|r| r.code)).collect();
        let (invalid, twice) = (ErrorCode::InvalidTopicException, ErrorCode::InvalidRequest);
        assert_eq!(codes, [None, Some(invalid), Some(twice)], "what is named twice is refused once");
        assert_eq!(records.is_empty(), validate_only);
    }
    assert!(quorum.image().topic("a").is_some());
}

#[test]
fn topics_are_deleted_by_name_or_id() {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("a", 1, 1)).unwrap();
    quorum.create(mk_topic("b", 1, 1)).unwrap();
    let id = quorum.image().topic("b").unwrap().id;
    let gone = TopicId(Uuid::from_u128(9));
    let topics = vec![
        TopicReference::Name("a".into()),
        TopicReference::Id(id),
        TopicReference::Name("nope".into()),
        TopicReference::Id(gone),
        TopicReference::Name("b".into()),
    ];
    let (records, reply) = quorum.ask(ControllerRequest::DeleteTopics { topics });
    let ControllerReply::TopicsDeleted(results) = reply else { panic!("{reply:?}") };
    let codes: Vec<_> = results.iter().map(|deleted| deleted.result.as_ref().err().map(|r| r.code)).collect();
    use ErrorCode::{InvalidRequest, TopicDeletionDisabled, UnknownTopicId, UnknownTopicOrPartition};
    assert_eq!(
        codes,
        [None, None, Some(UnknownTopicOrPartition), Some(UnknownTopicId), Some(InvalidRequest)]
    );
    assert_eq!(records.len(), 2);
    assert_eq!(quorum.image().topics().count(), 0);

    quorum.0.settings.properties.set("delete.topic.enable", "false").unwrap();
    let (_, reply) =
        quorum.ask(ControllerRequest::DeleteTopics { topics: vec![TopicReference::Name("a".into())] });
    let ControllerReply::TopicsDeleted(results) = reply else { panic!("{reply:?}") };
    assert_eq!(results[0].result, Err(TopicDeletionDisabled.into()));
}

#[test]
fn partitions_grow_and_never_shrink() {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("a", 3, 1)).unwrap();
    let refused = |message: &str| Err((ErrorCode::InvalidPartitions, message.to_owned()));
    assert_eq!(
        quorum.grow("a", 2),
        refused("The topic a currently has 3 partition(s); 2 would not be an increase.")
    );
    assert_eq!(quorum.grow("a", 3), refused("Topic already has 3 partition(s)."));
    assert_eq!(quorum.grow("nope", 3).unwrap_err().0, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(quorum.grow("a", i32::MAX).unwrap_err().0, ErrorCode::PolicyViolation);
    quorum.grow("a", 5).unwrap();
    let assignments =
        |brokers: &[i32]| Some(vec![CreatePartitionsAssignment { broker_ids: brokers.to_vec() }]);
    let wrong = CreatePartitionsTopic { name: "a".into(), count: 7, assignments: assignments(&[1]) };
    assert_eq!(quorum.grow_to(wrong).unwrap_err().0, ErrorCode::InvalidReplicaAssignment);
    quorum
        .grow_to(CreatePartitionsTopic { name: "a".into(), count: 6, assignments: assignments(&[1]) })
        .unwrap();
    assert_eq!(quorum.image().topic("a").unwrap().partition_count(), 6);
}

/// Kind and name of a resource, changes as (key, operation, value), code and message of the refusal.
type Refused<'a> = (ResourceType, &'a str, Vec<(&'a str, i8, Option<&'a str>)>, ErrorCode, &'a str);

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

#[test]
fn configurations_change_by_increments() {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("t", 1, 1)).unwrap();
    let topic = ResourceType::Topic;
    assert_eq!(quorum.alter(topic, "t", &[("retention.ms", SET, Some("1000"))]), Ok(1));
    assert_eq!(quorum.alter(topic, "t", &[("retention.ms", SET, Some("1000"))]), Ok(0), "nothing changes");
    assert_eq!(quorum.alter(topic, "t", &[("retention.ms", DELETE, None)]), Ok(1));
    assert_eq!(quorum.alter(topic, "t", &[("foo", DELETE, None)]), Ok(0));
    assert_eq!(quorum.alter(topic, "t", &[("cleanup.policy", APPEND, Some("compact"))]), Ok(1));
    assert_eq!(quorum.own_value(topic, "t", "cleanup.policy").as_deref(), Some("delete,compact"));
    assert_eq!(quorum.alter(topic, "t", &[("cleanup.policy", SUBTRACT, Some("delete"))]), Ok(1));
    assert_eq!(quorum.own_value(topic, "t", "cleanup.policy").as_deref(), Some("compact"));
    let broker = ResourceType::Broker;
    assert_eq!(quorum.alter(broker, "", &[("log.retention.ms", SET, Some("5"))]), Ok(1));
    assert_eq!(quorum.alter(broker, "1", &[("log.retention.ms", SET, Some("5"))]), Ok(1));
    let of_listener = "listener.name.external.max.connections";
    assert_eq!(quorum.alter(broker, "1", &[(of_listener, SET, Some("5"))]), Ok(1));
}

#[test]
fn a_value_has_a_longest_length_however_it_comes_about() {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("t", 1, 1)).unwrap();
    let (replicas, topic) = ("leader.replication.throttled.replicas", ResourceType::Topic);
    let value = |entries: usize| vec!["1:1"; entries].join(",");
    let longest = format!("{}:1", "1".repeat(32_765));
    assert_eq!(quorum.alter(topic, "t", &[(replicas, SET, Some(&longest))]), Ok(1));
    let message =
        "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.";
    let refused = Err((ErrorCode::InvalidConfig, message.to_owned()));
    assert_eq!(quorum.alter(topic, "t", &[(replicas, APPEND, Some("1:1"))]), refused);
    assert_eq!(quorum.alter(topic, "t", &[(replicas, SET, Some(&value(9_000)))]), refused);
    assert_eq!(quorum.replace(topic as i8, "t", &[(replicas, Some(&value(9_000)))]), refused);
    let mut topic = mk_topic("u", 1, 1);
    let (name, value) = (replicas.into(), Some(value(9_000).into()));
    topic.configs.push(CreatableTopicConfig { name, value });
    assert_eq!(quorum.create(topic).map(drop), refused.map(drop));
}

#[test]
fn configurations_are_replaced_as_a_whole() {
    let mut quorum = Quorum::new();
    quorum.create(with_config(mk_topic("t", 1, 1), "retention.ms", Some("1000"))).unwrap();
    let topic = ResourceType::Topic;
    let values = [("cleanup.policy", Some("compact")), ("segment.ms", Some("5000"))];
    assert_eq!(quorum.replace(topic as i8, "t", &values), Ok(3), "two are set, one is removed");
    assert_eq!(quorum.own_value(topic, "t", "retention.ms"), None);
    assert_eq!(quorum.own_value(topic, "t", "segment.ms").as_deref(), Some("5000"));
    assert_eq!(quorum.replace(topic as i8, "t", &values), Ok(0), "nothing changes");
    assert_eq!(quorum.replace(topic as i8, "t", &[]), Ok(2));
    assert_eq!(quorum.image().config(&ConfigResource::new(topic, "t")), None);
    let broker = ResourceType::Broker as i8;
    assert_eq!(quorum.replace(broker, "", &[("log.retention.ms", Some("5"))]), Ok(1));
    assert_eq!(quorum.replace(ResourceType::Group as i8, "g", &[]), Ok(0));
}

#[test]
fn replacements_are_refused_each_by_itself() {
    use ErrorCode::{InvalidConfig, InvalidRequest, UnknownTopicOrPartition};
    let mut quorum = Quorum::new();
    quorum.create(with_config(mk_topic("t", 1, 1), "retention.ms", Some("1000"))).unwrap();
    let topic = ResourceType::Topic as i8;
    let one = [("segment.ms", Some("5000"))];
    let null = [("retention.ms", None), ("segment.ms", None)];
    let lacking = "Null value not supported for : retention.ms, segment.ms";
    let read_only = "Cannot update these configs dynamically: [num.partitions]";
    let table = [
        (topic, "t", &[("foo", Some("1"))][..], InvalidConfig, "Unknown topic config name: foo"),
        (topic, "t", &null, InvalidRequest, lacking),
        (topic, "t", &[one[0], one[0]], InvalidRequest, "Error due to duplicate config keys"),
        (topic, "nope", &one, UnknownTopicOrPartition, "The topic 'nope' does not exist."),
        (ResourceType::Broker as i8, "1", &[("num.partitions", Some("5"))], InvalidRequest, read_only),
        (ResourceType::BrokerLogger as i8, "1", &one, InvalidRequest, "Unknown resource type 8"),
        (3, "t", &one, InvalidRequest, "Unknown resource type 3"),
    ];
    for (kind, name, configs, code, message) in table {
        assert_eq!(quorum.replace(kind, name, configs), Err((code, message.to_owned())));
    }
    let replacement = |name| mk_replacement(topic, name, &one);
    let resources = vec![replacement("t"), replacement("t"), replacement("nope")];
    let (records, reply) = quorum.ask(ControllerRequest::AlterConfigs { resources, validate_only: false });
    let ControllerReply::ConfigsAltered(results) = reply else { panic!("{reply:?}") };
    let codes: Vec<_> = results.into_iter().map(|(_, _, result)| result.unwrap_err().code).collect();
    assert_eq!((records, codes), (vec![], vec![InvalidRequest, InvalidRequest, UnknownTopicOrPartition]));
    let dry = ControllerRequest::AlterConfigs { resources: vec![replacement("t")], validate_only: true };
    let (records, reply) = quorum.ask(dry);
    let accepted = ControllerReply::ConfigsAltered(vec![(topic, "t".into(), Ok(()))]);
    assert_eq!((records, reply), (vec![], accepted));
}

fn check_refused(table: Vec<Refused<'_>>) {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("t", 1, 1)).unwrap();
    for (kind, name, configs, code, message) in table {
        assert_eq!(quorum.alter(kind, name, &configs), Err((code, message.to_owned())));
    }
}

fn set<'a>(key: &'a str, value: &'a str) -> Vec<(&'a str, i8, Option<&'a str>)> {
    vec![(key, SET, Some(value))]
}

#[test]
fn configurations_of_topics_are_refused_in_the_words_of_kafka() {
    use ErrorCode::{InvalidConfig, InvalidRequest, UnknownTopicOrPartition};
    let topic = ResourceType::Topic;
    let not_a_number = "Invalid value x for configuration retention.ms: Not a number of type LONG";
    let not_a_list = "Can't APPEND to key retention.ms because its type is not LIST.";
    let twice = vec![("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)];
    check_refused(vec![
        (topic, "t", set("foo", "1"), InvalidConfig, "Unknown topic config name: foo"),
        (topic, "t", set("retention.ms", "x"), InvalidConfig, not_a_number),
        (
            topic,
            "nope",
            set("retention.ms", "1"),
            UnknownTopicOrPartition,
            "The topic 'nope' does not exist.",
        ),
        (topic, "", set("retention.ms", "1"), InvalidRequest, "Default topic resources are not allowed."),
        (topic, "t", vec![("retention.ms", APPEND, Some("1"))], InvalidConfig, not_a_list),
        (
            topic,
            "t",
            vec![("retention.ms", SET, None)],
            InvalidRequest,
            "Null value not supported for : retention.ms",
        ),
        (topic, "t", twice, InvalidRequest, "Error due to duplicate config keys"),
        (topic, "t", vec![("retention.ms", 9, Some("1"))], InvalidRequest, "Unknown operation type 9"),
    ]);
}

#[test]
fn configurations_of_others_are_refused_in_the_words_of_kafka() {
    use ErrorCode::{InvalidConfig, InvalidRequest};
    let (broker, metrics) = (ResourceType::Broker, ResourceType::ClientMetrics);
    let read_only = "Cannot update these configs dynamically: [num.partitions]";
    let not_a_number = "Invalid value x for configuration log.retention.ms: Not a number of type LONG";
    let bounds = "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)";
    let unbuilt = "Changing ssl.keystore.location while a broker runs is not built yet";
    let per_broker =
        "Cannot update these configs at default cluster level, broker id must be specified: [listeners]";
    check_refused(vec![
        (broker, "", set("listeners", "A://:9092"), InvalidRequest, per_broker),
        (broker, "1", set("num.partitions", "5"), InvalidRequest, read_only),
        (broker, "1", set("ssl.keystore.location", "/k"), InvalidRequest, unbuilt),
        (broker, "1", set("foo.bar", "5"), InvalidRequest, "Unknown broker config name: foo.bar"),
        (
            broker,
            "x",
            set("log.retention.ms", "5"),
            InvalidRequest,
            "Node id must be an integer, but it is: x",
        ),
        (broker, "1", set("log.retention.ms", "x"), InvalidRequest, not_a_number),
        (
            ResourceType::BrokerLogger,
            "1",
            set("kafka", "INFO"),
            InvalidConfig,
            "Logger kafka does not exist!",
        ),
        (ResourceType::Group, "g", set("x", "5"), InvalidConfig, "Unknown group config name: x"),
        (metrics, "cm", set("interval.ms", "5"), InvalidRequest, bounds),
    ]);
}

#[test]
fn a_restarted_broker_leads_again_under_a_new_epoch() {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("a", 1, 1)).unwrap();
    let before = quorum.image().broker(NodeId(1)).unwrap().epoch;
    quorum.restart_broker(1);
    let broker = quorum.image().broker(NodeId(1)).unwrap();
    assert!(broker.epoch > before && !broker.fenced);
    let (_, partition) = quorum.image().topic("a").unwrap().partitions().next().unwrap();
    assert_eq!((partition.leader, partition.isr.as_slice()), (NodeId(1), &[NodeId(1)][..]));
    assert_eq!((partition.leader_epoch.0, partition.partition_epoch), (2, 2));
}

#[test]
fn replica_leads_again_what_apache_kafka_left_without_an_isr() {
    for (eligible, last_known) in [(vec![1, 2], vec![]), (vec![], vec![1])] {
        let mut quorum = Quorum::new();
        quorum.restart_broker(2);
        let level = FeatureLevelRecord { name: "eligible.leader.replicas.version".into(), feature_level: 1 };
        quorum.0.replay(&level.into());
        let topic = with_config(manual("a", &[(0, &[1, 2])]), "min.insync.replicas", Some("2"));
        quorum.create(topic).unwrap();
        let left = PartitionChangeRecord {
            partition_id: 0,
            topic_id: quorum.image().topic("a").unwrap().id.0,
            leader: -1,
            isr: Some(vec![]),
            eligible_leader_replicas: Some(eligible.clone()),
            last_known_elr: Some(last_known),
            ..PartitionChangeRecord::default()
        };
        quorum.0.replay(&left.into());
        quorum.restart_broker(1);
        let (_, partition) = quorum.image().topic("a").unwrap().partitions().next().unwrap();
        assert_eq!((partition.leader, partition.isr.as_slice()), (NodeId(1), &[NodeId(1)][..]));
        let others: Vec<_> = eligible.into_iter().filter(|id| *id != 1).map(NodeId).collect();
        assert_eq!((&partition.eligible_leader_replicas, partition.last_known_elr.len()), (&others, 0));
    }
}

#[test]
fn brokers_keep_one_min_isr_while_eligible_leaders_are_tracked() {
    let (set, delete, key) = (0, 1, "min.insync.replicas");
    let mut quorum = Quorum::new();
    let level = FeatureLevelRecord { name: "eligible.leader.replicas.version".into(), feature_level: 1 };
    quorum.0.replay(&level.into());
    let refused = |message: &str| Err((ErrorCode::InvalidConfig, message.to_owned()));
    assert_eq!(
        quorum.alter(ResourceType::Broker, "", &[(key, set, Some("2"))]),
        Ok(2),
        "the value, and that nobody is eligible by the former one"
    );
    assert_eq!(
        quorum.alter(ResourceType::Broker, "1", &[(key, set, Some("2"))]),
        refused("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
    );
    assert_eq!(
        quorum.alter(ResourceType::Broker, "", &[(key, delete, None)]),
        refused("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
    );
    let (code, _) = quorum.alter(ResourceType::Broker, "1", &[(key, set, Some("0x10"))]).unwrap_err();
    assert_eq!(code, ErrorCode::InvalidRequest, "what is no number is told first");
    assert_eq!(quorum.alter(ResourceType::Broker, "1", &[("log.retention.ms", set, Some("7"))]), Ok(1));
}

#[test]
fn the_epoch_of_a_registration_is_its_own_offset() {
    let mut quorum = Quorum::new();
    quorum.create(mk_topic("a", 3, 1)).unwrap();
    let next = quorum.image().next_offset().0;
    let own = quorum.register(1);
    assert_eq!(own, next + 3, "behind the changes of three partitions");
    assert_eq!(quorum.image().broker(NodeId(1)).unwrap().epoch, own);
}

#[test]
fn a_new_replica_on_another_broker_takes_over_when_the_leader_restarts() {
    let mut quorum = Quorum::new();
    quorum.restart_broker(2);
    quorum.create(manual("a", &[(0, &[1, 2])])).unwrap();
    quorum.register(1);
    let (_, partition) = quorum.image().topic("a").unwrap().partitions().next().unwrap();
    assert_eq!((partition.leader, partition.isr.as_slice()), (NodeId(2), &[NodeId(2)][..]));
}

#[test]
fn producer_ids_are_given_in_blocks_and_never_twice() {
    let mut quorum = Quorum::new();
    let broker_epoch = quorum.image().broker(NodeId(1)).unwrap().epoch;
    let ask = ControllerRequest::AllocateProducerIds { broker: NodeId(1), broker_epoch };
    assert_eq!(quorum.ask(ask.clone()).1, ControllerReply::ProducerIds(Ok(ProducerId(0))));
    assert_eq!(quorum.ask(ask).1, ControllerReply::ProducerIds(Ok(ProducerId(PRODUCER_ID_BLOCK))));
    let stale = ControllerRequest::AllocateProducerIds { broker: NodeId(1), broker_epoch: -1 };
    let ControllerReply::ProducerIds(Err(refusal)) = quorum.ask(stale).1 else { panic!("stale") };
    assert_eq!(refusal.code, ErrorCode::StaleBrokerEpoch);
}
