//! WriteShareGroupState: the request of key 85 and its response.

use crate::{ByteString, Message, Uuid};

/// Write share group state request, key 85, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 85, response = WriteShareGroupStateResponse, versions = "0-1", flexible = "0+")]
pub struct WriteShareGroupStateRequest {
    pub group_id: ByteString,
    pub topics: Vec<WriteStateData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WriteStateData {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition: i32,
    pub state_epoch: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    #[field(versions = "1+", default = -1)]
    pub delivery_complete_count: i32,
    pub state_batches: Vec<StateBatch>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct StateBatch {
    pub first_offset: i64,
    pub last_offset: i64,
    pub delivery_state: i8,
    pub delivery_count: i16,
}

/// Write share group state response, key 85, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct WriteShareGroupStateResponse {
    pub results: Vec<WriteStateResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WriteStateResult {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionResult {
    pub partition: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
}
