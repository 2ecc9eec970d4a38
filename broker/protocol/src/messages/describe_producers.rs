//! DescribeProducers: the request of key 61 and its response.

use crate::{ByteString, Message};

/// Describe producers request, key 61, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 61, response = DescribeProducersResponse, versions = "0", flexible = "0+")]
pub struct DescribeProducersRequest {
    pub topics: Vec<TopicRequest>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicRequest {
    pub name: ByteString,
    pub partition_indexes: Vec<i32>,
}

/// Describe producers response, key 61, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DescribeProducersResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<TopicResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicResponse {
    pub name: ByteString,
    pub partitions: Vec<PartitionResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub active_producers: Vec<ProducerState>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ProducerState {
    pub producer_id: i64,
    pub producer_epoch: i32,
    #[field(default = -1)]
    pub last_sequence: i32,
    #[field(default = -1)]
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    #[field(default = -1)]
    pub current_txn_start_offset: i64,
}
