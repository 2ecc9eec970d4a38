//! RenewDelegationToken: the request of key 39 and its response.

use crate::{Bytes, Message};

/// Renew delegation token request, key 39, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 39, response = RenewDelegationTokenResponse, versions = "1-2", flexible = "2+")]
pub struct RenewDelegationTokenRequest {
    pub hmac: Bytes,
    pub renew_period_ms: i64,
}

/// Renew delegation token response, key 39, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "2+")]
pub struct RenewDelegationTokenResponse {
    pub error_code: i16,
    pub expiry_timestamp_ms: i64,
    pub throttle_time_ms: i32,
}
