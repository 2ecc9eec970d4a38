//! LegacyOffsetCommit, as Kafka writes it.

use crate::{ByteString, Message};

/// Legacy offset commit key (record key, key 0), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0")]
pub struct LegacyOffsetCommitKey {
    pub group: ByteString,
    pub topic: ByteString,
    pub partition: i32,
}

/// Legacy offset commit value (record value, key 0), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0")]
pub struct LegacyOffsetCommitValue {
    pub offset: i64,
    pub metadata: ByteString,
    pub commit_timestamp: i64,
}
