//! Brokers of one kind with controllers of the other: they register, ask and are asked by the same bytes.

use milena_protocol::ErrorCode;
use milena_tests::{Flavor, Role, TestCluster, eventually};

use crate::PATIENCE;
use crate::requests::create;

const SETTINGS: &[(&str, &str)] = &[("offsets.topic.replication.factor", "1")];

#[test]
fn brokers_live_with_a_controller_of_apache_kafka() {
    let nodes =
        [(Role::Controller, Flavor::Kafka), (Role::Broker, Flavor::Milena), (Role::Broker, Flavor::Milena)];
    let mut cluster = TestCluster::prepare(&nodes, SETTINGS).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    assert_eq!(create(cluster.node(2), "forwarded", 4, 2), ErrorCode::None);
    assert_eq!(cluster.node(2).metadata(&["forwarded"]).unwrap().topics[0].partitions.len(), 4);
    assert_eq!(create(cluster.node(3), "forwarded", 4, 2), ErrorCode::TopicAlreadyExists);
    cluster.stop(2);
    eventually("the other broker to lead alone", PATIENCE, || {
        let metadata = cluster.node(3).metadata(&["forwarded"]).ok()?;
        metadata.topics[0].partitions.iter().all(|one| one.leader_id == 3).then_some(())
    });
    cluster.restart(2).unwrap();
    cluster.await_all();
}

#[test]
fn a_broker_of_apache_kafka_lives_with_our_controller() {
    let nodes =
        [(Role::Controller, Flavor::Milena), (Role::Broker, Flavor::Kafka), (Role::Broker, Flavor::Milena)];
    let mut cluster = TestCluster::prepare(&nodes, SETTINGS).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    assert_eq!(create(cluster.node(2), "forwarded", 4, 2), ErrorCode::None);
    assert_eq!(create(cluster.node(3), "forwarded", 4, 2), ErrorCode::TopicAlreadyExists);
    cluster.stop(2);
    let metadata = cluster.node(3).metadata(&["forwarded"]).unwrap();
    assert!(metadata.topics[0].partitions.iter().all(|one| one.leader_id == 3), "{metadata:?}");
}
