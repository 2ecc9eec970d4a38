//! StreamsGroupTargetAssignmentMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Streams group target assignment metadata key (record key, key 20), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 20, versions = "0")]
pub struct StreamsGroupTargetAssignmentMetadataKey {
    pub group_id: ByteString,
}

/// Streams group target assignment metadata value (record value, key 20), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 20, versions = "0", flexible = "0+")]
pub struct StreamsGroupTargetAssignmentMetadataValue {
    pub assignment_epoch: i32,
    #[field(tag = 0)]
    pub assignment_timestamp: i64,
}
