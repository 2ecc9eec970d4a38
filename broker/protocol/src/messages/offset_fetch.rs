//! OffsetFetch: the request of key 9 and its response.

use crate::{ByteString, Message, Uuid};

/// Offset fetch request, key 9, versions 1 to 10.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 9, response = OffsetFetchResponse, versions = "1-10", flexible = "6+")]
pub struct OffsetFetchRequest {
    #[field(versions = "0-7")]
    pub group_id: ByteString,
    #[field(versions = "0-7", nullable = "2+")]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup>,
    #[field(versions = "7+")]
    pub require_stable: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchRequestTopic {
    pub name: ByteString,
    pub partition_indexes: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchRequestGroup {
    pub group_id: ByteString,
    #[field(versions = "9+", nullable, default = null)]
    pub member_id: Option<ByteString>,
    #[field(versions = "9+", default = -1)]
    pub member_epoch: i32,
    #[field(nullable)]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchRequestTopics {
    #[field(versions = "0-9")]
    pub name: ByteString,
    #[field(versions = "10+")]
    pub topic_id: Uuid,
    pub partition_indexes: Vec<i32>,
}

/// Offset fetch response, key 9, versions 1 to 10.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-10", flexible = "6+")]
pub struct OffsetFetchResponse {
    #[field(versions = "3+")]
    pub throttle_time_ms: i32,
    #[field(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic>,
    #[field(versions = "2-7")]
    pub error_code: i16,
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponseTopic {
    pub name: ByteString,
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponsePartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(versions = "5+", default = -1)]
    pub committed_leader_epoch: i32,
    #[field(nullable)]
    pub metadata: Option<ByteString>,
    pub error_code: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponseGroup {
    pub group_id: ByteString,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponseTopics {
    #[field(versions = "0-9")]
    pub name: ByteString,
    #[field(versions = "10+")]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetFetchResponsePartitions {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(default = -1)]
    pub committed_leader_epoch: i32,
    #[field(nullable)]
    pub metadata: Option<ByteString>,
    pub error_code: i16,
}
