//! RemoveRaftVoter: the request of key 81 and its response.

use crate::{ByteString, Message, Uuid};

/// Remove raft voter request, key 81, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 81, response = RemoveRaftVoterResponse, versions = "0", flexible = "0+")]
pub struct RemoveRaftVoterRequest {
    #[field(nullable)]
    pub cluster_id: Option<ByteString>,
    pub voter_id: i32,
    pub voter_directory_id: Uuid,
}

/// Remove raft voter response, key 81, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoveRaftVoterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
