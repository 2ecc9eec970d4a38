//! CreateTopics: the request of key 19 and its response.

use crate::{ByteString, Message, Uuid};

/// Create topics request, key 19, versions 2 to 7.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 19, response = CreateTopicsResponse, versions = "2-7", flexible = "5+")]
pub struct CreateTopicsRequest {
    pub topics: Vec<CreatableTopic>,
    #[field(default = 60000)]
    pub timeout_ms: i32,
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatableTopic {
    pub name: ByteString,
    pub num_partitions: i32,
    pub replication_factor: i16,
    pub assignments: Vec<CreatableReplicaAssignment>,
    pub configs: Vec<CreatableTopicConfig>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatableReplicaAssignment {
    pub partition_index: i32,
    pub broker_ids: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatableTopicConfig {
    pub name: ByteString,
    #[field(nullable)]
    pub value: Option<ByteString>,
}

/// Create topics response, key 19, versions 2 to 7.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "2-7", flexible = "5+")]
pub struct CreateTopicsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<CreatableTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatableTopicResult {
    pub name: ByteString,
    #[field(versions = "7+")]
    pub topic_id: Uuid,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    #[field(versions = "5+", tag = 0)]
    pub topic_config_error_code: i16,
    #[field(versions = "5+", default = -1)]
    pub num_partitions: i32,
    #[field(versions = "5+", default = -1)]
    pub replication_factor: i16,
    #[field(versions = "5+", nullable)]
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatableTopicConfigs {
    pub name: ByteString,
    #[field(nullable)]
    pub value: Option<ByteString>,
    pub read_only: bool,
    #[field(default = -1)]
    pub config_source: i8,
    pub is_sensitive: bool,
}
