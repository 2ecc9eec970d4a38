//! The metadata quorum with controllers of Apache Kafka and ours side by side: the conformance of the consensus.
//!
//! Whoever leads, the others follow: elections, changes, snapshots and restarts go in every direction, brokers of both
//! register with controllers of both, and every snapshot that either wrote says what the log says, read by the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use milena_protocol::messages::CreateTopicsRequest;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_tests::cluster::{Role, TestCluster};
use milena_tests::{Flavor, eventually};

mod images;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Snapshots come often, and what they cover is soon forgotten.
const SETTINGS: &[(&str, &str)] = &[
    ("metadata.log.max.record.bytes.between.snapshots", "2000"),
    ("metadata.max.retention.bytes", "1000"),
    ("internal.metadata.log.segment.bytes", "10000"),
    ("internal.metadata.delete.delay.millis", "1"),
    ("metadata.log.max.snapshot.interval.ms", "2000"),
];
/// The broker of Apache Kafka, and ours.
const BROKERS: [i32; 2] = [4, 5];

fn create(cluster: &TestCluster, broker: i32, name: &str) {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 3,
        replication_factor: 2,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 20_000, validate_only: false };
    eventually(&format!("topic {name} by broker {broker}"), PATIENCE, || {
        let answer = cluster.node(broker).ask(7, &request).ok()?;
        let code = answer.topics.first()?.error_code;
        // TOPIC_ALREADY_EXISTS: an earlier try was carried out.
        [0, 36].contains(&code).then_some(())
    });
    for broker in BROKERS {
        eventually(&format!("topic {name} at broker {broker}"), PATIENCE, || {
            let metadata = cluster.node(broker).metadata(&[name]).ok()?;
            let topic = metadata.topics.first().filter(|topic| topic.error_code == 0)?;
            (topic.partitions.len() == 3).then_some(())
        });
    }
}

/// The leader, once it is not `former`.
fn leader(cluster: &TestCluster, former: Option<i32>) -> i32 {
    eventually("another active controller", PATIENCE, || {
        let leader = cluster.controller(&[]);
        (Some(leader) != former).then_some(leader)
    })
}

/// Two brokers, and three controllers of these flavors.
fn live(controllers: [Flavor; 3]) {
    let mut nodes: Vec<_> = controllers.iter().map(|flavor| (Role::Controller, *flavor)).collect();
    nodes.extend([(Role::Broker, Flavor::Kafka), (Role::Broker, Flavor::Milena)]);
    let mut cluster = TestCluster::prepare(&nodes, SETTINGS).unwrap();
    cluster.launch_all().unwrap();
    BROKERS.iter().for_each(|id| cluster.await_brokers(*id, &BROKERS));
    BROKERS.iter().for_each(|id| create(&cluster, *id, &format!("first-by-{id}")));

    // Everybody leads, ends in order or at once, and comes back.
    let mut led: BTreeMap<i32, u32> = BTreeMap::new();
    let mut turn = 0;
    while led.len() < 3 {
        turn += 1;
        assert!(turn < 40, "not everybody leads: {led:?}");
        let current = leader(&cluster, None);
        *led.entry(current).or_default() += 1;
        create(&cluster, BROKERS[turn % 2], &format!("led-by-{current}-{turn}"));
        if turn % 2 == 0 {
            cluster.kill(current)
        } else {
            cluster.stop(current)
        }
        let next = leader(&cluster, Some(current));
        create(&cluster, BROKERS[turn % 2], &format!("without-{current}-{turn}"));
        cluster.launch(current).unwrap();
        images::await_caught_up(&cluster, next, current);
    }

    // A follower that misses more than the log still has fetches a snapshot, from a leader of either flavor.
    for id in [1, 2, 3] {
        if leader(&cluster, None) == id {
            cluster.stop(id);
            leader(&cluster, Some(id));
        } else {
            cluster.stop(id);
        }
        let missed = images::newest_snapshot(&cluster, id);
        for number in 0..12 {
            create(&cluster, BROKERS[number % 2], &format!("missed-by-{id}-{number}"));
        }
        let next = leader(&cluster, None);
        images::await_log_start_beyond(&cluster, next, missed);
        cluster.launch(id).unwrap();
        images::await_caught_up(&cluster, next, id);
    }
    let leaders = images::leaders(&cluster);
    eprintln!("leaders by flavor: {led:?}; epochs in the log: {leaders:?}");
    BROKERS.iter().for_each(|id| cluster.stop(*id));
    (1..=3).for_each(|id| cluster.kill(id));
    images::compare(&cluster, &[1, 2, 3]);
}

#[test]
fn one_of_ours_among_two_of_apache_kafka() {
    live([Flavor::Kafka, Flavor::Kafka, Flavor::Milena]);
}

#[test]
fn two_of_ours_beside_one_of_apache_kafka() {
    live([Flavor::Milena, Flavor::Kafka, Flavor::Milena]);
}
