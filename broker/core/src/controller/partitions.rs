//! Partitions of new and of growing topics: manual assignments, placement, the first leader.

use std::collections::BTreeSet;

use bytestring::ByteString;
use milena_protocol::messages::create_partitions::CreatePartitionsTopic;
use milena_protocol::messages::metadata_records::{MetadataRecord, PartitionRecord};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, PartitionIndex, TopicId};

use super::topics::repeated;
use super::{Controller, ControllerReply, Decision, RECORDS_PER_REQUEST_MAX, Refusal};
use crate::metadata::{BrokerImage, MetadataImage, PartitionImage, TopicImage};
use crate::placement::{self, Candidate};

impl Controller {
    /// Places new partitions on the registered brokers.
    pub(super) fn place(&mut self, partitions: usize, replicas: usize) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if partitions > RECORDS_PER_REQUEST_MAX {
            return Err(excessive());
        }
        let candidate = |broker: &BrokerImage| Candidate {
            id: broker.id,
            rack: broker.rack.clone(),
            fenced: broker.fenced,
        };
        let stays = |broker: &&BrokerImage| !broker.in_controlled_shutdown && broker.takes_replicas();
        let candidates: Vec<_> = self.image.brokers().filter(stays).map(candidate).collect();
        placement::place(&candidates, partitions, replicas, self.random.number())
            .map_err(|error| Refusal::new(ErrorCode::InvalidReplicationFactor, error.to_string()))
    }

    pub(super) fn create_partitions(
        &mut self,
        topics: &[CreatePartitionsTopic],
        validate_only: bool,
    ) -> Decision {
        let mut records = Vec::new();
        let mut results: Vec<(ByteString, Result<(), Refusal>)> = Vec::with_capacity(topics.len());
        let twice = repeated(topics.iter().map(|topic| &topic.name));
        let mut named = BTreeSet::new();
        // What is named twice is refused once.
        for topic in topics.iter().filter(|topic| named.insert(&topic.name)) {
            let result = if twice.contains(&topic.name) {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                self.grow(topic)
            };
            results.push((topic.name.clone(), result.map(|new| records.extend(new))));
            if records.len() > RECORDS_PER_REQUEST_MAX {
                break;
            }
        }
        if records.len() > RECORDS_PER_REQUEST_MAX {
            results = topics.iter().map(|topic| (topic.name.clone(), Err(excessive()))).collect();
            records.clear();
        }
        if validate_only {
            records.clear();
        }
        (records, ControllerReply::PartitionsCreated(results))
    }

    fn grow(&mut self, wanted: &CreatePartitionsTopic) -> Result<Vec<MetadataRecord>, Refusal> {
        let topic = self.image.topic(&wanted.name).ok_or(ErrorCode::UnknownTopicOrPartition)?.clone();
        let additional = additional(&topic, wanted.count)?;
        let replicas = match &wanted.assignments {
            None => self.place(additional, usize::from(topic.replication_factor().unsigned_abs()))?,
            Some(assignments) => {
                let lists = assignments.iter().map(|a| a.broker_ids.iter().copied().map(NodeId).collect());
                self.check_assignments(&topic, additional, lists.collect())?
            }
        };
        let indexes = (topic.partition_count()..).map(PartitionIndex);
        let new = |(index, replicas)| {
            new_partition(&self.image, topic.id, index, replicas).map(MetadataRecord::from)
        };
        indexes.zip(replicas).map(new).collect()
    }

    fn check_assignments(
        &self,
        topic: &TopicImage,
        additional: usize,
        lists: Vec<Vec<NodeId>>,
    ) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if lists.len() != additional {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                lists.len()
            );
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        let factor = usize::from(topic.replication_factor().unsigned_abs());
        lists.iter().try_for_each(|replicas| check_manual(&self.image, replicas, Some(factor)))?;
        Ok(lists)
    }
}

fn excessive() -> Refusal {
    Refusal::new(ErrorCode::PolicyViolation, "Excessively large number of partitions per request.")
}

/// How many partitions `wanted` in all adds to `topic`. Partitions never go away.
fn additional(topic: &TopicImage, wanted: i32) -> Result<usize, Refusal> {
    let current = topic.partition_count();
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    if wanted == current {
        return invalid(format!("Topic already has {current} partition(s)."));
    }
    if wanted < current {
        return invalid(format!(
            "The topic {} currently has {current} partition(s); {wanted} would not be an increase.",
            topic.name
        ));
    }
    Ok((wanted - current).unsigned_abs() as usize)
}

/// Checks the replicas that a request gives to one partition.
pub(super) fn check_manual(
    image: &MetadataImage,
    replicas: &[NodeId],
    replication_factor: Option<usize>,
) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut previous = None;
    for broker in &sorted {
        let included = "The manual partition assignment includes";
        let message = match image.broker(*broker) {
            None => format!("{included} broker {broker}, but no such broker is registered."),
            Some(image) if !image.takes_replicas() => {
                format!("{included} broker {broker}, but all its log directories are cordoned.")
            }
            Some(_) if previous == Some(broker) => format!("{included} the broker {broker} more than once."),
            Some(_) => {
                previous = Some(broker);
                continue;
            }
        };
        return invalid(message);
    }
    match replication_factor {
        Some(factor) if factor != replicas.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
             previous partitions, which have {factor} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// The record of a new partition: replicas that are alive are in sync, the first of them leads.
pub(super) fn new_partition(
    image: &MetadataImage,
    topic: TopicId,
    index: PartitionIndex,
    replicas: Vec<NodeId>,
) -> Result<PartitionRecord, Refusal> {
    let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| image.is_active(*node)).collect();
    let Some(leader) = isr.first().copied() else {
        let message = format!(
            "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled \
             shutdown."
        );
        return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    };
    let partition = PartitionImage {
        directories: replicas.iter().map(|node| image.default_directory(*node)).collect(),
        replicas,
        isr,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
        leader,
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
    };
    Ok(crate::metadata::partition_record(topic, index, &partition))
}
