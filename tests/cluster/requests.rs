//! What only the active controller may answer is answered by every broker, and each shows at once what it told.

use milena_protocol::ErrorCode;
use milena_protocol::messages::create_partitions::CreatePartitionsTopic;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::delete_topics::DeleteTopicState;
use milena_protocol::messages::describe_configs::DescribeConfigsResource;
use milena_protocol::messages::find_coordinator::FindCoordinatorRequest;
use milena_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, MetadataRequest,
};
use milena_tests::cluster::Node;
use milena_tests::{TestCluster, eventually, frame};

use crate::PATIENCE;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

pub(crate) fn create(node: &Node, name: &str, partitions: i32, replicas: i16) -> ErrorCode {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: replicas,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    node.ask(7, &request).unwrap().topics[0].error_code.into()
}

fn partitions(node: &Node, name: &str) -> usize {
    let metadata = node.metadata(&[name]).unwrap();
    metadata.topics[0].partitions.len()
}

fn set(node: &Node, resource_type: i8, name: &str, key: &str, value: &str) -> ErrorCode {
    let config = AlterableConfig { name: key.into(), config_operation: 0, value: Some(value.into()) };
    let resource = AlterConfigsResource { resource_type, resource_name: name.into(), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    node.ask(1, &request).unwrap().responses[0].error_code.into()
}

fn value(node: &Node, resource_type: i8, name: &str, key: &str) -> Option<String> {
    let configuration_keys = Some(vec![key.into()]);
    let resource = DescribeConfigsResource { resource_type, resource_name: name.into(), configuration_keys };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let answer = node.ask(4, &request).unwrap();
    answer.results[0].configs[0].value.as_ref().map(ToString::to_string)
}

#[test]
fn every_broker_takes_changes_and_shows_them_at_once() {
    let cluster = TestCluster::start(3, &[]).unwrap();
    for node in cluster.nodes() {
        let topic = format!("by-{}", node.id());
        assert_eq!(create(node, &topic, 3, 3), ErrorCode::None);
        assert_eq!(partitions(node, &topic), 3);
        assert_eq!(create(node, &topic, 3, 3), ErrorCode::TopicAlreadyExists);

        let grown = CreatePartitionsTopic { name: topic.as_str().into(), count: 5, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![grown], timeout_ms: 30_000, validate_only: false };
        assert_eq!(node.ask(3, &request).unwrap().results[0].error_code, 0);
        assert_eq!(partitions(node, &topic), 5);

        assert_eq!(set(node, TOPIC, &topic, "retention.ms", "12345"), ErrorCode::None);
        assert_eq!(value(node, TOPIC, &topic, "retention.ms").as_deref(), Some("12345"));
        let own = node.id().to_string();
        assert_eq!(set(node, BROKER, &own, "log.cleaner.threads", "2"), ErrorCode::None);
        assert_eq!(value(node, BROKER, &own, "log.cleaner.threads").as_deref(), Some("2"));
        let other = (node.id() % 3 + 1).to_string();
        assert_eq!(set(node, BROKER, &other, "log.cleaner.threads", "2"), ErrorCode::InvalidRequest);

        let gone = DeleteTopicState { name: Some(topic.as_str().into()), ..Default::default() };
        let request = DeleteTopicsRequest { topics: vec![gone], timeout_ms: 30_000, ..Default::default() };
        assert_eq!(node.ask(6, &request).unwrap().responses[0].error_code, 0);
        let metadata = node.metadata(&[&topic]).unwrap();
        assert_eq!(ErrorCode::from(metadata.topics[0].error_code), ErrorCode::UnknownTopicOrPartition);
    }
}

#[test]
fn every_broker_creates_topics_by_itself_and_hands_out_producer_ids() {
    let cluster = TestCluster::start(3, &[]).unwrap();
    let mut ids = Vec::new();
    for node in cluster.nodes() {
        let topic = format!("looked-up-at-{}", node.id());
        let named = milena_protocol::messages::metadata::MetadataRequestTopic {
            name: Some(topic.as_str().into()),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![named]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        let metadata = node.ask(12, &request).unwrap();
        assert_eq!((metadata.topics[0].error_code, metadata.topics[0].partitions.len()), (0, 1));

        let producer = eventually("a producer id", PATIENCE, || {
            let request = InitProducerIdRequest {
                producer_id: -1,
                producer_epoch: -1,
                transactional_id: None,
                ..Default::default()
            };
            node.ask(4, &request).ok().filter(|answer| answer.error_code == 0)
        });
        ids.push(producer.producer_id);

        let coordinator = eventually("a coordinator", PATIENCE, || {
            let request =
                FindCoordinatorRequest { coordinator_keys: vec!["readers".into()], ..Default::default() };
            let answer = node.ask(4, &request).ok()?;
            answer.coordinators.into_iter().find(|found| found.error_code == 0)
        });
        assert!((1..=3).contains(&coordinator.node_id), "{coordinator:?}");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn brokers_and_controllers_tell_of_each_other() {
    let cluster = TestCluster::start(3, &[]).unwrap();
    let active = cluster.controller(&[]);
    for node in cluster.nodes() {
        let of_brokers = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
        let answer = node.ask(1, &of_brokers).unwrap();
        let mut told: Vec<_> =
            answer.brokers.iter().map(|one| format!("{}:{}", one.host, one.port)).collect();
        told.sort_unstable();
        let mut expected: Vec<_> = cluster.nodes().iter().map(Node::bootstrap).collect();
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert!((1..=3).contains(&answer.controller_id));

        let of_controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
        eventually("all controllers at each controller listener", PATIENCE, || {
            let mut stream = frame::connect(&node.controller_address()).ok()?;
            let answer = frame::exchange(&mut stream, 1, &of_controllers).ok()?;
            (answer.brokers.len() == 3 && answer.controller_id == active).then_some(())
        });
    }
}

#[test]
fn a_controller_that_is_not_the_active_one_says_so() {
    let cluster = TestCluster::start(3, &[]).unwrap();
    let active = cluster.controller(&[]);
    for node in cluster.nodes().iter().filter(|node| node.id() != active) {
        let topic = CreatableTopic {
            name: "t".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
        let mut stream = frame::connect(&node.controller_address()).unwrap();
        let answer = frame::exchange(&mut stream, 7, &request).unwrap();
        assert_eq!(ErrorCode::from(answer.topics[0].error_code), ErrorCode::NotController);
    }
}
