//! StreamsGroupTopology, as Kafka writes it.

use crate::{ByteString, Message};

/// Streams group topology key (record key, key 23), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 23, versions = "0")]
pub struct StreamsGroupTopologyKey {
    pub group_id: ByteString,
}

/// Streams group topology value (record value, key 23), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 23, versions = "0", flexible = "0+")]
pub struct StreamsGroupTopologyValue {
    pub epoch: i32,
    pub subtopologies: Vec<Subtopology>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Subtopology {
    pub subtopology_id: ByteString,
    pub source_topics: Vec<ByteString>,
    pub source_topic_regex: Vec<ByteString>,
    pub state_changelog_topics: Vec<TopicInfo>,
    pub repartition_sink_topics: Vec<ByteString>,
    pub repartition_source_topics: Vec<TopicInfo>,
    pub copartition_groups: Vec<CopartitionGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CopartitionGroup {
    pub source_topics: Vec<i16>,
    pub source_topic_regex: Vec<i16>,
    pub repartition_source_topics: Vec<i16>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicConfig {
    pub key: ByteString,
    pub value: ByteString,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicInfo {
    pub name: ByteString,
    pub partitions: i32,
    pub replication_factor: i16,
    pub topic_configs: Vec<TopicConfig>,
}
