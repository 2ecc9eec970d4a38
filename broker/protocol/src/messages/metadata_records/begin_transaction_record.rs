//! BeginTransactionRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Begin transaction record (record, key 23), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 23, versions = "0", flexible = "0+")]
pub struct BeginTransactionRecord {
    #[field(nullable, tag = 0, default = null)]
    pub name: Option<ByteString>,
}
