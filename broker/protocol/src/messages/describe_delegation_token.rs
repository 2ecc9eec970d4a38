//! DescribeDelegationToken: the request of key 41 and its response.

use crate::{ByteString, Bytes, Message};

/// Describe delegation token request, key 41, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 41, response = DescribeDelegationTokenResponse, versions = "1-3", flexible = "2+")]
pub struct DescribeDelegationTokenRequest {
    #[field(nullable)]
    pub owners: Option<Vec<DescribeDelegationTokenOwner>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeDelegationTokenOwner {
    pub principal_type: ByteString,
    pub principal_name: ByteString,
}

/// Describe delegation token response, key 41, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-3", flexible = "2+")]
pub struct DescribeDelegationTokenResponse {
    pub error_code: i16,
    pub tokens: Vec<DescribedDelegationToken>,
    pub throttle_time_ms: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedDelegationToken {
    pub principal_type: ByteString,
    pub principal_name: ByteString,
    #[field(versions = "3+")]
    pub token_requester_principal_type: ByteString,
    #[field(versions = "3+")]
    pub token_requester_principal_name: ByteString,
    pub issue_timestamp: i64,
    pub expiry_timestamp: i64,
    pub max_timestamp: i64,
    pub token_id: ByteString,
    pub hmac: Bytes,
    pub renewers: Vec<DescribedDelegationTokenRenewer>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedDelegationTokenRenewer {
    pub principal_type: ByteString,
    pub principal_name: ByteString,
}
