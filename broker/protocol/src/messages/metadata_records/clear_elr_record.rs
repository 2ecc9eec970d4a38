//! ClearElrRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Clear elr record (record, key 28), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 28, versions = "0", flexible = "0+")]
pub struct ClearElrRecord {
    pub topic_name: ByteString,
}
