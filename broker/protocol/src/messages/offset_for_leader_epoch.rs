//! OffsetForLeaderEpoch: the request of key 23 and its response.

use crate::{ByteString, Message};

/// Offset for leader epoch request, key 23, versions 2 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 23, response = OffsetForLeaderEpochResponse, versions = "2-4", flexible = "4+")]
pub struct OffsetForLeaderEpochRequest {
    #[field(versions = "3+", default = -2)]
    pub replica_id: i32,
    pub topics: Vec<OffsetForLeaderTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetForLeaderTopic {
    pub topic: ByteString,
    pub partitions: Vec<OffsetForLeaderPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetForLeaderPartition {
    pub partition: i32,
    #[field(default = -1)]
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

/// Offset for leader epoch response, key 23, versions 2 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "2-4", flexible = "4+")]
pub struct OffsetForLeaderEpochResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetForLeaderTopicResult {
    pub topic: ByteString,
    pub partitions: Vec<EpochEndOffset>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EpochEndOffset {
    pub error_code: i16,
    pub partition: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    #[field(default = -1)]
    pub end_offset: i64,
}
