//! AlterPartition: the request of key 56 and its response.

use crate::{Message, Uuid};

/// Alter partition request, key 56, versions 2 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 56, response = AlterPartitionResponse, versions = "2-3", flexible = "2+")]
pub struct AlterPartitionRequest {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
    pub topics: Vec<RequestTopicData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestTopicData {
    pub topic_id: Uuid,
    pub partitions: Vec<RequestPartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestPartitionData {
    pub partition_index: i32,
    pub leader_epoch: i32,
    #[field(versions = "0-2")]
    pub new_isr: Vec<i32>,
    #[field(versions = "3+")]
    pub new_isr_with_epochs: Vec<BrokerState>,
    pub leader_recovery_state: i8,
    pub partition_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BrokerState {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
}

/// Alter partition response, key 56, versions 2 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "2-3", flexible = "2+")]
pub struct AlterPartitionResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub topics: Vec<ResponseTopicData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseTopicData {
    pub topic_id: Uuid,
    pub partitions: Vec<ResponsePartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponsePartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub isr: Vec<i32>,
    pub leader_recovery_state: i8,
    pub partition_epoch: i32,
}
