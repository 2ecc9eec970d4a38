//! ReadShareGroupState: the request of key 84 and its response.

use crate::{ByteString, Message, Uuid};

/// Read share group state request, key 84, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 84, response = ReadShareGroupStateResponse, versions = "0", flexible = "0+")]
pub struct ReadShareGroupStateRequest {
    pub group_id: ByteString,
    pub topics: Vec<ReadStateData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReadStateData {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition: i32,
    pub leader_epoch: i32,
}

/// Read share group state response, key 84, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ReadShareGroupStateResponse {
    pub results: Vec<ReadStateResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReadStateResult {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionResult {
    pub partition: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub state_epoch: i32,
    pub start_offset: i64,
    pub state_batches: Vec<StateBatch>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct StateBatch {
    pub first_offset: i64,
    pub last_offset: i64,
    pub delivery_state: i8,
    pub delivery_count: i16,
}
