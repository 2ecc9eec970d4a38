//! UnregisterBroker: the request of key 64 and its response.

use crate::{ByteString, Message};

/// Unregister broker request, key 64, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 64, response = UnregisterBrokerResponse, versions = "0", flexible = "0+")]
pub struct UnregisterBrokerRequest {
    pub broker_id: i32,
}

/// Unregister broker response, key 64, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct UnregisterBrokerResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
