//! DescribeUserScramCredentials: the request of key 50 and its response.

use crate::{ByteString, Message};

/// Describe user scram credentials request, key 50, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 50, response = DescribeUserScramCredentialsResponse, versions = "0", flexible = "0+")]
pub struct DescribeUserScramCredentialsRequest {
    #[field(nullable)]
    pub users: Option<Vec<UserName>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct UserName {
    pub name: ByteString,
}

/// Describe user scram credentials response, key 50, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DescribeUserScramCredentialsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub results: Vec<DescribeUserScramCredentialsResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeUserScramCredentialsResult {
    pub user: ByteString,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub credential_infos: Vec<CredentialInfo>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CredentialInfo {
    pub mechanism: i8,
    pub iterations: i32,
}
