//! Tables: where replicas lie and how many are wanted -> where they go.

use super::*;

/// Brokers 0, 1, ... in these racks; an upper-case rack means fenced.
fn brokers(racks: &str) -> BTreeMap<NodeId, BrokerView> {
    let broker = |rack: char| BrokerView {
        rack: Some(rack.to_lowercase().to_string().into()),
        fenced: rack.is_uppercase(),
    };
    (0..).map(NodeId).zip(racks.chars().map(broker)).collect()
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// A partition whose replicas are all in sync.
fn partition(index: i32, replicas: &[i32]) -> PartitionView {
    PartitionView {
        topic: "t".to_owned(),
        index,
        replicas: nodes(replicas),
        isr: nodes(replicas),
        min_in_sync: 1,
        ..PartitionView::default()
    }
}

fn resized(racks: &str, partitions: &[PartitionView], wanted: usize) -> Option<Vec<NodeId>> {
    Spread::new(&brokers(racks), partitions).resize(&partitions[0], wanted)
}

#[test]
fn new_replicas_go_to_other_racks_then_to_the_least_loaded_broker() {
    assert_eq!(resized("aabb", &[partition(0, &[0])], 2), Some(nodes(&[0, 2])));
    let loaded = [partition(0, &[0]), partition(1, &[2]), partition(2, &[2])];
    assert_eq!(resized("aabb", &loaded, 2), Some(nodes(&[0, 3])));
    assert_eq!(resized("abc", &[partition(0, &[1])], 3), Some(nodes(&[1, 0, 2])));
    assert_eq!(resized("abC", &[partition(0, &[0])], 3), None, "a fenced broker gets none");
    assert_eq!(resized("ab", &[partition(0, &[0])], 3), None);
}

#[test]
fn the_replica_that_is_missed_least_goes_first() {
    assert_eq!(resized("abc", &[partition(0, &[2, 1, 0])], 2), Some(nodes(&[2, 1])));
    assert_eq!(resized("aab", &[partition(0, &[0, 1, 2])], 2), Some(nodes(&[0, 2])), "two share a rack");
    let lagging = PartitionView { isr: nodes(&[1, 2]), ..partition(0, &[0, 1, 2]) };
    assert_eq!(resized("abc", &[lagging], 2), Some(nodes(&[1, 2])), "even the first one");
    let loaded = [partition(0, &[0, 1, 2]), partition(1, &[1])];
    assert_eq!(resized("abc", &loaded, 2), Some(nodes(&[0, 2])));
    assert_eq!(resized("abc", &loaded, 0), Some(nodes(&[0])), "one stays");
}

#[test]
fn what_moves_already_is_counted_where_it_goes() {
    let moving = PartitionView { adding: nodes(&[2]), removing: nodes(&[0]), ..partition(0, &[2, 0, 1]) };
    assert_eq!(moving.target(), nodes(&[2, 1]));
    assert_eq!(resized("abc", &[moving], 3), Some(nodes(&[2, 1, 0])));
}

#[test]
fn partitions_of_one_call_are_spread() {
    let partitions: Vec<_> = (0..4).map(|index| partition(index, &[0])).collect();
    let mut spread = Spread::new(&brokers("aaaaa"), &partitions);
    let second: BTreeSet<_> = partitions.iter().map(|it| spread.resize(it, 2).unwrap()[1]).collect();
    assert_eq!(second.len(), 4);
}

fn counts(partitions: &[PartitionView], moves: &Assignments) -> BTreeMap<NodeId, usize> {
    let mut counts = BTreeMap::new();
    for partition in partitions {
        for node in moves.get(&partition.key()).unwrap_or(&partition.target()) {
            *counts.entry(*node).or_default() += 1;
        }
    }
    counts
}

#[test]
fn new_brokers_get_their_share_and_racks_stay_apart() {
    let partitions: Vec<_> =
        (0..30).map(|index| partition(index, &[index % 3, (index + 1) % 3, (index + 2) % 3])).collect();
    let brokers = brokers("abcabc");
    let moves = even_out(&brokers, &partitions);
    let counts = counts(&partitions, &moves);
    assert!(counts.values().all(|count| (14..=16).contains(count)), "{counts:?}");
    for replicas in moves.values() {
        let racks: BTreeSet<_> = replicas.iter().map(|node| &brokers[node].rack).collect();
        assert_eq!(racks.len(), 3, "{replicas:?}");
    }
    let mut leaders: BTreeMap<NodeId, usize> = BTreeMap::new();
    for partition in &partitions {
        *leaders.entry(moves.get(&partition.key()).unwrap_or(&partition.replicas)[0]).or_default() += 1;
    }
    assert!(leaders.values().all(|count| (3..=8).contains(count)), "{leaders:?}");
}

#[test]
fn what_is_even_enough_stays_and_a_second_look_asks_for_nothing_more() {
    assert_eq!(
        even_out(&brokers("abc"), &[partition(0, &[0, 1, 2]), partition(1, &[0])]),
        Assignments::new()
    );
    assert_eq!(even_out(&brokers(""), &[]), Assignments::new());
    let mut partitions: Vec<_> = (0..40).map(|index| partition(index, &[index % 2])).collect();
    let moves = even_out(&brokers("aaa"), &partitions);
    assert!(!moves.is_empty());
    // While they move, and once they have.
    for partition in &mut partitions {
        let Some(to) = moves.get(&partition.key()) else { continue };
        partition.adding = to.clone();
        partition.removing = partition.replicas.clone();
        partition.replicas.extend(to);
    }
    assert_eq!(even_out(&brokers("aaa"), &partitions), Assignments::new());
    for partition in &mut partitions {
        *partition = self::partition(
            partition.index,
            &partition.target().iter().map(|node| node.0).collect::<Vec<_>>(),
        );
    }
    assert_eq!(even_out(&brokers("aaa"), &partitions), Assignments::new());
}

#[test]
fn a_move_that_would_give_up_a_rack_is_not_made() {
    let partitions: Vec<_> = (0..10).map(|index| partition(index, &[0, 1])).collect();
    let moves = even_out(&brokers("aba"), &partitions);
    assert!(!moves.is_empty());
    assert!(moves.values().all(|replicas| *replicas == nodes(&[2, 1])), "{moves:?}");
}
