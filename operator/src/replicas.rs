//! Which brokers get replicas and which give some away: views of partitions -> assignments. Pure.
//!
//! A new replica goes to the rack that the partition uses least, there to the broker with the fewest replicas. A replica
//! that goes is one that is out of sync, else one that shares its rack, else one of the broker with the most. The first
//! replica, which leads where it can, stays as long as it is in sync. No move makes a partition use fewer racks.

use std::collections::{BTreeMap, BTreeSet};

use milena_client::admin::TopicPartition;
use milena_protocol::{ByteString, NodeId};

use crate::cluster::view::{BrokerView, PartitionView};

/// The replicas that partitions shall have, the preferred leader first.
pub(crate) type Assignments = BTreeMap<TopicPartition, Vec<NodeId>>;

/// Partitions that the operator has moving at a time.
pub(crate) const MOVING_MAX: usize = 100;
/// Brokers whose numbers of replicas differ by less than this part of the mean are even enough.
const TOLERANCE_PARTS: usize = 10;

/// How replicas lie on the brokers that may get some.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    racks: BTreeMap<NodeId, Option<ByteString>>,
    replicas: BTreeMap<NodeId, usize>,
    leaders: BTreeMap<NodeId, usize>,
}

impl Spread {
    /// Counts where `partitions` will lie once everything has moved.
    pub(crate) fn new<'a>(
        brokers: &BTreeMap<NodeId, BrokerView>,
        partitions: impl IntoIterator<Item = &'a PartitionView>,
    ) -> Self {
        let active = brokers.iter().filter(|(_, broker)| !broker.fenced);
        let racks: BTreeMap<_, _> = active.map(|(id, broker)| (*id, broker.rack.clone())).collect();
        let none: BTreeMap<_, _> = racks.keys().map(|id| (*id, 0)).collect();
        let mut spread = Self { racks, replicas: none.clone(), leaders: none };
        for partition in partitions {
            spread.count(&partition.target(), 1);
        }
        spread
    }

    /// How many brokers take part.
    pub(crate) fn brokers(&self) -> usize {
        self.racks.len()
    }

    fn count(&mut self, replicas: &[NodeId], change: isize) {
        let add = |counts: &mut BTreeMap<NodeId, usize>, node: &NodeId| {
            if let Some(count) = counts.get_mut(node) {
                *count = count.saturating_add_signed(change);
            }
        };
        replicas.iter().for_each(|node| add(&mut self.replicas, node));
        replicas.first().iter().for_each(|node| add(&mut self.leaders, node));
    }

    fn load(&self, node: NodeId) -> usize {
        self.replicas.get(&node).copied().unwrap_or(0)
    }

    /// How many of `replicas` are in the rack of `node`.
    fn rack_uses(&self, node: NodeId, replicas: &[NodeId]) -> usize {
        let rack = self.racks.get(&node);
        replicas.iter().filter(|other| self.racks.get(other) == rack).count()
    }

    fn racks_of(&self, replicas: &[NodeId]) -> usize {
        replicas.iter().map(|node| self.racks.get(node)).collect::<BTreeSet<_>>().len()
    }

    /// The replicas that `partition` shall have to have `wanted` of them; `None` where there are not as many brokers.
    pub(crate) fn resize(&mut self, partition: &PartitionView, wanted: usize) -> Option<Vec<NodeId>> {
        let before = partition.target();
        let mut replicas = before.clone();
        while replicas.len() < wanted {
            let free = self.racks.keys().copied().filter(|node| !replicas.contains(node));
            replicas.push(free.min_by_key(|node| (self.rack_uses(*node, &replicas), self.load(*node)))?);
        }
        while replicas.len() > wanted.max(1) {
            let least_missed = replicas.iter().enumerate().max_by_key(|(at, node)| {
                let lags = !partition.isr.contains(node);
                (lags, *at > 0, self.rack_uses(**node, &replicas), self.load(**node), *at)
            });
            let (at, _) = least_missed?;
            replicas.remove(at);
        }
        self.count(&before, -1);
        self.count(&replicas, 1);
        Some(replicas)
    }

    /// The broker with the most replicas and the one with the fewest, while they differ too much.
    fn extremes(&self) -> Option<(Vec<NodeId>, NodeId)> {
        let (to, fewest) = self.replicas.iter().min_by_key(|(_, count)| **count)?;
        let mean = self.replicas.values().sum::<usize>() / self.replicas.len().max(1);
        let tolerance = (mean / TOLERANCE_PARTS).max(1);
        let mut from: Vec<_> = self
            .replicas
            .iter()
            .filter(|(_, count)| **count > fewest + tolerance)
            .map(|(id, _)| *id)
            .collect();
        from.sort_by_key(|node| std::cmp::Reverse(self.load(*node)));
        (!from.is_empty()).then_some((from, *to))
    }

    /// `replicas` with `to` in the place of `from`, if that is a move that may be made.
    fn moved(&self, replicas: &[NodeId], from: NodeId, to: NodeId) -> Option<Vec<NodeId>> {
        let at = replicas.iter().position(|node| *node == from)?;
        if replicas.contains(&to) {
            return None;
        }
        let mut moved = replicas.to_vec();
        moved[at] = to;
        (self.racks_of(&moved) >= self.racks_of(replicas)).then_some(moved)
    }
}

/// What has to move so that all brokers have about as many replicas. Partitions that move already stay as they are.
pub(crate) fn even_out(brokers: &BTreeMap<NodeId, BrokerView>, partitions: &[PartitionView]) -> Assignments {
    let mut spread = Spread::new(brokers, partitions);
    let mut targets: Vec<_> = partitions.iter().map(PartitionView::target).collect();
    let mut moves = Assignments::new();
    while let Some((from, to)) = spread.extremes() {
        let found = from.into_iter().find_map(|from| {
            let leads = spread.leaders.get(&from) > spread.leaders.get(&to);
            pick(&spread, partitions, &targets, (from, to), leads)
        });
        let Some((at, replicas)) = found else { break };
        spread.count(&targets[at], -1);
        spread.count(&replicas, 1);
        targets[at] = replicas.clone();
        moves.insert(partitions[at].key(), replicas);
    }
    moves
}

/// A partition of which a replica may move from one broker to the other, one that `from` leads if `leads`.
fn pick(
    spread: &Spread,
    partitions: &[PartitionView],
    targets: &[Vec<NodeId>],
    (from, to): (NodeId, NodeId),
    leads: bool,
) -> Option<(usize, Vec<NodeId>)> {
    let candidates = || {
        targets.iter().enumerate().filter_map(|(at, replicas)| {
            let moved = spread.moved(replicas, from, to)?;
            (!partitions[at].is_moving()).then_some((at, moved))
        })
    };
    let fits = |(at, _): &(usize, Vec<NodeId>)| (targets[*at].first() == Some(&from)) == leads;
    candidates().find(fits).or_else(|| candidates().next())
}

#[cfg(test)]
mod tests;
