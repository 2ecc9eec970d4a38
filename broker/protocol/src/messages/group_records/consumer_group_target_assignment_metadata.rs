//! ConsumerGroupTargetAssignmentMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Consumer group target assignment metadata key (record key, key 6), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 6, versions = "0")]
pub struct ConsumerGroupTargetAssignmentMetadataKey {
    pub group_id: ByteString,
}

/// Consumer group target assignment metadata value (record value, key 6), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 6, versions = "0", flexible = "0+")]
pub struct ConsumerGroupTargetAssignmentMetadataValue {
    pub assignment_epoch: i32,
    #[field(tag = 0)]
    pub assignment_timestamp: i64,
}
