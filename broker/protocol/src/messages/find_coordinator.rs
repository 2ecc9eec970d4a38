//! FindCoordinator: the request of key 10 and its response.

use crate::{ByteString, Message};

/// Find coordinator request, key 10, versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 10, response = FindCoordinatorResponse, versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorRequest {
    #[field(versions = "0-3")]
    pub key: ByteString,
    #[field(versions = "1+")]
    pub key_type: i8,
    #[field(versions = "4+")]
    pub coordinator_keys: Vec<ByteString>,
}

/// Find coordinator response, key 10, versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorResponse {
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    #[field(versions = "0-3")]
    pub error_code: i16,
    #[field(versions = "1-3", nullable)]
    pub error_message: Option<ByteString>,
    #[field(versions = "0-3")]
    pub node_id: i32,
    #[field(versions = "0-3")]
    pub host: ByteString,
    #[field(versions = "0-3")]
    pub port: i32,
    #[field(versions = "4+")]
    pub coordinators: Vec<Coordinator>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Coordinator {
    pub key: ByteString,
    pub node_id: i32,
    pub host: ByteString,
    pub port: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
