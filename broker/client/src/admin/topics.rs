//! Topics: create, delete, grow, describe.

use std::collections::BTreeMap;

use milena_protocol::messages::create_partitions::CreatePartitionsTopic;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_protocol::messages::delete_topics::DeleteTopicState;
use milena_protocol::messages::metadata::{
    MetadataRequestTopic, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, MetadataResponse,
};
use milena_protocol::{LeaderEpoch, NodeId, PartitionIndex, TopicId};

use super::{Admin, PerItem, change_timeout_ms, text};
use crate::{ClientError, Refused};

/// A topic to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the broker's default if absent.
    pub partitions: Option<i32>,
    /// How many replicas of each; the broker's default if absent.
    pub replication_factor: Option<i16>,
    /// Configuration that differs from the defaults.
    pub configs: BTreeMap<String, String>,
}

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Tells it from an earlier topic of the same name.
    pub id: TopicId,
    /// Whether it is one of the cluster's own.
    pub internal: bool,
    /// By index, ascending.
    pub partitions: Vec<PartitionDescription>,
}

impl TopicDescription {
    /// The number of replicas of most use to show: that of the first partition.
    pub fn replication_factor(&self) -> usize {
        self.partitions.first().map_or(0, |partition| partition.replicas.len())
    }
}

/// A partition as the cluster has it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionDescription {
    /// Its index.
    pub index: PartitionIndex,
    /// Who leads it, if anybody.
    pub leader: Option<NodeId>,
    /// How often it has had a leader.
    pub leader_epoch: LeaderEpoch,
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// The replicas that are in sync.
    pub isr: Vec<NodeId>,
    /// The replicas that are offline.
    pub offline: Vec<NodeId>,
}

impl Admin {
    /// Creates topics, or only checks that it could. Yields the id where the broker tells it.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<PerItem<String, TopicId>, ClientError> {
        let topics = topics.iter().map(creatable).collect();
        let request = CreateTopicsRequest { topics, timeout_ms: change_timeout_ms(), validate_only };
        let response = self.connection().await?.send(&request).await?;
        let results = response.topics.into_iter().map(|topic| {
            let result = Refused::check(topic.error_code, topic.error_message.as_ref());
            (topic.name.to_string(), result.map(|()| TopicId(topic.topic_id)))
        });
        Ok(results.collect())
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, names: &[String]) -> Result<PerItem<String, ()>, ClientError> {
        let request = DeleteTopicsRequest {
            // Versions up to 5 have the one field, later ones the other.
            topics: names.iter().map(|name| deletable(name)).collect(),
            topic_names: names.iter().map(|name| text(name)).collect(),
            timeout_ms: change_timeout_ms(),
        };
        let response = self.connection().await?.send(&request).await?;
        let results = response.responses.into_iter().map(|topic| {
            let result = Refused::check(topic.error_code, topic.error_message.as_ref());
            (topic.name.unwrap_or_default().to_string(), result)
        });
        Ok(results.collect())
    }

    /// Raises the number of partitions of each topic to the one given.
    pub async fn create_partitions(
        &self,
        counts: &BTreeMap<String, i32>,
    ) -> Result<PerItem<String, ()>, ClientError> {
        let topics = counts.iter().map(|(name, count)| CreatePartitionsTopic {
            name: text(name),
            count: *count,
            assignments: None,
        });
        let request = CreatePartitionsRequest {
            topics: topics.collect(),
            timeout_ms: change_timeout_ms(),
            validate_only: false,
        };
        let response = self.connection().await?.send(&request).await?;
        let results = response.results.into_iter().map(|topic| {
            (topic.name.to_string(), Refused::check(topic.error_code, topic.error_message.as_ref()))
        });
        Ok(results.collect())
    }

    /// Describes topics by name; never creates one.
    pub async fn describe_topics(
        &self,
        names: &[String],
    ) -> Result<PerItem<String, TopicDescription>, ClientError> {
        let topics =
            names.iter().map(|name| MetadataRequestTopic { name: Some(text(name)), ..Default::default() });
        let response = self.metadata(Some(topics.collect())).await?;
        Ok(response.topics.into_iter().map(described).collect())
    }

    /// Describes every topic, the cluster's own included.
    pub async fn list_topics(&self) -> Result<PerItem<String, TopicDescription>, ClientError> {
        let response = self.metadata(None).await?;
        Ok(response.topics.into_iter().map(described).collect())
    }

    async fn metadata(
        &self,
        topics: Option<Vec<MetadataRequestTopic>>,
    ) -> Result<MetadataResponse, ClientError> {
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        let response = self.connection().await?.send(&request).await?;
        Refused::check(response.error_code, None)?;
        Ok(response)
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic
        .configs
        .iter()
        .map(|(name, value)| CreatableTopicConfig { name: text(name), value: Some(text(value)) });
    CreatableTopic {
        name: text(&topic.name),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        configs: configs.collect(),
        ..Default::default()
    }
}

fn deletable(name: &str) -> DeleteTopicState {
    DeleteTopicState { name: Some(text(name)), ..Default::default() }
}

fn described(topic: MetadataResponseTopic) -> (String, Result<TopicDescription, Refused>) {
    let name = topic.name.unwrap_or_default().to_string();
    let described = Refused::check(topic.error_code, None).map(|()| {
        let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
        partitions.sort_by_key(|partition| partition.index);
        TopicDescription {
            name: name.clone(),
            id: TopicId(topic.topic_id),
            internal: topic.is_internal,
            partitions,
        }
    });
    (name, described)
}

fn partition(partition: MetadataResponsePartition) -> PartitionDescription {
    PartitionDescription {
        index: PartitionIndex(partition.partition_index),
        leader: (partition.leader_id >= 0).then_some(NodeId(partition.leader_id)),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        replicas: nodes(partition.replica_nodes),
        isr: nodes(partition.isr_nodes),
        offline: nodes(partition.offline_replicas),
    }
}

fn nodes(ids: Vec<i32>) -> Vec<NodeId> {
    ids.into_iter().map(NodeId).collect()
}
