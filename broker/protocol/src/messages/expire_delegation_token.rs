//! ExpireDelegationToken: the request of key 40 and its response.

use crate::{Bytes, Message};

/// Expire delegation token request, key 40, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 40, response = ExpireDelegationTokenResponse, versions = "1-2", flexible = "2+")]
pub struct ExpireDelegationTokenRequest {
    pub hmac: Bytes,
    pub expiry_time_period_ms: i64,
}

/// Expire delegation token response, key 40, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "2+")]
pub struct ExpireDelegationTokenResponse {
    pub error_code: i16,
    pub expiry_timestamp_ms: i64,
    pub throttle_time_ms: i32,
}
