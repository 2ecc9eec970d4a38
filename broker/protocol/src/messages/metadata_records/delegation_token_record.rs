//! DelegationTokenRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Delegation token record (record, key 10), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 10, versions = "0", flexible = "0+")]
pub struct DelegationTokenRecord {
    pub owner: ByteString,
    pub requester: ByteString,
    pub renewers: Vec<ByteString>,
    pub issue_timestamp: i64,
    pub max_timestamp: i64,
    pub expiration_timestamp: i64,
    pub token_id: ByteString,
}
