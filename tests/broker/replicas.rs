//! Replicas and leaders as administrators ask for them, and brokers that controllers hear of. `MILENA_TEST_BROKER=kafka`
//! asks Apache Kafka the same.

use std::net::TcpStream;

use bytestring::ByteString;

use milena_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_protocol::messages::broker_registration::{Feature, Listener};
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::elect_leaders::TopicPartitions;
use milena_protocol::messages::{
    AllocateProducerIdsRequest, AlterPartitionReassignmentsRequest, BrokerHeartbeatRequest,
    BrokerRegistrationRequest, CreateTopicsRequest, DescribeClusterRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest, UnregisterBrokerRequest,
};
use milena_protocol::{ErrorCode, Request, Uuid};
use milena_tests::{TestBroker, eventually, frame};

use crate::PATIENCE;

/// Code and message.
type Outcome = (ErrorCode, Option<String>);

fn clients(broker: &TestBroker) -> TcpStream {
    frame::connect(&broker.bootstrap()).unwrap()
}

fn controllers(broker: &TestBroker) -> TcpStream {
    frame::connect(&format!("127.0.0.1:{}", broker.ports()[1])).unwrap()
}

fn call<R: Request>(stream: &mut TcpStream, version: i16, request: &R) -> R::Response {
    frame::exchange(stream, version, request).unwrap()
}

