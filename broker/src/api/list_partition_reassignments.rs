//! ListPartitionReassignments (key 46, version 0): which partitions have replicas on their way in or out.
//!
//! - Answers from this process's own metadata, which holds what AlterPartitionReassignments has answered for.
//! - Topics and partitions that do not exist, or are not being reassigned, are left out.

use std::sync::Arc;

use milena_core::metadata::{PartitionImage, TopicImage};
use milena_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, OngoingPartitionReassignment,
    OngoingTopicReassignment,
};
use milena_protocol::{NodeId, PartitionIndex};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let image = broker.image_at(&context.listener);
    let topics = match request.topics {
        None => image.topics().filter_map(|topic| ongoing(topic, topic.partitions())).collect(),
        Some(topics) => {
            let named = topics.iter().filter_map(|named| {
                let topic = image.topic(&named.name)?;
                let indexes = named.partition_indexes.iter().copied().map(PartitionIndex);
                ongoing(topic, indexes.filter_map(|index| Some((index, topic.partition(index)?))))
            });
            named.collect()
        }
    };
    ListPartitionReassignmentsResponse { topics, error_message: None, ..Default::default() }
}

fn ongoing<'a>(
    topic: &TopicImage,
    partitions: impl Iterator<Item = (PartitionIndex, &'a PartitionImage)>,
) -> Option<OngoingTopicReassignment> {
    let partitions: Vec<_> = partitions.filter(|(_, p)| p.is_reassigning()).map(reassignment).collect();
    (!partitions.is_empty()).then(|| OngoingTopicReassignment { name: topic.name.clone(), partitions })
}

fn reassignment((index, partition): (PartitionIndex, &PartitionImage)) -> OngoingPartitionReassignment {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    OngoingPartitionReassignment {
        partition_index: index.0,
        replicas: numbers(&partition.replicas),
        adding_replicas: numbers(&partition.adding_replicas),
        removing_replicas: numbers(&partition.removing_replicas),
    }
}
