//! CreatePartitions: the request of key 37 and its response.

use crate::{ByteString, Message};

/// Create partitions request, key 37, versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 37, response = CreatePartitionsResponse, versions = "0-3", flexible = "2+")]
pub struct CreatePartitionsRequest {
    pub topics: Vec<CreatePartitionsTopic>,
    pub timeout_ms: i32,
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatePartitionsTopic {
    pub name: ByteString,
    pub count: i32,
    #[field(nullable)]
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatePartitionsAssignment {
    pub broker_ids: Vec<i32>,
}

/// Create partitions response, key 37, versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-3", flexible = "2+")]
pub struct CreatePartitionsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<CreatePartitionsTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatePartitionsTopicResult {
    pub name: ByteString,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
}
