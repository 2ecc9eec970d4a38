//! StreamsGroupMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Streams group metadata key (record key, key 17), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 17, versions = "0")]
pub struct StreamsGroupMetadataKey {
    pub group_id: ByteString,
}

/// Streams group metadata value (record value, key 17), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 17, versions = "0", flexible = "0+")]
pub struct StreamsGroupMetadataValue {
    pub epoch: i32,
    pub metadata_hash: i64,
    #[field(tag = 0, default = -1)]
    pub validated_topology_epoch: i32,
    #[field(nullable, tag = 1)]
    pub last_assignment_configs: Option<Vec<LastAssignmentConfig>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LastAssignmentConfig {
    pub key: ByteString,
    pub value: ByteString,
}
