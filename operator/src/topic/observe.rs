//! What Kafka has of the topics of a cluster: two requests for all of them together.

use std::collections::BTreeMap;

use milena_client::admin::{ConfigEntries, ConfigResource, ConfigSource, TopicDescription};
use milena_client::{Admin, ClientError, Refused};
use milena_protocol::ErrorCode;

use super::plan::ObservedTopic;

/// Each name with the topic, or `None` where there is no such topic. A topic that Kafka cannot describe is an error.
pub(super) type Topics = BTreeMap<String, Result<Option<ObservedTopic>, Refused>>;

/// Looks at the topics `names`, and at the configuration of those among them that are in `configured`.
pub(super) async fn observe(
    admin: &Admin,
    names: &[String],
    configured: &[String],
) -> Result<Topics, ClientError> {
    if names.is_empty() {
        return Ok(Topics::new());
    }
    let mut topics: Topics = BTreeMap::new();
    for (name, described) in admin.describe_topics(names).await? {
        let topic = match described {
            Ok(topic) => Ok(Some(observed(&topic))),
            Err(refused) if refused.code == ErrorCode::UnknownTopicOrPartition => Ok(None),
            Err(refused) => Err(refused),
        };
        topics.insert(name, topic);
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

fn observed(topic: &TopicDescription) -> ObservedTopic {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    ObservedTopic {
        id: topic.id.to_string(),
        partitions: count(topic.partitions.len()),
        replication_factor: count(topic.replication_factor()),
        config: BTreeMap::new(),
    }
}

fn set_on_topic(entries: ConfigEntries) -> BTreeMap<String, String> {
    let own = entries.into_iter().filter(|(_, entry)| entry.source == ConfigSource::Topic);
    own.filter_map(|(key, entry)| Some((key, entry.value?))).collect()
}
