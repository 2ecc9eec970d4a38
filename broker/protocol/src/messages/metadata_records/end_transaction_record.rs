//! EndTransactionRecord, as Kafka writes it.

use crate::Message;

/// End transaction record (record, key 24), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 24, versions = "0", flexible = "0+")]
pub struct EndTransactionRecord {}
