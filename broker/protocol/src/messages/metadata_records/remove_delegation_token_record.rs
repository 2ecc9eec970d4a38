//! RemoveDelegationTokenRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Remove delegation token record (record, key 26), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 26, versions = "0", flexible = "0+")]
pub struct RemoveDelegationTokenRecord {
    pub token_id: ByteString,
}
