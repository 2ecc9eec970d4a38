//! AssignReplicasToDirs: the request of key 73 and its response.

use crate::{Message, Uuid};

/// Assign replicas to dirs request, key 73, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 73, response = AssignReplicasToDirsResponse, versions = "0", flexible = "0+")]
pub struct AssignReplicasToDirsRequest {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
    pub directories: Vec<RequestDirectoryData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestDirectoryData {
    pub id: Uuid,
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
}

/// Assign replicas to dirs response, key 73, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct AssignReplicasToDirsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub directories: Vec<ResponseDirectoryData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseDirectoryData {
    pub id: Uuid,
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
}
