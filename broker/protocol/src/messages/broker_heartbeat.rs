//! BrokerHeartbeat: the request of key 63 and its response.

use crate::{Message, Uuid};

/// Broker heartbeat request, key 63, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 63, response = BrokerHeartbeatResponse, versions = "0-2", flexible = "0+")]
pub struct BrokerHeartbeatRequest {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
    pub current_metadata_offset: i64,
    pub want_fence: bool,
    pub want_shut_down: bool,
    #[field(versions = "1+", tag = 0)]
    pub offline_log_dirs: Vec<Uuid>,
    #[field(versions = "2+", nullable, tag = 1, default = null)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

/// Broker heartbeat response, key 63, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct BrokerHeartbeatResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub is_caught_up: bool,
    #[field(default = true)]
    pub is_fenced: bool,
    pub should_shut_down: bool,
}
