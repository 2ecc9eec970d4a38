//! InitializeShareGroupState: the request of key 83 and its response.

use crate::{ByteString, Message, Uuid};

/// Initialize share group state request, key 83, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 83, response = InitializeShareGroupStateResponse, versions = "0", flexible = "0+")]
pub struct InitializeShareGroupStateRequest {
    pub group_id: ByteString,
    pub topics: Vec<InitializeStateData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct InitializeStateData {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition: i32,
    pub state_epoch: i32,
    pub start_offset: i64,
}

/// Initialize share group state response, key 83, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct InitializeShareGroupStateResponse {
    pub results: Vec<InitializeStateResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct InitializeStateResult {
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
