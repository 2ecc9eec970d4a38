//! DeleteShareGroupOffsets: the request of key 92 and its response.

use crate::{ByteString, Message, Uuid};

/// Delete share group offsets request, key 92, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 92, response = DeleteShareGroupOffsetsResponse, versions = "0", flexible = "0+")]
pub struct DeleteShareGroupOffsetsRequest {
    pub group_id: ByteString,
    pub topics: Vec<DeleteShareGroupOffsetsRequestTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteShareGroupOffsetsRequestTopic {
    pub topic_name: ByteString,
}

/// Delete share group offsets response, key 92, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DeleteShareGroupOffsetsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub responses: Vec<DeleteShareGroupOffsetsResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteShareGroupOffsetsResponseTopic {
    pub topic_name: ByteString,
    pub topic_id: Uuid,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
}
