//! Reassignments: replicas of a partition move to other brokers.
//!
//! | step | record |
//! |---|---|
//! | a reassignment begins | the new replicas join those that stay and those that go; `adding` and `removing` say which |
//! | every new replica is in the ISR | the replicas that go are gone, and the two lists are empty (`change`) |
//! | it is cancelled | the replicas are those from before; who was only added leaves the ISR |
//!
//! What needs no new replica, such as another order, ends with its first record. Where the ISR holds none of the former
//! replicas a cancellation would lose records: it needs `unclean.leader.election.enable`.
//!
//! A reassignment may replace one that goes on. Unlike Apache Kafka's, it leaves nothing of the former: who was on its way
//! out and is a target now stays.
//!
//! Source: KIP-455, KIP-860; `ReplicationControlManager` and `PartitionReassignmentRevert` of Apache Kafka.

use bytestring::ByteString;
use milena_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition,
};
use milena_protocol::messages::metadata_records::PartitionChangeRecord;
use milena_protocol::{ErrorCode, NodeId, PartitionIndex};

use super::change::Change;
use super::partitions::check_manual;
use super::{Controller, ControllerReply, Decision, RECORDS_PER_REQUEST_MAX, Refusal};
use crate::metadata::{PartitionImage, TopicImage};

impl Controller {
    pub(super) fn reassign(&mut self, request: &AlterPartitionReassignmentsRequest) -> Decision {
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for wanted in &topic.partitions {
                let may_resize = request.allow_replication_factor_change;
                let change = self.reassign_partition(&topic.name, wanted, may_resize);
                let change = change.and_then(|change| bounded(change, records.len()));
                let result = change.map(|change| records.extend(change.map(Into::into)));
                partitions.push((PartitionIndex(wanted.partition_index), result));
            }
            results.push((topic.name.clone(), partitions));
        }
        (records, ControllerReply::Partitions(Ok(results)))
    }

    fn reassign_partition(
        &self,
        name: &ByteString,
        wanted: &ReassignablePartition,
        may_resize: bool,
    ) -> Result<Option<PartitionChangeRecord>, Refusal> {
        let unknown = |message: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = self.image.topic(name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let index = PartitionIndex(wanted.partition_index);
        let partition = topic.partition(index);
        let partition =
            partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        match &wanted.replicas {
            None => self.cancel(topic, (index, partition)),
            Some(replicas) => {
                let target: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
                check_manual(&self.image, &target, None)?;
                if !may_resize {
                    check_size(partition, &target)?;
                }
                Ok(self.begin(topic, (index, partition), target))
            }
        }
    }

    fn begin(
        &self,
        topic: &TopicImage,
        (index, partition): (PartitionIndex, &PartitionImage),
        target: Vec<NodeId>,
    ) -> Option<PartitionChangeRecord> {
        let view = self.view();
        let mut change = Change::new(view, (topic.id, index), partition, view.rules(topic));
        change.removing = sorted(partition.replicas.iter().copied().filter(|node| !target.contains(node)));
        // Of those that an earlier reassignment was adding, some may still have to come.
        let is_new =
            |node: &NodeId| !partition.replicas.contains(node) || partition.adding_replicas.contains(node);
        change.adding = sorted(target.iter().copied().filter(is_new));
        change.replicas = target;
        change.replicas.extend(&change.removing);
        change.build()
    }

    fn cancel(
        &self,
        topic: &TopicImage,
        (index, partition): (PartitionIndex, &PartitionImage),
    ) -> Result<Option<PartitionChangeRecord>, Refusal> {
        if !partition.is_reassigning() {
            return Err(ErrorCode::NoReassignmentInProgress.into());
        }
        let invalid = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
        let view = self.view();
        let rules = view.rules(topic);
        let mut change = Change::new(view, (topic.id, index), partition, rules);
        change.election = rules.election();
        change.replicas.retain(|node| !partition.adding_replicas.contains(node));
        change.isr.retain(|node| !partition.adding_replicas.contains(node));
        change.adding.clear();
        change.removing.clear();
        if change.isr.is_empty() {
            let first = change.replicas.first().copied().ok_or_else(|| {
                invalid("Invalid replica assignment: addingReplicas contains all replicas.".to_owned())
            })?;
            if !rules.unclean {
                return Err(invalid(format!(
                    "Unable to revert partition assignment for {}:{index} because it would require an unclean leader \
                     election.",
                    topic.name
                )));
            }
            change.isr.push(first);
        }
        Ok(change.build())
    }
}

fn sorted(nodes: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = nodes.collect();
    nodes.sort_unstable();
    nodes
}

fn check_size(partition: &PartitionImage, target: &[NodeId]) -> Result<(), Refusal> {
    let stays = |node: &&NodeId| !partition.removing_replicas.contains(node);
    let (current, wanted) = (partition.replicas.iter().filter(stays).count(), target.len());
    if current == wanted {
        return Ok(());
    }
    let message = format!("The replication factor is changed from {current} to {wanted}");
    Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message))
}

fn bounded<T>(change: Option<T>, records: usize) -> Result<Option<T>, Refusal> {
    if change.is_some() && records >= RECORDS_PER_REQUEST_MAX {
        let message = "Unable to perform excessively large batch operation.";
        return Err(Refusal::new(ErrorCode::PolicyViolation, message));
    }
    Ok(change)
}
