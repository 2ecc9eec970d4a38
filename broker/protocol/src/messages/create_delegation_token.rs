//! CreateDelegationToken: the request of key 38 and its response.

use crate::{ByteString, Bytes, Message};

/// Create delegation token request, key 38, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 38, response = CreateDelegationTokenResponse, versions = "1-3", flexible = "2+")]
pub struct CreateDelegationTokenRequest {
    #[field(versions = "3+", nullable)]
    pub owner_principal_type: Option<ByteString>,
    #[field(versions = "3+", nullable)]
    pub owner_principal_name: Option<ByteString>,
    pub renewers: Vec<CreatableRenewers>,
    pub max_lifetime_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CreatableRenewers {
    pub principal_type: ByteString,
    pub principal_name: ByteString,
}

/// Create delegation token response, key 38, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-3", flexible = "2+")]
pub struct CreateDelegationTokenResponse {
    pub error_code: i16,
    pub principal_type: ByteString,
    pub principal_name: ByteString,
    #[field(versions = "3+")]
    pub token_requester_principal_type: ByteString,
    #[field(versions = "3+")]
    pub token_requester_principal_name: ByteString,
    pub issue_timestamp_ms: i64,
    pub expiry_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    pub token_id: ByteString,
    pub hmac: Bytes,
    pub throttle_time_ms: i32,
}
