//! What is concluded from a quorum's description.

use super::*;

fn replica(id: i32, log_end_offset: i64, last_caught_up_ms: i64) -> QuorumReplica {
    QuorumReplica { id: NodeId(id), directory: uuid::Uuid::nil(), log_end_offset, last_caught_up_ms }
}

fn caught_up(replicas: &[QuorumReplica]) -> Vec<bool> {
    let quorum = QuorumDescription {
        leader: Some(NodeId(0)),
        high_watermark: 100,
        voters: replicas.to_vec(),
        observers: Vec::new(),
    };
    metadata_replicas(&quorum).0.values().map(|replica| replica.caught_up).collect()
}

#[test]
fn a_replica_is_caught_up_by_the_leaders_clock() {
    let now = 1_000_000;
    let replicas = [
        replica(0, 110, now),
        replica(1, 105, now - 500),
        replica(2, 110, now - 60_000),
        replica(3, 110, -1),
    ];
    assert_eq!(caught_up(&replicas), [true, true, false, false]);
}

#[test]
fn without_times_the_committed_offset_counts() {
    assert_eq!(
        caught_up(&[replica(0, 110, -1), replica(1, 100, -1), replica(2, 99, -1)]),
        [true, true, false]
    );
}

#[test]
fn absent_brokers_are_those_that_take_no_part() {
    let mut view = ClusterView::default();
    view.brokers.insert(NodeId(0), BrokerView::default());
    view.brokers.insert(NodeId(1), BrokerView { fenced: true, rack: None });
    assert_eq!(view.absent(0..3), [1, 2]);
}
