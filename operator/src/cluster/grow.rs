//! What a cluster that has got more brokers needs next: view -> step. Pure; every step is read back from the cluster.
//!
//! 1. voters: caught-up observers among the nodes that shall vote, one at a time;
//! 2. the replicas of the internal topics, up to the number that the configuration says, never fewer;
//! 3. replicas of everything, evenly, where `rebalance` is set; else the cluster only says what could move.

use milena_client::admin::NewVoter;
use milena_protocol::NodeId;

use super::validate::ValidatedCluster;
use super::view::{ClusterView, PartitionView};
use crate::names::CONTROLLER_PORT;
use crate::replicas::{Assignments, MOVING_MAX, Spread, even_out};

/// Replicas of an internal topic, where there are that many brokers.
const REPLICATION_FACTOR: i32 = 3;
/// Each internal topic and the key that says how many replicas it has.
const INTERNAL_TOPICS: [(&str, &str); 3] = [
    ("__consumer_offsets", "offsets.topic.replication.factor"),
    ("__share_group_state", "share.coordinator.state.topic.replication.factor"),
    ("__transaction_state", "transaction.state.log.replication.factor"),
];

/// Where a cluster's growth stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Growth {
    /// What is done now.
    pub(crate) step: Option<Step>,
    /// What is under way; the reason is the condition's.
    pub(crate) progress: Option<(&'static str, String)>,
    pub(crate) balance: Balance,
}

impl Growth {
    /// Whether nothing is under way.
    pub(crate) fn is_done(&self) -> bool {
        self.step.is_none() && self.progress.is_none() && !matches!(self.balance, Balance::Moving(_))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    AddVoter(NewVoter),
    Move(Assignments),
}

/// Whether brokers have about as many replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Balance {
    Even,
    /// On the way there: so many replicas are still to move.
    Moving(usize),
    /// So many would move if the spec said so.
    Offered(usize),
}

pub(crate) fn plan(cluster: &ValidatedCluster, view: &ClusterView) -> Growth {
    let moves = even_out(&view.brokers, &view.partitions);
    let moving = view.partitions.iter().filter(|partition| partition.is_moving()).count();
    let balance = match moves.len() {
        0 if moving == 0 => Balance::Even,
        0 => Balance::Moving(moving),
        count if cluster.rebalance => Balance::Moving(count + moving),
        count => Balance::Offered(count),
    };
    let room = MOVING_MAX.saturating_sub(moving);
    if let Some((step, message)) = next_voter(cluster, view) {
        return Growth { step, progress: Some(("GrowingQuorum", message)), balance };
    }
    let (wanted, left) = internal_topics(cluster, view);
    if left > 0 {
        let message = format!("{left} partitions of internal topics get more replicas");
        let progress = Some(("GrowingInternalTopics", message));
        return Growth { step: step(wanted, room), progress, balance };
    }
    let step = if cluster.rebalance { step(moves, room) } else { None };
    Growth { step, progress: None, balance }
}

fn step(assignments: Assignments, room: usize) -> Option<Step> {
    let assignments: Assignments = assignments.into_iter().take(room).collect();
    (!assignments.is_empty()).then_some(Step::Move(assignments))
}

/// The first node that should vote and does not.
fn next_voter(cluster: &ValidatedCluster, view: &ClusterView) -> Option<(Option<Step>, String)> {
    let id = cluster.voters().find(|id| !view.voters.contains_key(&NodeId(*id)))?;
    let Some(observer) = view.observers.get(&NodeId(id)).filter(|observer| observer.caught_up) else {
        return Some((None, format!("node {id} has to catch up with the metadata log before it votes")));
    };
    let voter = NewVoter {
        id: NodeId(id),
        directory: observer.directory,
        listener: "CONTROLLER".to_owned(),
        host: cluster.key.pod_host(cluster.voting_role(), id),
        port: u16::try_from(CONTROLLER_PORT).unwrap_or_default(),
    };
    Some((Some(Step::AddVoter(voter)), format!("node {id} becomes a voter")))
}

/// New replicas for partitions of internal topics that have too few, and how many have too few or are on their way.
fn internal_topics(cluster: &ValidatedCluster, view: &ClusterView) -> (Assignments, usize) {
    let mut spread = Spread::new(&view.brokers, &view.partitions);
    let mut assignments = Assignments::new();
    let mut left = 0;
    for partition in &view.partitions {
        let Some(wanted) = internal_replicas(cluster, partition) else { continue };
        if partition.target().len() < wanted {
            let Some(replicas) = spread.resize(partition, wanted) else { continue };
            left += 1;
            assignments.insert(partition.key(), replicas);
        } else if !partition.adding.is_empty() {
            left += 1;
        }
    }
    (assignments, left)
}

fn internal_replicas(cluster: &ValidatedCluster, partition: &PartitionView) -> Option<usize> {
    let (_, key) = INTERNAL_TOPICS.iter().find(|(topic, _)| *topic == partition.topic)?;
    let set = cluster.config.get(*key).and_then(|value| value.trim().parse().ok());
    usize::try_from(set.unwrap_or(REPLICATION_FACTOR.min(cluster.brokers))).ok()
}

#[cfg(test)]
mod tests;
