//! NoOpRecord, as Kafka writes it.

use crate::Message;

/// No op record (record, key 20), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 20, versions = "0", flexible = "0+")]
pub struct NoOpRecord {}
