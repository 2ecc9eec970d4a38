//! RemoveUserScramCredentialRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Remove user scram credential record (record, key 22), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 22, versions = "0", flexible = "0+")]
pub struct RemoveUserScramCredentialRecord {
    pub name: ByteString,
    pub mechanism: i8,
}
