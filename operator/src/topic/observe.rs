//! What Kafka has of the topics of a cluster: a few requests for all of them together.

use std::collections::BTreeMap;

use milena_client::admin::{
    ConfigEntries, ConfigResource, ConfigSource, PartitionDescription, Reassignment, TopicDescription,
    TopicPartition,
};
use milena_client::{Admin, ClientError, Refused};
use milena_protocol::{ErrorCode, NodeId};

use super::plan::ObservedTopic;
use crate::cluster::view::{BrokerView, MIN_IN_SYNC_KEY, PartitionView, min_in_sync};

/// Each name with the topic, or `None` where there is no such topic. A topic that Kafka cannot describe is an error.
pub(super) type Topics = BTreeMap<String, Result<Option<ObservedTopic>, Refused>>;

/// What a cluster of several brokers has beside the topics; nothing moves in one of a single broker.
#[derive(Debug, Default)]
pub(super) struct Movement {
    /// Absent where there is one broker, which cannot be asked whether it is there.
    pub(super) brokers: Option<BTreeMap<NodeId, BrokerView>>,
    moving: BTreeMap<TopicPartition, Reassignment>,
}

impl Movement {
    pub(super) async fn observe(admin: &Admin, single: bool) -> Result<Self, ClientError> {
        if single {
            return Ok(Self::default());
        }
        let brokers = admin.describe_cluster().await?.brokers.into_iter();
        let brokers = brokers.map(|it| (it.id, BrokerView::from(it)));
        Ok(Self { brokers: Some(brokers.collect()), moving: admin.list_reassignments().await? })
    }

    /// How many partitions move, whoever asked for it.
    pub(super) fn len(&self) -> usize {
        self.moving.len()
    }
}

/// Looks at the topics `names`, and at the configuration of those among them that are in `configured`.
pub(super) async fn observe(
    admin: &Admin,
    names: &[String],
    configured: &[String],
    movement: &Movement,
) -> Result<Topics, ClientError> {
    if names.is_empty() {
        return Ok(Topics::new());
    }
    let mut topics: Topics = BTreeMap::new();
    for (name, described) in admin.describe_topics(names).await? {
        let topic = match described {
            Ok(topic) => Ok(Some(observed(&topic, movement))),
            Err(refused) if refused.code == ErrorCode::UnknownTopicOrPartition => Ok(None),
            Err(refused) => Err(refused),
        };
        topics.insert(name, topic);
    }
    if movement.brokers.is_some() {
        observe_min_in_sync(admin, &mut topics).await?;
    }
    let is_there = |name: &&String| matches!(topics.get(*name), Some(Ok(Some(_))));
    let resources: Vec<_> = configured.iter().filter(is_there).map(ConfigResource::topic).collect();
    if resources.is_empty() {
        return Ok(topics);
    }
    for (resource, entries) in admin.describe_configs(&resources).await? {
        let Some(slot) = topics.get_mut(&resource.name) else { continue };
        match (slot, entries) {
            (Ok(Some(topic)), Ok(entries)) => topic.config = set_on_topic(entries),
            (slot, Err(refused)) => *slot = Err(refused),
            (_, Ok(_)) => {}
        }
    }
    Ok(topics)
}

/// What must be in sync in each topic that is there, wherever that is set.
async fn observe_min_in_sync(admin: &Admin, topics: &mut Topics) -> Result<(), ClientError> {
    let there = topics.iter().filter(|(_, topic)| matches!(topic, Ok(Some(_))));
    let resources: Vec<_> = there.map(|(name, _)| ConfigResource::topic(name)).collect();
    if resources.is_empty() {
        return Ok(());
    }
    for (resource, entries) in admin.describe_config_keys(&resources, Some(&[MIN_IN_SYNC_KEY])).await? {
        let Some(Ok(Some(topic))) = topics.get_mut(&resource.name) else { continue };
        topic.min_in_sync = entries.ok().and_then(|entries| min_in_sync(&entries));
    }
    Ok(())
}

fn observed(topic: &TopicDescription, movement: &Movement) -> ObservedTopic {
    let view = |partition: &PartitionDescription| {
        let moving = movement.moving.get(&(topic.name.clone(), partition.index));
        PartitionView::new(&topic.name, partition, moving)
    };
    ObservedTopic {
        id: topic.id.to_string(),
        partitions: topic.partitions.iter().map(view).collect(),
        min_in_sync: None,
        config: BTreeMap::new(),
    }
}

fn set_on_topic(entries: ConfigEntries) -> BTreeMap<String, String> {
    let own = entries.into_iter().filter(|(_, entry)| entry.source == ConfigSource::Topic);
    own.filter_map(|(key, entry)| Some((key, entry.value?))).collect()
}
