//! Nodes come and go: the others notice, and take over what it led.

use std::collections::BTreeMap;

use milena_protocol::ErrorCode;
use milena_tests::{Flavor, Role, TestCluster, eventually};

use crate::PATIENCE;
use crate::requests::create;

/// Nobody is missed for its silence: that a process is gone must be found out.
const ENDLESS_SESSIONS: &[(&str, &str)] = &[("broker.session.timeout.ms", "600000")];

/// Leaders and in-sync replicas of a topic, as the broker `at` tells them.
fn led(cluster: &TestCluster, at: i32, topic: &str) -> BTreeMap<i32, (i32, Vec<i32>)> {
    let metadata = cluster.node(at).metadata(&[topic]).unwrap();
    let partitions = metadata.topics.into_iter().flat_map(|topic| topic.partitions);
    partitions.map(|one| (one.partition_index, (one.leader_id, one.isr_nodes))).collect()
}

/// Waits until every replica of the topic of [`led`] is in sync, as the broker `at` knows it.
fn await_in_sync(cluster: &TestCluster, at: i32) {
    eventually("all replicas in sync", PATIENCE, || {
        let led = led(cluster, at, "led");
        let is_whole = led.values().all(|(leader, isr)| *leader > 0 && isr.len() == 3);
        (led.len() == 9 && is_whole).then_some(())
    });
}

fn await_gone(cluster: &TestCluster, at: i32, gone: i32) {
    eventually(&format!("broker {at} to miss broker {gone}"), PATIENCE, || {
        let known = cluster.node(at).brokers().ok()?;
        (!known.contains(&gone)).then_some(())
    });
}

#[test]
fn three_processes_form_a_cluster_whatever_their_order() {
    let mut cluster = TestCluster::prepare(&[(Role::Combined, Flavor::Milena); 3], &[]).unwrap();
    cluster.launch(3).unwrap();
    cluster.launch(1).unwrap();
    cluster.await_brokers(1, &[1, 3]);
    cluster.launch(2).unwrap();
    cluster.await_all();
    let active = cluster.controller(&[]);
    assert!((1..=3).contains(&active));
    for node in cluster.nodes() {
        eventually("readiness", PATIENCE, || (node.page("/readyz").ok()?.0 == 200).then_some(()));
    }
}

#[test]
fn voters_may_be_kept_in_the_log_of_the_quorum() {
    let mut cluster = TestCluster::prepare_dynamic(&[Role::Combined; 3], &[]).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    let active = cluster.controller(&[]);
    cluster.kill(active);
    let other = active % 3 + 1;
    eventually("another active controller", PATIENCE, || {
        let code = create(cluster.node(other), "after", 1, 2);
        matches!(code, ErrorCode::None | ErrorCode::TopicAlreadyExists).then_some(())
    });
    cluster.restart(active).unwrap();
    cluster.await_all();
}

#[test]
fn a_node_that_stops_hands_over_what_it_led_before_it_ends() {
    let mut cluster = TestCluster::start(3, &[]).unwrap();
    assert_eq!(create(cluster.node(1), "led", 9, 3), ErrorCode::None);
    for gone in 1..=3 {
        let other = gone % 3 + 1;
        await_in_sync(&cluster, other);
        cluster.stop(gone);
        // At once: nobody has to find out that it is gone.
        let led = led(&cluster, other, "led");
        assert!(
            led.values().all(|(leader, isr)| *leader > 0 && *leader != gone && !isr.contains(&gone)),
            "{led:?}"
        );
        cluster.restart(gone).unwrap();
        cluster.await_all();
    }
}

