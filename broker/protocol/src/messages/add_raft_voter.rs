//! AddRaftVoter: the request of key 80 and its response.

use crate::{ByteString, Message, Uuid};

/// Add raft voter request, key 80, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 80, response = AddRaftVoterResponse, versions = "0-1", flexible = "0+")]
pub struct AddRaftVoterRequest {
    #[field(nullable)]
    pub cluster_id: Option<ByteString>,
    pub timeout_ms: i32,
    pub voter_id: i32,
    pub voter_directory_id: Uuid,
    pub listeners: Vec<Listener>,
    #[field(versions = "1+", default = true)]
    pub ack_when_committed: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Listener {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
}

/// Add raft voter response, key 80, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct AddRaftVoterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
