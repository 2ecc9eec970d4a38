//! OffsetCommit, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Offset commit key (record key, key 1), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 1, versions = "0")]
pub struct OffsetCommitKey {
    pub group: ByteString,
    pub topic: ByteString,
    pub partition: i32,
}

/// Offset commit value (record value, key 1), versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 1, versions = "0-4", flexible = "4+")]
pub struct OffsetCommitValue {
    pub offset: i64,
    #[field(versions = "3+", default = -1)]
    pub leader_epoch: i32,
    pub metadata: ByteString,
    pub commit_timestamp: i64,
    #[field(versions = "1", default = -1)]
    pub expire_timestamp: i64,
    #[field(versions = "4+", tag = 0)]
    pub topic_id: Uuid,
}
