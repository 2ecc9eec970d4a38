//! UserScramCredentialRecord, as Kafka writes it.

use crate::{ByteString, Bytes, Message};

/// User scram credential record (record, key 11), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 11, versions = "0", flexible = "0+")]
pub struct UserScramCredentialRecord {
    pub name: ByteString,
    pub mechanism: i8,
    pub salt: Bytes,
    pub stored_key: Bytes,
    pub server_key: Bytes,
    pub iterations: i32,
}
