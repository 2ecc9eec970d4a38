//! ShareGroupMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Share group metadata key (record key, key 11), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 11, versions = "0")]
pub struct ShareGroupMetadataKey {
    pub group_id: ByteString,
}

/// Share group metadata value (record value, key 11), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 11, versions = "0", flexible = "0+")]
pub struct ShareGroupMetadataValue {
    pub epoch: i32,
    pub metadata_hash: i64,
}
