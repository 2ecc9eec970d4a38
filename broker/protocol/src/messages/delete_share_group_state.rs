//! DeleteShareGroupState: the request of key 86 and its response.

use crate::{ByteString, Message, Uuid};

/// Delete share group state request, key 86, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 86, response = DeleteShareGroupStateResponse, versions = "0", flexible = "0+")]
pub struct DeleteShareGroupStateRequest {
    pub group_id: ByteString,
    pub topics: Vec<DeleteStateData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteStateData {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition: i32,
}

/// Delete share group state response, key 86, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DeleteShareGroupStateResponse {
    pub results: Vec<DeleteStateResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteStateResult {
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
