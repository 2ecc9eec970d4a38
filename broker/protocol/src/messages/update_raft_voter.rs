//! UpdateRaftVoter: the request of key 82 and its response.

use crate::{ByteString, Message, Uuid};

/// Update raft voter request, key 82, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 82, response = UpdateRaftVoterResponse, versions = "0", flexible = "0+")]
pub struct UpdateRaftVoterRequest {
    #[field(nullable)]
    pub cluster_id: Option<ByteString>,
    pub current_leader_epoch: i32,
    pub voter_id: i32,
    pub voter_directory_id: Uuid,
    pub listeners: Vec<Listener>,
    pub kraft_version_feature: KRaftVersionFeature,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Listener {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct KRaftVersionFeature {
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}

/// Update raft voter response, key 82, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct UpdateRaftVoterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(tag = 0)]
    pub current_leader: CurrentLeader,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CurrentLeader {
    #[field(default = -1)]
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    pub host: ByteString,
    pub port: i32,
}
