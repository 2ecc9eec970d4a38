//! ConsumerGroupMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Consumer group metadata key (record key, key 3), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 3, versions = "0")]
pub struct ConsumerGroupMetadataKey {
    pub group_id: ByteString,
}

/// Consumer group metadata value (record value, key 3), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 3, versions = "0", flexible = "0+")]
pub struct ConsumerGroupMetadataValue {
    pub epoch: i32,
    #[field(tag = 0)]
    pub metadata_hash: i64,
}
