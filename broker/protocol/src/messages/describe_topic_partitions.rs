//! DescribeTopicPartitions: the request of key 75 and its response.

use crate::{ByteString, Message, Uuid};

/// Describe topic partitions request, key 75, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 75, response = DescribeTopicPartitionsResponse, versions = "0", flexible = "0+")]
pub struct DescribeTopicPartitionsRequest {
    pub topics: Vec<TopicRequest>,
    #[field(default = 2000)]
    pub response_partition_limit: i32,
    #[field(nullable, default = null)]
    pub cursor: Option<RequestCursor>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicRequest {
    pub name: ByteString,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestCursor {
    pub topic_name: ByteString,
    pub partition_index: i32,
}

/// Describe topic partitions response, key 75, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DescribeTopicPartitionsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    #[field(nullable, default = null)]
    pub next_cursor: Option<ResponseCursor>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponseTopic {
    pub error_code: i16,
    #[field(nullable)]
    pub name: Option<ByteString>,
    pub topic_id: Uuid,
    pub is_internal: bool,
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    #[field(default = -2147483648)]
    pub topic_authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    #[field(nullable, default = null)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    #[field(nullable, default = null)]
    pub last_known_elr: Option<Vec<i32>>,
    pub offline_replicas: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseCursor {
    pub topic_name: ByteString,
    pub partition_index: i32,
}
