//! ConsumerGroupPartitionMetadata, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Consumer group partition metadata key (record key, key 4), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 4, versions = "0")]
pub struct ConsumerGroupPartitionMetadataKey {
    pub group_id: ByteString,
}

/// Consumer group partition metadata value (record value, key 4), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 4, versions = "0", flexible = "0+")]
pub struct ConsumerGroupPartitionMetadataValue {
    pub topics: Vec<TopicMetadata>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicMetadata {
    pub topic_id: Uuid,
    pub topic_name: ByteString,
    pub num_partitions: i32,
    pub partition_metadata: Vec<PartitionMetadata>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionMetadata {
    pub partition: i32,
    pub racks: Vec<ByteString>,
}
