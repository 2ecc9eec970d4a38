//! ShareGroupTargetAssignmentMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Share group target assignment metadata key (record key, key 12), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 12, versions = "0")]
pub struct ShareGroupTargetAssignmentMetadataKey {
    pub group_id: ByteString,
}

/// Share group target assignment metadata value (record value, key 12), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 12, versions = "0", flexible = "0+")]
pub struct ShareGroupTargetAssignmentMetadataValue {
    pub assignment_epoch: i32,
    #[field(tag = 0)]
    pub assignment_timestamp: i64,
}
