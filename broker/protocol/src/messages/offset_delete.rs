//! OffsetDelete: the request of key 47 and its response.

use crate::{ByteString, Message};

/// Offset delete request, key 47, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 47, response = OffsetDeleteResponse, versions = "0")]
pub struct OffsetDeleteRequest {
    pub group_id: ByteString,
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteRequestTopic {
    pub name: ByteString,
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteRequestPartition {
    pub partition_index: i32,
}

/// Offset delete response, key 47, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0")]
pub struct OffsetDeleteResponse {
    pub error_code: i16,
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteResponseTopic {
    pub name: ByteString,
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}
