//! ElectLeaders: the request of key 43 and its response.

use crate::{ByteString, Message};

/// Elect leaders request, key 43, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 43, response = ElectLeadersResponse, versions = "0-2", flexible = "2+")]
pub struct ElectLeadersRequest {
    #[field(versions = "1+")]
    pub election_type: i8,
    #[field(nullable)]
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    #[field(default = 60000)]
    pub timeout_ms: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartitions {
    pub topic: ByteString,
    pub partitions: Vec<i32>,
}

/// Elect leaders response, key 43, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "2+")]
pub struct ElectLeadersResponse {
    pub throttle_time_ms: i32,
    #[field(versions = "1+")]
    pub error_code: i16,
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReplicaElectionResult {
    pub topic: ByteString,
    pub partition_result: Vec<PartitionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionResult {
    pub partition_id: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
