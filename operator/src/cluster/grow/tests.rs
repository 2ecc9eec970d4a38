//! Tables: what the cluster says -> the next step of its growth.

use std::collections::BTreeMap;

use milena_protocol::PartitionIndex;

use super::*;
use crate::cluster::validate::validate;
use crate::cluster::view::{BrokerView, MetadataReplica};
use crate::crd::KafkaCluster;

fn cluster(spec: &str) -> ValidatedCluster {
    let spec = serde_saphyr::from_str(&format!("{{storage: {{size: 1Gi}}, {spec}}}")).unwrap();
    let mut cluster = KafkaCluster::new("demo", spec);
    cluster.metadata.namespace = Some("ns".to_owned());
    validate(&cluster, "image").unwrap()
}

fn replicas(ids: &[i32]) -> BTreeMap<NodeId, MetadataReplica> {
    let replica = |id: &i32| {
        let directory = uuid::Uuid::from_u128(u128::from(id.unsigned_abs()) + 1);
        (NodeId(*id), MetadataReplica { directory, caught_up: true })
    };
    ids.iter().map(replica).collect()
}

fn view(voters: &[i32], observers: &[i32], brokers: i32) -> ClusterView {
    ClusterView {
        leader: Some(NodeId(voters[0])),
        voters: replicas(voters),
        observers: replicas(observers),
        brokers: (0..brokers).map(|id| (NodeId(id), BrokerView::default())).collect(),
        partitions: Vec::new(),
    }
}

fn partition(topic: &str, index: i32, replicas: &[i32]) -> PartitionView {
    let replicas: Vec<_> = replicas.iter().copied().map(NodeId).collect();
    PartitionView {
        topic: topic.to_owned(),
        index,
        isr: replicas.clone(),
        replicas,
        ..PartitionView::default()
    }
}

#[test]
fn one_voter_grows_to_three_one_after_the_other() {
    let growth = plan(&cluster("brokers: 3"), &view(&[0], &[1, 2], 3));
    let voter = NewVoter {
        id: NodeId(1),
        directory: uuid::Uuid::from_u128(2),
        listener: "CONTROLLER".to_owned(),
        host: "demo-broker-1.demo-brokers.ns.svc".to_owned(),
        port: 9093,
    };
    assert_eq!(growth.step, Some(Step::AddVoter(voter)));
    assert_eq!(growth.progress, Some(("GrowingQuorum", "node 1 becomes a voter".to_owned())));
    let Some(Step::AddVoter(next)) = plan(&cluster("brokers: 3"), &view(&[0, 1], &[2], 3)).step else {
        panic!("no voter")
    };
    assert_eq!(next.id, NodeId(2));
    let grown = plan(&cluster("brokers: 5"), &view(&[0, 1, 2], &[3, 4], 5));
    assert_eq!((grown.step, grown.progress), (None, None));
    assert_eq!(plan(&cluster("brokers: 2"), &view(&[0], &[1], 2)).step, None, "two are no better than one");
}

#[test]
fn an_observer_votes_once_it_has_caught_up() {
    let mut view = view(&[0], &[1, 2], 3);
    view.observers.get_mut(&NodeId(1)).unwrap().caught_up = false;
    let growth = plan(&cluster("brokers: 3"), &view);
    let message = "node 1 has to catch up with the metadata log before it votes".to_owned();
    assert_eq!((growth.step, growth.progress), (None, Some(("GrowingQuorum", message))));
    view.observers.clear();
    assert_eq!(plan(&cluster("brokers: 3"), &view).step, None);
}

#[test]
fn internal_topics_grow_with_the_brokers_and_never_shrink() {
    let mut view = view(&[0, 1, 2], &[], 3);
    view.partitions = vec![
        partition("__consumer_offsets", 0, &[0]),
        partition("__transaction_state", 0, &[2, 0, 1]),
        partition("orders", 0, &[1]),
    ];
    let growth = plan(&cluster("brokers: 3"), &view);
    let Some(Step::Move(moves)) = growth.step else { panic!("nothing moves") };
    let key = ("__consumer_offsets".to_owned(), PartitionIndex(0));
    assert_eq!(moves.keys().collect::<Vec<_>>(), [&key]);
    assert_eq!(moves[&key].len(), 3);
    assert_eq!(growth.progress.unwrap().0, "GrowingInternalTopics");

    // Under way: nothing more is asked for, and it is not done yet.
    view.partitions[0].adding = vec![NodeId(1), NodeId(2)];
    view.partitions[0].replicas.extend([NodeId(1), NodeId(2)]);
    let growth = plan(&cluster("brokers: 3"), &view);
    assert_eq!((growth.step, growth.progress.unwrap().0), (None, "GrowingInternalTopics"));

    let fewer = cluster("brokers: 3, config: {offsets.topic.replication.factor: 2}");
    view.partitions[0] = partition("__consumer_offsets", 0, &[0, 1]);
    assert_eq!(plan(&fewer, &view).step, None);
}

#[test]
fn a_move_of_replicas_is_offered_and_made_where_the_spec_says_so() {
    let mut view = view(&[0, 1, 2], &[3, 4], 5);
    view.partitions = (0..10).map(|index| partition("orders", index, &[0, 1, 2])).collect();
    let offered = plan(&cluster("brokers: 5"), &view);
    assert_eq!(offered.step, None);
    assert!(matches!(offered.balance, Balance::Offered(count) if count > 0), "{:?}", offered.balance);
    assert_eq!(offered.progress, None, "the cluster is ready all the same");
    let Some(Step::Move(moves)) = plan(&cluster("brokers: 5, rebalance: true"), &view).step else {
        panic!("nothing moves")
    };
    assert!(!moves.is_empty());
}

#[test]
fn only_so_many_partitions_move_at_a_time() {
    let mut view = view(&[0], &[1], 2);
    view.partitions = (0..500).map(|index| partition("orders", index, &[0])).collect();
    let wanted = cluster("brokers: 2, rebalance: true");
    let Some(Step::Move(moves)) = plan(&wanted, &view).step else { panic!("nothing moves") };
    assert_eq!(moves.len(), MOVING_MAX);
    for partition in view.partitions.iter_mut().take(MOVING_MAX) {
        partition.adding = vec![NodeId(1)];
        partition.removing = vec![NodeId(0)];
        partition.replicas.push(NodeId(1));
    }
    let growth = plan(&wanted, &view);
    assert_eq!(growth.step, None);
    assert!(matches!(growth.balance, Balance::Moving(count) if count > MOVING_MAX));
}
