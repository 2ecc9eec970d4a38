//! Who leads, and who may: moved by Kafka's own tools, and found again where the ISR was lost.

use std::fs;

use milena_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use milena_protocol::messages::describe_topic_partitions::{DescribeTopicPartitionsRequest, TopicRequest};
use milena_tests::{Flavor, Node, Role, TestCluster, eventually, java};

use crate::PATIENCE;

/// Leader, replicas, ISR and eligible replicas of a partition; the last two ascending.
type Standing = (i32, Vec<i32>, Vec<i32>, Vec<i32>);

fn create(node: &Node, name: &str, assignments: &[&[i32]], min_isr: &str) {
    let assignment = |(partition_index, brokers): (i32, &&[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
    };
    let config = CreatableTopicConfig { name: "min.insync.replicas".into(), value: Some(min_isr.into()) };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: (0..).zip(assignments).map(assignment).collect(),
        configs: vec![config],
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, validate_only: false };
    let response = node.ask(7, &request).unwrap();
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
}

fn standings(node: &Node, name: &str) -> Option<Vec<Standing>> {
    let topics = vec![TopicRequest { name: name.into() }];
    let request = DescribeTopicPartitionsRequest { topics, response_partition_limit: 100, cursor: None };
    let mut response = node.ask(0, &request).ok()?;
    let sorted = |mut nodes: Vec<i32>| {
        nodes.sort_unstable();
        nodes
    };
    let partitions = response.topics.remove(0).partitions.into_iter().map(|one| {
        let eligible = one.eligible_leader_replicas.unwrap_or_default();
        (one.leader_id, one.replica_nodes, sorted(one.isr_nodes), sorted(eligible))
    });
    Some(partitions.collect())
}

fn await_standings(node: &Node, name: &str, expected: &[Standing]) {
    eventually(&format!("{expected:?} at broker {}", node.id()), PATIENCE, || {
        (standings(node, name)? == expected).then_some(())
    });
}

#[test]
fn kafkas_tools_move_replicas_and_leaders() {
    let cluster = TestCluster::start(3, &[]).unwrap();
    create(cluster.node(1), "t", &[&[1, 2], &[2, 3]], "1");
    let bootstrap = cluster.bootstrap();
    let plan = r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[3,2,1]},
        {"topic":"t","partition":1,"replicas":[1]}]}"#;
    let file = cluster.node(1).folder().join("plan.json");
    std::fs::write(&file, plan).unwrap();
    let reassign = |action: &str| {
        let file = file.to_string_lossy();
        let arguments = ["--bootstrap-server", &bootstrap, action, "--reassignment-json-file", &file];
        java::tool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", &arguments).unwrap()
    };
    let begun = reassign("--execute");
    assert!(begun.contains("Successfully started partition reassignments for t-0,t-1"), "{begun}");
    let moved = [(1, vec![3, 2, 1], vec![1, 2, 3], vec![]), (1, vec![1], vec![1], vec![])];
    await_standings(cluster.node(2), "t", &moved);
    let verified = reassign("--verify");
    assert_eq!(verified.matches("is completed").count(), 2, "{verified}");
    let arguments =
        ["--bootstrap-server", &bootstrap, "--election-type", "preferred", "--all-topic-partitions"];
    let elected = java::tool("org.apache.kafka.tools.LeaderElectionCommand", &arguments).unwrap();
    assert!(
        elected.contains("Successfully completed leader election (PREFERRED) for partitions t-0"),
        "{elected}"
    );
    let led = [(3, vec![3, 2, 1], vec![1, 2, 3], vec![]), (1, vec![1], vec![1], vec![])];
    await_standings(cluster.node(2), "t", &led);
}

#[test]
fn replica_that_stopped_with_everything_leads_when_the_isr_is_gone() {
    let nodes = [(Role::Controller, Flavor::Milena), (Role::Broker, Flavor::Milena)];
    let nodes = [nodes[0], nodes[1], nodes[1], nodes[1]];
    let mut cluster = TestCluster::prepare(&nodes, &[("offsets.topic.replication.factor", "1")]).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    create(cluster.node(4), "t", &[&[2, 3]], "2");
    let standing =
        |leader, isr: &[i32], eligible: &[i32]| [(leader, vec![2, 3], isr.to_vec(), eligible.to_vec())];
    cluster.stop(2);
    await_standings(cluster.node(4), "t", &standing(3, &[3], &[2]));
    cluster.kill(3);
    await_standings(cluster.node(4), "t", &standing(-1, &[], &[2, 3]));
    // The machine has run on: all that the process wrote is there.
    cluster.restart(3).unwrap();
    await_standings(cluster.node(4), "t", &standing(3, &[3], &[2]));
    cluster.kill(3);
    await_standings(cluster.node(4), "t", &standing(-1, &[], &[2, 3]));
    // Of another machine's run nothing is known.
    fs::remove_file(cluster.node(3).folder().join("data/.milena_run")).unwrap();
    cluster.restart(3).unwrap();
    await_standings(cluster.node(4), "t", &standing(-1, &[], &[2]));
    cluster.restart(2).unwrap();
    await_standings(cluster.node(4), "t", &standing(2, &[2, 3], &[]));
}
