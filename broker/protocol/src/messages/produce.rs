//! Produce: the request of key 0 and its response.

use crate::{ByteString, Message, Records, Uuid};

/// Produce request, key 0, versions 3 to 13.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, response = ProduceResponse, versions = "3-13", flexible = "9+")]
pub struct ProduceRequest {
    #[field(nullable, default = null)]
    pub transactional_id: Option<ByteString>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topic_data: Vec<TopicProduceData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicProduceData {
    #[field(versions = "0-12")]
    pub name: ByteString,
    #[field(versions = "13+")]
    pub topic_id: Uuid,
    pub partition_data: Vec<PartitionProduceData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionProduceData {
    pub index: i32,
    #[field(nullable, default = null)]
    pub records: Option<Records>,
}

/// Produce response, key 0, versions 3 to 13.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "3-13", flexible = "9+")]
pub struct ProduceResponse {
    pub responses: Vec<TopicProduceResponse>,
    pub throttle_time_ms: i32,
    #[field(versions = "10+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicProduceResponse {
    #[field(versions = "0-12")]
    pub name: ByteString,
    #[field(versions = "13+")]
    pub topic_id: Uuid,
    pub partition_responses: Vec<PartitionProduceResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionProduceResponse {
    pub index: i32,
    pub error_code: i16,
    pub base_offset: i64,
    #[field(default = -1)]
    pub log_append_time_ms: i64,
    #[field(versions = "5+", default = -1)]
    pub log_start_offset: i64,
    #[field(versions = "8+")]
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    #[field(versions = "8+", nullable, default = null)]
    pub error_message: Option<ByteString>,
    #[field(versions = "10+", tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BatchIndexAndErrorMessage {
    pub batch_index: i32,
    #[field(nullable, default = null)]
    pub batch_index_error_message: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LeaderIdAndEpoch {
    #[field(default = -1)]
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: ByteString,
    pub port: i32,
    #[field(nullable, default = null)]
    pub rack: Option<ByteString>,
}
