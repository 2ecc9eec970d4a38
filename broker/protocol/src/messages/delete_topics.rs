//! DeleteTopics: the request of key 20 and its response.

use crate::{ByteString, Message, Uuid};

/// Delete topics request, key 20, versions 1 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 20, response = DeleteTopicsResponse, versions = "1-6", flexible = "4+")]
pub struct DeleteTopicsRequest {
    #[field(versions = "6+")]
    pub topics: Vec<DeleteTopicState>,
    #[field(versions = "0-5")]
    pub topic_names: Vec<ByteString>,
    pub timeout_ms: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteTopicState {
    #[field(nullable, default = null)]
    pub name: Option<ByteString>,
    pub topic_id: Uuid,
}

/// Delete topics response, key 20, versions 1 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-6", flexible = "4+")]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeletableTopicResult {
    #[field(nullable = "6+")]
    pub name: Option<ByteString>,
    #[field(versions = "6+")]
    pub topic_id: Uuid,
    pub error_code: i16,
    #[field(versions = "5+", nullable, default = null)]
    pub error_message: Option<ByteString>,
}