fn create(stream: &mut TcpStream, name: &str) {
    let topic =
        CreatableTopic { name: name.into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    assert_eq!(call(stream, 7, &request).topics[0].error_code, 0);
}

fn outcome(code: i16, message: Option<&str>) -> Outcome {
    (ErrorCode::from(code), message.map(ToOwned::to_owned))
}

fn reassign(
    stream: &mut TcpStream,
    topic: &str,
    index: i32,
    replicas: Option<&[i32]>,
    resize: bool,
) -> Outcome {
    let partition = ReassignablePartition { partition_index: index, replicas: replicas.map(<[i32]>::to_vec) };
    let topic = ReassignableTopic { name: topic.into(), partitions: vec![partition] };
    let request = AlterPartitionReassignmentsRequest {
        timeout_ms: 30_000,
        allow_replication_factor_change: resize,
        topics: vec![topic],
    };
    let response = call(stream, 1, &request);
    assert_eq!((response.error_code, response.allow_replication_factor_change), (0, resize));
    let result = &response.responses[0].partitions[0];
    outcome(result.error_code, result.error_message.as_deref())
}

fn elect(stream: &mut TcpStream, election_type: i8, topic: &str, partition: i32) -> Outcome {
    let request = ElectLeadersRequest {
        election_type,
        topic_partitions: Some(vec![TopicPartitions { topic: topic.into(), partitions: vec![partition] }]),
        timeout_ms: 30_000,
    };
    let response = call(stream, 2, &request);
    assert_eq!(response.error_code, 0);
    let result = &response.replica_election_results[0].partition_result[0];
    outcome(result.error_code, result.error_message.as_deref())
}

#[test]
fn reassignments_are_judged_each_by_itself() {
    use ErrorCode::{
        InvalidReplicaAssignment, InvalidReplicationFactor, NoReassignmentInProgress, UnknownTopicOrPartition,
    };
    let broker = TestBroker::start().unwrap();
    let mut stream = clients(&broker);
    create(&mut stream, "t");
    let refused = |code, message: &str| (code, Some(message.to_owned()));
    let includes = |rest: &str| {
        (InvalidReplicaAssignment, Some(format!("The manual partition assignment includes {rest}")))
    };
    for (topic, index, replicas, resize, expected) in [
        ("t", 0, Some(&[1][..]), true, outcome(0, None)),
        ("t", 0, None, true, (NoReassignmentInProgress, None)),
        ("t", 7, None, true, refused(UnknownTopicOrPartition, "Unable to find partition t:7.")),
        ("u", 0, None, true, refused(UnknownTopicOrPartition, "Unable to find a topic named u.")),
        ("t", 1, Some(&[]), true, includes("an empty replica list.")),
        ("t", 1, Some(&[9, 9]), true, includes("broker 9, but no such broker is registered.")),
        ("t", 1, Some(&[1, 1]), false, includes("the broker 1 more than once.")),
    ] {
        assert_eq!(reassign(&mut stream, topic, index, replicas, resize), expected, "{topic} {index}");
    }
    let (code, _) = reassign(&mut stream, "t", 1, Some(&[1]), false);
    assert_ne!(code, InvalidReplicationFactor);
    let list = |topics| ListPartitionReassignmentsRequest { timeout_ms: 30_000, topics };
    let response = call(&mut stream, 0, &list(None));
    assert_eq!((response.error_code, response.error_message, response.topics.len()), (0, None, 0));
}

#[test]
fn leaders_that_are_there_need_no_election() {
    use ErrorCode::{ElectionNotNeeded, UnknownTopicOrPartition};
    let broker = TestBroker::start().unwrap();
    let mut stream = clients(&broker);
    create(&mut stream, "t");
    let needless = (ElectionNotNeeded, Some("Leader election not needed for topic partition.".to_owned()));
    assert_eq!(elect(&mut stream, 0, "t", 0), needless);
    assert_eq!(elect(&mut stream, 1, "t", 1), needless);
    let missing = (UnknownTopicOrPartition, Some("No such partition as t-9".to_owned()));
    assert_eq!(elect(&mut stream, 0, "t", 9), missing);
    let missing = (UnknownTopicOrPartition, Some("No such topic as u".to_owned()));
    assert_eq!(elect(&mut stream, 0, "u", 0), missing);
    let all = ElectLeadersRequest { election_type: 0, topic_partitions: None, timeout_ms: 30_000 };
    for version in 0..=2 {
        let response = call(&mut stream, version, &all);
        let results = response.replica_election_results;
        let named: Vec<_> = results.iter().map(|r| (&*r.topic, r.partition_result.len())).collect();
        assert_eq!((response.error_code, named), (0, vec![("t", 0)]));
    }
    let unknown = ElectLeadersRequest { election_type: 7, topic_partitions: None, timeout_ms: 30_000 };
    assert_eq!(ErrorCode::from(call(&mut stream, 2, &unknown).error_code), ErrorCode::InvalidRequest);
}

/// A process of broker 7.
fn registration(cluster_id: ByteString) -> BrokerRegistrationRequest {
    let features =
        [("metadata.version", 7, 30), ("kraft.version", 0, 1), ("eligible.leader.replicas.version", 0, 1)];
    let feature = |(name, min, max): (&str, i16, i16)| Feature {
        name: name.into(),
        min_supported_version: min,
        max_supported_version: max,
    };
    let listener =
        Listener { name: "PLAINTEXT".into(), host: "127.0.0.1".into(), port: 9, security_protocol: 0 };
    BrokerRegistrationRequest {
        broker_id: 7,
        cluster_id,
        incarnation_id: Uuid::from_u128(1 << 70),
        listeners: vec![listener],
        features: features.map(feature).to_vec(),
        log_dirs: vec![Uuid::from_u128(1 << 71)],
        previous_broker_epoch: -1,
        ..Default::default()
    }
}

fn register(stream: &mut TcpStream, request: &BrokerRegistrationRequest) -> (ErrorCode, i64) {
    let response = call(stream, 4, request);
    (ErrorCode::from(response.error_code), response.broker_epoch)
}

/// Whether broker 7 is caught up, is fenced, should shut down, if it has seen the metadata up to `seen`.
fn beat(
    stream: &mut TcpStream,
    broker_epoch: i64,
    seen: i64,
    (want_fence, want_shut_down): (bool, bool),
) -> Result<(bool, bool, bool), ErrorCode> {
    let request = BrokerHeartbeatRequest {
        broker_id: 7,
        broker_epoch,
        current_metadata_offset: seen,
        want_fence,
        want_shut_down,
        offline_log_dirs: Vec::new(),
        cordoned_log_dirs: None,
    };
    let response = call(stream, 1, &request);
    let said = (response.is_caught_up, response.is_fenced, response.should_shut_down);
    if response.error_code == 0 { Ok(said) } else { Err(ErrorCode::from(response.error_code)) }
}

#[test]
fn broker_registers_with_the_controller_and_is_forgotten_again() {
    let broker = TestBroker::start().unwrap();
    let (mut clients, mut stream) = (clients(&broker), controllers(&broker));
    // Before there is another broker that could get it.
    create(&mut clients, "moved");
    let cluster = call(&mut clients, 0, &DescribeClusterRequest::default());
    let first = registration(cluster.cluster_id);
    let elsewhere = BrokerRegistrationRequest { cluster_id: "other".into(), ..first.clone() };
    assert_eq!(register(&mut stream, &elsewhere), (ErrorCode::InconsistentClusterId, -1));
    let nowhere = BrokerRegistrationRequest { log_dirs: vec![], ..first.clone() };
    assert_eq!(register(&mut stream, &nowhere), (ErrorCode::InvalidRegistration, -1));
    let (code, epoch) = register(&mut stream, &first);
    assert_eq!(code, ErrorCode::None);
    assert_eq!(register(&mut stream, &first), (ErrorCode::None, epoch), "the same process");

    let (all, stay, wait, stop) = (i64::MAX, (false, false), (true, false), (false, true));
    assert_eq!(beat(&mut stream, epoch + 1, 0, stay), Err(ErrorCode::StaleBrokerEpoch));
    assert_eq!(beat(&mut stream, epoch, 0, stay), Ok((false, true, false)), "it has seen nothing");
    assert_eq!(beat(&mut stream, epoch, all, wait), Ok((true, true, false)), "it does not want to");
    assert_eq!(beat(&mut stream, epoch, all, stay), Ok((true, false, false)));
    let other = BrokerRegistrationRequest {
        incarnation_id: Uuid::from_u128(2 << 70),
        log_dirs: vec![Uuid::from_u128(2 << 71)],
        ..first
    };
    assert_eq!(register(&mut stream, &other), (ErrorCode::DuplicateBrokerRegistration, -1));
    eventually("broker 7 at the clients' listener", PATIENCE, || {
        let cluster = call(&mut clients, 0, &DescribeClusterRequest::default());
        cluster.brokers.iter().any(|broker| broker.broker_id == 7).then_some(())
    });
    assert_eq!(reassign_to_seven(&mut clients), outcome(0, None));
    let ids = call(&mut stream, 0, &AllocateProducerIdsRequest { broker_id: 7, broker_epoch: epoch });
    assert_eq!((ids.error_code, ids.producer_id_len), (0, 1000));
    assert_eq!(beat(&mut stream, epoch, all, stop), Ok((true, true, true)), "it leads nothing");

    let unregister = UnregisterBrokerRequest { broker_id: 7 };
    assert_eq!(call(&mut clients, 0, &unregister).error_code, 0);
    let again = call(&mut clients, 0, &unregister);
    let gone = (ErrorCode::BrokerIdNotRegistered, Some("Broker ID 7 is not currently registered".to_owned()));
    assert_eq!(outcome(again.error_code, again.error_message.as_deref()), gone);
}

/// A replica moves to broker 7, which never fetches it, and comes back.
fn reassign_to_seven(stream: &mut TcpStream) -> Outcome {
    assert_eq!(reassign(stream, "moved", 0, Some(&[7]), true), outcome(0, None));
    let list = ListPartitionReassignmentsRequest { timeout_ms: 30_000, topics: None };
    let moving = call(stream, 0, &list);
    let partition = &moving.topics[0].partitions[0];
    assert_eq!((&*moving.topics[0].name, partition.partition_index), ("moved", 0));
    assert_eq!(
        (&partition.replicas[..], &partition.adding_replicas[..], &partition.removing_replicas[..]),
        (&[7, 1][..], &[7][..], &[1][..])
    );
    let result = reassign(stream, "moved", 0, None, true);
    assert_eq!(call(stream, 0, &list).topics.len(), 0);
    result
}
