//! AlterPartitionReassignments: the request of key 45 and its response.

use crate::{ByteString, Message};

/// Alter partition reassignments request, key 45, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 45, response = AlterPartitionReassignmentsResponse, versions = "0-1", flexible = "0+")]
pub struct AlterPartitionReassignmentsRequest {
    #[field(default = 60000)]
    pub timeout_ms: i32,
    #[field(versions = "1+", default = true)]
    pub allow_replication_factor_change: bool,
    pub topics: Vec<ReassignableTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReassignableTopic {
    pub name: ByteString,
    pub partitions: Vec<ReassignablePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReassignablePartition {
    pub partition_index: i32,
    #[field(nullable, default = null)]
    pub replicas: Option<Vec<i32>>,
}

/// Alter partition reassignments response, key 45, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct AlterPartitionReassignmentsResponse {
    pub throttle_time_ms: i32,
    #[field(versions = "1+", default = true)]
    pub allow_replication_factor_change: bool,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub responses: Vec<ReassignableTopicResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReassignableTopicResponse {
    pub name: ByteString,
    pub partitions: Vec<ReassignablePartitionResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReassignablePartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
