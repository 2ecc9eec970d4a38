//! DescribeShareGroupOffsets: the request of key 90 and its response.

use crate::{ByteString, Message, Uuid};

/// Describe share group offsets request, key 90, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 90, response = DescribeShareGroupOffsetsResponse, versions = "0-1", flexible = "0+")]
pub struct DescribeShareGroupOffsetsRequest {
    pub groups: Vec<DescribeShareGroupOffsetsRequestGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsRequestGroup {
    pub group_id: ByteString,
    #[field(nullable)]
    pub topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsRequestTopic {
    pub topic_name: ByteString,
    pub partitions: Vec<i32>,
}

/// Describe share group offsets response, key 90, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct DescribeShareGroupOffsetsResponse {
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribeShareGroupOffsetsResponseGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsResponseGroup {
    pub group_id: ByteString,
    pub topics: Vec<DescribeShareGroupOffsetsResponseTopic>,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsResponseTopic {
    pub topic_name: ByteString,
    pub topic_id: Uuid,
    pub partitions: Vec<DescribeShareGroupOffsetsResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsResponsePartition {
    pub partition_index: i32,
    pub start_offset: i64,
    pub leader_epoch: i32,
    #[field(versions = "1+", default = -1)]
    pub lag: i64,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
}
