//! ListPartitionReassignments: the request of key 46 and its response.

use crate::{ByteString, Message};

/// List partition reassignments request, key 46, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 46, response = ListPartitionReassignmentsResponse, versions = "0", flexible = "0+")]
pub struct ListPartitionReassignmentsRequest {
    #[field(default = 60000)]
    pub timeout_ms: i32,
    #[field(nullable, default = null)]
    pub topics: Option<Vec<ListPartitionReassignmentsTopics>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListPartitionReassignmentsTopics {
    pub name: ByteString,
    pub partition_indexes: Vec<i32>,
}

/// List partition reassignments response, key 46, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ListPartitionReassignmentsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub topics: Vec<OngoingTopicReassignment>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OngoingTopicReassignment {
    pub name: ByteString,
    pub partitions: Vec<OngoingPartitionReassignment>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OngoingPartitionReassignment {
    pub partition_index: i32,
    pub replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
}
