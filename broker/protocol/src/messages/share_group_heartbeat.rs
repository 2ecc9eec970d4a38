//! ShareGroupHeartbeat: the request of key 76 and its response.

use crate::{ByteString, Message, Uuid};

/// Share group heartbeat request, key 76, version 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 76, response = ShareGroupHeartbeatResponse, versions = "1", flexible = "1+")]
pub struct ShareGroupHeartbeatRequest {
    pub group_id: ByteString,
    pub member_id: ByteString,
    pub member_epoch: i32,
    #[field(nullable, default = null)]
    pub rack_id: Option<ByteString>,
    #[field(nullable, default = null)]
    pub subscribed_topic_names: Option<Vec<ByteString>>,
}

/// Share group heartbeat response, key 76, version 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1", flexible = "1+")]
pub struct ShareGroupHeartbeatResponse {
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
    pub topic_partitions: Vec<TopicPartitions>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}
