//! AlterShareGroupOffsets: the request of key 91 and its response.

use crate::{ByteString, Message, Uuid};

/// Alter share group offsets request, key 91, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 91, response = AlterShareGroupOffsetsResponse, versions = "0", flexible = "0+")]
pub struct AlterShareGroupOffsetsRequest {
    pub group_id: ByteString,
    pub topics: Vec<AlterShareGroupOffsetsRequestTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterShareGroupOffsetsRequestTopic {
    pub topic_name: ByteString,
    pub partitions: Vec<AlterShareGroupOffsetsRequestPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterShareGroupOffsetsRequestPartition {
    pub partition_index: i32,
    pub start_offset: i64,
}

/// Alter share group offsets response, key 91, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct AlterShareGroupOffsetsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub responses: Vec<AlterShareGroupOffsetsResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterShareGroupOffsetsResponseTopic {
    pub topic_name: ByteString,
    pub topic_id: Uuid,
    pub partitions: Vec<AlterShareGroupOffsetsResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterShareGroupOffsetsResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
}
