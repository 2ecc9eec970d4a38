//! Spread and refusals.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::NodeId;

use super::{Candidate, PlacementError, place};

fn brokers(racks: &[&'static str]) -> Vec<Candidate> {
    let candidate = |(id, rack): (usize, &&'static str)| Candidate {
        id: NodeId(id as i32),
        rack: (!rack.is_empty()).then(|| (*rack).into()),
        fenced: false,
    };
    racks.iter().enumerate().map(candidate).collect()
}

fn counts(nodes: impl Iterator<Item = NodeId>) -> BTreeMap<NodeId, usize> {
    nodes.fold(BTreeMap::new(), |mut counts, node| {
        *counts.entry(node).or_default() += 1;
        counts
    })
}

#[test]
fn replicas_and_leaders_are_spread_evenly_over_brokers_and_racks() {
    let racks = ["a", "a", "b", "b", "c", "c"];
    for random in 0..12 {
        let placed = place(&brokers(&racks), 12, 3, random).unwrap();
        for replicas in &placed {
            let used: BTreeSet<_> = replicas.iter().map(|node| racks[node.0 as usize]).collect();
            assert_eq!(used.len(), 3, "one replica in each rack: {replicas:?}");
        }
        assert_eq!(
            counts(placed.iter().map(|replicas| replicas[0])).into_values().collect::<BTreeSet<_>>(),
            [2].into()
        );
        assert_eq!(
            counts(placed.iter().flatten().copied()).into_values().collect::<BTreeSet<_>>(),
            [6].into()
        );
    }
}

#[test]
fn more_replicas_than_racks_still_use_every_rack() {
    let placed = place(&brokers(&["a", "a", "b"]), 10, 2, 3).unwrap();
    assert!(placed.iter().all(|replicas| replicas.contains(&NodeId(2))));
    let placed = place(&brokers(&["", "", ""]), 3, 3, 0).unwrap();
    assert_eq!(counts(placed.iter().map(|replicas| replicas[0])).len(), 3);
}

#[test]
fn fenced_brokers_never_lead_and_come_last() {
    let mut candidates = brokers(&["a", "b", "c"]);
    candidates[1].fenced = true;
    let placed = place(&candidates, 6, 2, 1).unwrap();
    assert!(placed.iter().flatten().all(|node| *node != NodeId(1)));
    let placed = place(&candidates, 6, 3, 1).unwrap();
    assert!(placed.iter().all(|replicas| replicas[2] == NodeId(1)));
}

#[test]
fn what_cannot_be_placed_is_refused_with_both_numbers() {
    let error = place(&brokers(&[""]), 1, 3, 0).unwrap_err();
    assert_eq!(error, PlacementError::TooFewBrokers { wanted: 3, registered: 1 });
    assert_eq!(
        error.to_string(),
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only \
         1 broker(s) are registered or some brokers have all their log directories cordoned."
    );
    let mut candidates = brokers(&[""]);
    candidates[0].fenced = true;
    assert_eq!(place(&candidates, 1, 1, 0).unwrap_err(), PlacementError::AllFenced { wanted: 1 });
}
