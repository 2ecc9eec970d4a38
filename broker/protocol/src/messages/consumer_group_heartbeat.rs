//! ConsumerGroupHeartbeat: the request of key 68 and its response.

use crate::{ByteString, Message, Uuid};

/// Consumer group heartbeat request, key 68, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 68, response = ConsumerGroupHeartbeatResponse, versions = "0-1", flexible = "0+")]
pub struct ConsumerGroupHeartbeatRequest {
    pub group_id: ByteString,
    pub member_id: ByteString,
    pub member_epoch: i32,
    #[field(nullable, default = null)]
    pub instance_id: Option<ByteString>,
    #[field(nullable, default = null)]
    pub rack_id: Option<ByteString>,
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    #[field(nullable, default = null)]
    pub subscribed_topic_names: Option<Vec<ByteString>>,
    #[field(versions = "1+", nullable, default = null)]
    pub subscribed_topic_regex: Option<ByteString>,
    #[field(nullable, default = null)]
    pub server_assignor: Option<ByteString>,
    #[field(nullable, default = null)]
    pub topic_partitions: Option<Vec<RequestTopicPartitions>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

/// Consumer group heartbeat response, key 68, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct ConsumerGroupHeartbeatResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    #[field(nullable, default = null)]
    pub member_id: Option<ByteString>,
    pub member_epoch: i32,
    pub heartbeat_interval_ms: i32,
    #[field(nullable, default = null)]
    pub assignment: Option<Assignment>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Assignment {
    pub topic_partitions: Vec<ResponseTopicPartitions>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}
