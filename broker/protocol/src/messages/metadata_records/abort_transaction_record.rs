//! AbortTransactionRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Abort transaction record (record, key 25), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 25, versions = "0", flexible = "0+")]
pub struct AbortTransactionRecord {
    #[field(nullable, tag = 0, default = null)]
    pub reason: Option<ByteString>,
}
