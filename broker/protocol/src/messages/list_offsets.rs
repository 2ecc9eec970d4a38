//! ListOffsets: the request of key 2 and its response.

use crate::{ByteString, Message};

/// List offsets request, key 2, versions 1 to 11.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 2, response = ListOffsetsResponse, versions = "1-11", flexible = "6+")]
pub struct ListOffsetsRequest {
    pub replica_id: i32,
    #[field(versions = "2+")]
    pub isolation_level: i8,
    pub topics: Vec<ListOffsetsTopic>,
    #[field(versions = "10+")]
    pub timeout_ms: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsTopic {
    pub name: ByteString,
    pub partitions: Vec<ListOffsetsPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsPartition {
    pub partition_index: i32,
    #[field(versions = "4+", default = -1)]
    pub current_leader_epoch: i32,
    pub timestamp: i64,
}

/// List offsets response, key 2, versions 1 to 11.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-11", flexible = "6+")]
pub struct ListOffsetsResponse {
    #[field(versions = "2+")]
    pub throttle_time_ms: i32,
    pub topics: Vec<ListOffsetsTopicResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsTopicResponse {
    pub name: ByteString,
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListOffsetsPartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub timestamp: i64,
    #[field(default = -1)]
    pub offset: i64,
    #[field(versions = "4+", default = -1)]
    pub leader_epoch: i32,
}
