//! Tables: pods and what the cluster says -> who stops.

use serde_json::json;

use super::*;
use crate::cluster::view::{BrokerView, MetadataReplica, PartitionView};

/// `id:state` each: `o` outdated, `n` newest; `r` ready, `u` running but not ready, `d` down, `s` stopping.
fn pods(text: &str) -> Vec<PodView> {
    let pod = |text: &str| {
        let (id, state) = text.split_once(':').unwrap();
        let id: i32 = id.parse().unwrap();
        PodView {
            id: NodeId(id),
            role: if id < 1000 { Role::Broker } else { Role::Controller },
            name: format!("p-{id}"),
            outdated: state.contains('o'),
            ready: state.contains('r'),
            running: !state.contains('d'),
            stopping: state.contains('s'),
        }
    };
    text.split_whitespace().map(pod).collect()
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// A settled cluster of `brokers` in as many racks as there are letters, the first three voting, `leader` active.
fn cluster(racks: &str, leader: i32) -> ClusterView {
    let replica = MetadataReplica { directory: uuid::Uuid::nil(), caught_up: true };
    let broker = |rack: char| BrokerView { rack: Some(rack.to_string().into()), fenced: false };
    let ids = || (0..).map(NodeId);
    ClusterView {
        leader: Some(NodeId(leader)),
        voters: ids().take(racks.len().min(3)).map(|id| (id, replica)).collect(),
        observers: ids().skip(3).take(racks.len().saturating_sub(3)).map(|id| (id, replica)).collect(),
        brokers: ids().zip(racks.chars().map(broker)).collect(),
        partitions: Vec::new(),
    }
}

fn partition(replicas: &[i32], isr: &[i32], min_in_sync: usize) -> PartitionView {
    PartitionView {
        topic: "t".to_owned(),
        replicas: nodes(replicas),
        isr: nodes(isr),
        min_in_sync,
        ..PartitionView::default()
    }
}

fn with(mut view: ClusterView, partitions: &[PartitionView]) -> ClusterView {
    view.partitions = partitions.to_vec();
    view
}

fn stops(names: &[&str]) -> Roll {
    Roll::Stop { pods: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn waits(roll: &Roll, told: &str) {
    let Roll::Waiting { message, .. } = roll else { panic!("{roll:?} does not wait for {told}") };
    assert!(message.contains(told), "{message}");
}

#[test]
fn a_single_outdated_broker_is_stopped_ready_or_not() {
    assert_eq!(next_pods(None, &pods("0:or"), true), stops(&["p-0"]));
    assert_eq!(next_pods(None, &pods("0:ou"), true), stops(&["p-0"]));
    assert_eq!(next_pods(None, &pods("0:nr"), true), Roll::Settled);
    waits(&next_pods(None, &pods("0:ors"), true), "p-0 is stopping");
}

#[test]
fn what_serves_nobody_is_stopped_without_asking() {
    assert_eq!(next_pods(None, &pods("0:or 1:od 2:od"), false), stops(&["p-1", "p-2"]));
    assert_eq!(next_pods(None, &pods("0:ou 1:ou 2:nu"), false), stops(&["p-0", "p-1"]));
    waits(&next_pods(None, &pods("0:or 1:or 2:or"), false), "does not say");
    waits(&next_pods(None, &pods("0:or 1:ou 2:or"), false), "does not say");
}

#[test]
fn one_broker_after_the_other_and_the_active_controller_last() {
    let t = [partition(&[0, 1, 2], &[0, 1, 2], 2)];
    let view = |leader| with(cluster("abc", leader), &t);
    assert_eq!(next_pods(Some(&view(0)), &pods("0:or 1:or 2:or"), false), stops(&["p-1"]));
    assert_eq!(next_pods(Some(&view(1)), &pods("0:or 1:or 2:or"), false), stops(&["p-0"]));
    assert_eq!(next_pods(Some(&view(0)), &pods("0:or 1:nr 2:or"), false), stops(&["p-2"]));
    assert_eq!(next_pods(Some(&view(0)), &pods("0:or 1:nr 2:nr"), false), stops(&["p-0"]));
    assert_eq!(next_pods(Some(&view(0)), &pods("0:nr 1:nr 2:nr"), false), Roll::Settled);
}

#[test]
fn the_next_one_waits_until_the_last_is_ready_known_and_caught_up() {
    let view = with(cluster("abc", 2), &[partition(&[0, 1, 2], &[0, 1, 2], 2)]);
    waits(&next_pods(Some(&view), &pods("0:nu 1:or 2:or"), false), "p-0 is not ready yet");
    waits(&next_pods(Some(&view), &pods("0:nrs 1:or 2:or"), false), "p-0 is stopping");
    waits(&next_pods(Some(&view), &pods("1:or 2:or"), false), "node 0 has no pod");

    let ready = pods("0:nr 1:or 2:or");
    let lagging = with(view.clone(), &[partition(&[0, 1, 2], &[1, 2], 2)]);
    waits(&next_pods(Some(&lagging), &ready, false), "broker 0 is not in sync with partition t-0");
    let mut fenced = view.clone();
    fenced.brokers.get_mut(&NodeId(0)).unwrap().fenced = true;
    waits(&next_pods(Some(&fenced), &ready, false), "broker 0 is fenced");
    let mut behind = view.clone();
    behind.voters.get_mut(&NodeId(0)).unwrap().caught_up = false;
    waits(&next_pods(Some(&behind), &ready, false), "node 0 has not caught up");
    let mut leaderless = view;
    leaderless.leader = None;
    waits(&next_pods(Some(&leaderless), &ready, false), "no leader");
}

#[test]
fn no_partition_falls_below_its_minimum() {
    let all = pods("0:or 1:nr 2:nr");
    // Being moved to three replicas, of which one is there: 0 may go once another is in sync.
    let moving = PartitionView { adding: nodes(&[1, 2]), ..partition(&[0, 1, 2], &[0], 2) };
    let view = with(cluster("abc", 2), &[moving]);
    waits(&next_pods(Some(&view), &all, false), "p-0: partition t-0 would have fewer than 2");
    // What could never be kept is let go at full strength.
    for hopeless in
        [partition(&[0], &[0], 1), partition(&[0, 1], &[0, 1], 2), partition(&[0, 1, 2], &[0, 1, 2], 3)]
    {
        let view = with(cluster("abc", 2), &[hopeless]);
        assert_eq!(next_pods(Some(&view), &all, false), stops(&["p-0"]));
    }
    // The last one in sync stays, whatever the minimum.
    let view = with(cluster("abc", 2), &[partition(&[0, 1], &[0], 1)]);
    assert_eq!(
        view.hold(&BTreeSet::from([NodeId(0)])),
        Some("partition t-0 would have fewer than 1 replicas in sync".to_owned())
    );
    assert_eq!(view.hold(&BTreeSet::from([NodeId(1)])), None, "it is not in sync anyway");
}

#[test]
fn the_quorum_keeps_its_majority() {
    let mut view = cluster("abc", 2);
    view.voters.get_mut(&NodeId(1)).unwrap().caught_up = false;
    let majority = Some("the metadata quorum would lose its majority".to_owned());
    assert_eq!(view.hold(&BTreeSet::from([NodeId(0)])), majority);
    assert_eq!(view.hold(&BTreeSet::from([NodeId(1)])), None);
    let whole = cluster("abc", 2);
    assert_eq!(whole.hold(&BTreeSet::from([NodeId(0), NodeId(1)])), majority);
    // A quorum of one or two has none to keep.
    assert_eq!(cluster("a", 0).hold(&BTreeSet::from([NodeId(0)])), None);
    assert_eq!(cluster("ab", 0).hold(&BTreeSet::from([NodeId(1)])), None);
}

#[test]
fn an_outdated_broker_that_is_not_ready_goes_first_if_nobody_needs_it() {
    let down = pods("0:or 1:ou 2:or");
    let mut view = with(cluster("abc", 0), &[partition(&[0, 1, 2], &[0, 2], 2)]);
    view.brokers.get_mut(&NodeId(1)).unwrap().fenced = true;
    assert_eq!(next_pods(Some(&view), &down, false), stops(&["p-1"]));
    // Not ready, but the last that has the records.
    let needed = with(view, &[partition(&[0, 1], &[1], 1)]);
    waits(&next_pods(Some(&needed), &down, false), "p-1 is not ready yet");
}

#[test]
fn the_brokers_of_a_rack_go_together_where_that_harms_nobody() {
    let racks = "abcabc";
    let spread = [partition(&[0, 1, 2], &[0, 1, 2], 2), partition(&[3, 4, 5], &[3, 4, 5], 2)];
    let view = with(cluster(racks, 1), &spread);
    let all = pods("0:or 1:or 2:or 3:or 4:or 5:or");
    assert_eq!(next_pods(Some(&view), &all, false), stops(&["p-0", "p-3"]));
    let shared = with(cluster(racks, 1), &[partition(&[0, 3, 1], &[0, 3, 1], 2)]);
    assert_eq!(next_pods(Some(&shared), &all, false), stops(&["p-0"]));
    let mut nowhere = view;
    nowhere.brokers.values_mut().for_each(|broker| broker.rack = None);
    assert_eq!(next_pods(Some(&nowhere), &all, false), stops(&["p-0"]));
}

#[test]
fn new_brokers_hold_nobody_up() {
    // Grown from one: 1 and 2 wait for the first to be told of them.
    let view = with(cluster("a", 0), &[partition(&[0], &[0], 1)]);
    let grown = pods("0:or 1:nu 2:nu");
    let roll = next_pods(Some(&view), &grown, false);
    assert_eq!(roll, stops(&["p-0"]));
    assert_eq!(budget(Some(&view), &grown, &roll, false), Budget { brokers: 3, controllers: 0 });
}

#[test]
fn the_budget_is_what_the_cluster_can_do_without() {
    let whole = with(cluster("abc", 0), &[partition(&[0, 1, 2], &[0, 1, 2], 2)]);
    let ready = pods("0:nr 1:nr 2:nr");
    let of = |view: Option<&ClusterView>, roll: &Roll| budget(view, &ready, roll, false).brokers;
    assert_eq!(of(Some(&whole), &Roll::Settled), 1);
    assert_eq!(of(None, &Roll::Settled), 0);
    let lagging = with(cluster("abc", 0), &[partition(&[0, 1, 2], &[0, 1], 2)]);
    assert_eq!(of(Some(&lagging), &Roll::Settled), 0);
    assert_eq!(of(Some(&whole), &stops(&["p-0", "p-1"])), 2);
    assert_eq!(budget(None, &pods("0:nr"), &Roll::Settled, true), Budget { brokers: 1, controllers: 1 });
}

#[test]
fn nothing_is_stopped_before_the_change_is_seen() {
    let set = |generation: i64| -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"generation": generation},
            "spec": {"replicas": 1, "serviceName": "s", "selector": {}, "template": {}},
            "status": {"observedGeneration": 2, "updateRevision": "b", "replicas": 1},
        }))
        .unwrap()
    };
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p-0", "labels": {REVISION_LABEL: "a"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .unwrap();
    let observed = |generation: i64| ObservedCluster {
        stateful_sets: [(Role::Broker, set(generation).into())].into(),
        pods: [((Role::Broker, 0), pod.clone().into())].into(),
        ..ObservedCluster::default()
    };
    assert_eq!(super::pods(&observed(3)), Err(applying()));
    assert_eq!(super::pods(&observed(2)), Ok(pods("0:or")));
}
