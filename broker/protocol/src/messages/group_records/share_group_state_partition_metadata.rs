//! ShareGroupStatePartitionMetadata, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Share group state partition metadata key (record key, key 15), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 15, versions = "0")]
pub struct ShareGroupStatePartitionMetadataKey {
    pub group_id: ByteString,
}

/// Share group state partition metadata value (record value, key 15), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 15, versions = "0", flexible = "0+")]
pub struct ShareGroupStatePartitionMetadataValue {
    pub initializing_topics: Vec<TopicPartitionsInfo>,
    pub initialized_topics: Vec<TopicPartitionsInfo>,
    pub deleting_topics: Vec<TopicInfo>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartitionsInfo {
    pub topic_id: Uuid,
    pub topic_name: ByteString,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicInfo {
    pub topic_id: Uuid,
    pub topic_name: ByteString,
}
