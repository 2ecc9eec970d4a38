//! OffsetCommit: the request of key 8 and its response.

use crate::{ByteString, Message, Uuid};

/// Offset commit request, key 8, versions 2 to 10.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 8, response = OffsetCommitResponse, versions = "2-10", flexible = "8+")]
pub struct OffsetCommitRequest {
    pub group_id: ByteString,
    #[field(default = -1)]
    pub generation_id_or_member_epoch: i32,
    pub member_id: ByteString,
    #[field(versions = "7+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    #[field(versions = "0-4", default = -1)]
    pub retention_time_ms: i64,
    pub topics: Vec<OffsetCommitRequestTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitRequestTopic {
    #[field(versions = "0-9")]
    pub name: ByteString,
    #[field(versions = "10+")]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(versions = "6+", default = -1)]
    pub committed_leader_epoch: i32,
    #[field(nullable)]
    pub committed_metadata: Option<ByteString>,
}

/// Offset commit response, key 8, versions 2 to 10.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "2-10", flexible = "8+")]
pub struct OffsetCommitResponse {
    #[field(versions = "3+")]
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetCommitResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitResponseTopic {
    #[field(versions = "0-9")]
    pub name: ByteString,
    #[field(versions = "10+")]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}
