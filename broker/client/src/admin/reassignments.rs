//! Replicas that move from broker to broker (KIP-455).

use std::collections::BTreeMap;

use milena_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_protocol::messages::{AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest};
use milena_protocol::{NodeId, PartitionIndex};

use super::{Admin, PerItem, change_timeout_ms, text};
use crate::{ClientError, Refused};

/// A partition by the name of its topic and its index.
pub type TopicPartition = (String, PartitionIndex);

/// A partition whose replicas move.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reassignment {
    /// All replicas it has meanwhile, those that will go included.
    pub replicas: Vec<NodeId>,
    /// Those that are to become replicas.
    pub adding: Vec<NodeId>,
    /// Those that will be replicas no more.
    pub removing: Vec<NodeId>,
}

impl Admin {
    /// Asks for other replicas of each partition, the preferred leader first; they move in the background.
    pub async fn alter_reassignments(
        &self,
        wanted: &BTreeMap<TopicPartition, Vec<NodeId>>,
    ) -> Result<PerItem<TopicPartition, ()>, ClientError> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for ((topic, partition), replicas) in wanted {
            topics.entry(topic).or_default().push(ReassignablePartition {
                partition_index: partition.0,
                replicas: Some(replicas.iter().map(|node| node.0).collect()),
            });
        }
        let topics =
            topics.into_iter().map(|(name, partitions)| ReassignableTopic { name: text(name), partitions });
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: change_timeout_ms(),
            allow_replication_factor_change: true,
            topics: topics.collect(),
        };
        let response = self.connection().await?.send(&request).await?;
        Refused::check(response.error_code, response.error_message.as_ref())?;
        let results = response.responses.into_iter().flat_map(|topic| {
            topic.partitions.into_iter().map(move |partition| {
                let item = (topic.name.to_string(), PartitionIndex(partition.partition_index));
                (item, Refused::check(partition.error_code, partition.error_message.as_ref()))
            })
        });
        Ok(results.collect())
    }

    /// Every partition whose replicas move now.
    pub async fn list_reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>, ClientError> {
        let request = ListPartitionReassignmentsRequest { timeout_ms: change_timeout_ms(), topics: None };
        let response = self.connection().await?.send(&request).await?;
        Refused::check(response.error_code, response.error_message.as_ref())?;
        let nodes = |ids: Vec<i32>| ids.into_iter().map(NodeId).collect();
        let moving = response.topics.into_iter().flat_map(|topic| {
            topic.partitions.into_iter().map(move |partition| {
                let item = (topic.name.to_string(), PartitionIndex(partition.partition_index));
                let reassignment = Reassignment {
                    replicas: nodes(partition.replicas),
                    adding: nodes(partition.adding_replicas),
                    removing: nodes(partition.removing_replicas),
                };
                (item, reassignment)
            })
        });
        Ok(moving.collect())
    }
}