#[test]
fn a_node_that_is_killed_is_replaced_and_comes_back() {
    let mut cluster = TestCluster::start(3, ENDLESS_SESSIONS).unwrap();
    assert_eq!(create(cluster.node(1), "led", 9, 3), ErrorCode::None);
    for round in 0..3 {
        // The active controller is one of them at least once.
        let gone = if round == 0 { cluster.controller(&[]) } else { round };
        let others: Vec<i32> = (1..=3).filter(|id| *id != gone).collect();
        await_in_sync(&cluster, others[0]);
        cluster.kill(gone);
        for other in &others {
            await_gone(&cluster, *other, gone);
        }
        assert_ne!(cluster.controller(&[gone]), gone);
        let name = format!("made-without-{gone}-{round}");
        for other in &others {
            eventually("a topic that others make", PATIENCE, || {
                let code = create(cluster.node(*other), &name, 1, 2);
                matches!(code, ErrorCode::None | ErrorCode::TopicAlreadyExists).then_some(())
            });
        }
        eventually("leaders among the others", PATIENCE, || {
            let led = led(&cluster, others[0], "led");
            led.values().all(|(leader, _)| *leader > 0 && *leader != gone).then_some(())
        });
        cluster.restart(gone).unwrap();
        cluster.await_all();
    }
}

#[test]
fn nodes_that_are_killed_one_right_after_the_other_are_missed() {
    let mut cluster = TestCluster::start(5, ENDLESS_SESSIONS).unwrap();
    let first = cluster.controller(&[]);
    cluster.kill(first);
    let second = cluster.controller(&[first]);
    cluster.kill(second);
    let others: Vec<i32> = (1..=5).filter(|id| ![first, second].contains(id)).collect();
    for other in others {
        await_gone(&cluster, other, first);
        await_gone(&cluster, other, second);
    }
}

#[test]
fn all_nodes_may_end_and_start_at_once() {
    let mut cluster = TestCluster::start(3, &[]).unwrap();
    assert_eq!(create(cluster.node(2), "kept", 3, 3), ErrorCode::None);
    for id in 1..=3 {
        cluster.kill(id);
    }
    cluster.launch_all().unwrap();
    cluster.await_all();
    for id in 1..=3 {
        assert_eq!(led(&cluster, id, "kept").len(), 3);
    }
    // In order, all at once: the last ones have nobody to hand over to, and no controller to ask.
    cluster.stop_all();
    cluster.launch_all().unwrap();
    cluster.await_all();
    for id in 1..=3 {
        assert_eq!(led(&cluster, id, "kept").len(), 3);
    }
}

#[test]
fn dedicated_controllers_and_brokers_are_processes_of_one_role() {
    let nodes = [
        (Role::Controller, Flavor::Milena),
        (Role::Controller, Flavor::Milena),
        (Role::Controller, Flavor::Milena),
        (Role::Broker, Flavor::Milena),
        (Role::Broker, Flavor::Milena),
    ];
    let mut cluster = TestCluster::prepare(&nodes, &[("offsets.topic.replication.factor", "2")]).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    assert_eq!(create(cluster.node(4), "led", 4, 2), ErrorCode::None);
    let active = cluster.controller(&[]);
    assert!((1..=3).contains(&active));
    for node in cluster.nodes() {
        eventually("readiness", PATIENCE, || (node.page("/readyz").ok()?.0 == 200).then_some(()));
    }
    cluster.kill(active);
    eventually("another active controller", PATIENCE, || {
        let code = create(cluster.node(5), "after", 1, 2);
        matches!(code, ErrorCode::None | ErrorCode::TopicAlreadyExists).then_some(())
    });
    cluster.stop(4);
    let led = led(&cluster, 5, "led");
    assert!(led.values().all(|(leader, _)| *leader == 5), "{led:?}");
}

#[test]
fn broker_that_lingers_is_not_ready_leads_nothing_and_still_answers() {
    let mut cluster = TestCluster::prepare(&[(Role::Combined, Flavor::Milena); 3], &[]).unwrap();
    for id in 1..=3 {
        cluster.launch_with(id, &[("MILENA_LINGER_MS", "3600000")]).unwrap();
    }
    cluster.await_all();
    assert_eq!(create(cluster.node(1), "led", 9, 3), ErrorCode::None);
    await_in_sync(&cluster, 3);
    cluster.node(2).process().unwrap().signal("TERM");
    await_gone(&cluster, 1, 2);
    eventually("a page that says not ready", PATIENCE, || {
        (cluster.node(2).page("/readyz").ok()?.0 == 503).then_some(())
    });
    eventually("others that lead, by its own word", PATIENCE, || {
        let led = led(&cluster, 2, "led");
        led.values().all(|(leader, _)| [1, 3].contains(leader)).then_some(())
    });
    // A second signal ends its patience.
    cluster.stop(2);
}
