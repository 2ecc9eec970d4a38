//! What differs between two images: what a broker has to act on.

use bytestring::ByteString;
use imbl::ordmap::DiffItem;
use milena_protocol::NodeId;

use super::{ConfigResource, MetadataImage, ResourceType, TopicImage};

/// The difference between two images. Costs are proportional to what differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetadataDelta {
    /// Topics that are gone, as they were. A topic deleted and created again under the same name is here and in
    /// `created_topics`.
    pub deleted_topics: Vec<TopicImage>,
    /// Topics that are new.
    pub created_topics: Vec<TopicImage>,
    /// Topics of which some partition was added or changed, before and after.
    pub changed_topics: Vec<(TopicImage, TopicImage)>,
    /// Resources whose values changed.
    pub changed_configs: Vec<ConfigResource>,
    /// Brokers that were registered, changed or removed.
    pub changed_brokers: Vec<NodeId>,
}

impl MetadataDelta {
    /// What one has to do to get from `old` to `new`.
    pub fn between(old: &MetadataImage, new: &MetadataImage) -> Self {
        let mut delta = Self::default();
        for difference in old.topics.diff(&new.topics) {
            delta.topic(difference);
        }
        delta.changed_configs = old.configs.diff(&new.configs).map(|item| key(item).clone()).collect();
        delta.changed_brokers = old.brokers.diff(&new.brokers).map(|item| *key(item)).collect();
        delta
    }

    /// Whether nothing a broker acts on differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Names of topics whose own configuration changed.
    pub fn changed_topic_configs(&self) -> impl Iterator<Item = &ByteString> {
        self.changed_configs
            .iter()
            .filter(|r| r.resource_type == ResourceType::Topic)
            .map(|resource| &resource.name)
    }

    /// Whether a configuration of brokers changed, which every topic's may follow.
    pub fn broker_configs_changed(&self) -> bool {
        self.changed_configs.iter().any(|resource| resource.resource_type == ResourceType::Broker)
    }

    fn topic(&mut self, difference: DiffItem<'_, '_, ByteString, TopicImage>) {
        match difference {
            DiffItem::Add(_, topic) => self.created_topics.push(topic.clone()),
            DiffItem::Remove(_, topic) => self.deleted_topics.push(topic.clone()),
            DiffItem::Update { old: (_, old), new: (_, new) } if old.id != new.id => {
                self.deleted_topics.push(old.clone());
                self.created_topics.push(new.clone());
            }
            DiffItem::Update { old: (_, old), new: (_, new) } => {
                self.changed_topics.push((old.clone(), new.clone()))
            }
        }
    }
}

fn key<'a, K, V>(item: DiffItem<'a, 'a, K, V>) -> &'a K {
    match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
    }
}
