//! AlterUserScramCredentials: the request of key 51 and its response.

use crate::{ByteString, Bytes, Message};

/// Alter user scram credentials request, key 51, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 51, response = AlterUserScramCredentialsResponse, versions = "0", flexible = "0+")]
pub struct AlterUserScramCredentialsRequest {
    pub deletions: Vec<ScramCredentialDeletion>,
    pub upsertions: Vec<ScramCredentialUpsertion>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ScramCredentialDeletion {
    pub name: ByteString,
    pub mechanism: i8,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ScramCredentialUpsertion {
    pub name: ByteString,
    pub mechanism: i8,
    pub iterations: i32,
    pub salt: Bytes,
    pub salted_password: Bytes,
}

/// Alter user scram credentials response, key 51, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct AlterUserScramCredentialsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AlterUserScramCredentialsResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterUserScramCredentialsResult {
    pub user: ByteString,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
