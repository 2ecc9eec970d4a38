//! Heartbeat: the request of key 12 and its response.

use crate::{ByteString, Message};

/// Heartbeat request, key 12, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 12, response = HeartbeatResponse, versions = "0-4", flexible = "4+")]
pub struct HeartbeatRequest {
    pub group_id: ByteString,
    pub generation_id: i32,
    pub member_id: ByteString,
    #[field(versions = "3+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
}

/// Heartbeat response, key 12, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-4", flexible = "4+")]
pub struct HeartbeatResponse {
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    pub error_code: i16,
}
