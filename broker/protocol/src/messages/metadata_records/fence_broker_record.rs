//! FenceBrokerRecord, as Kafka writes it.

use crate::Message;

/// Fence broker record (record, key 7), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 7, versions = "0", flexible = "0+")]
pub struct FenceBrokerRecord {
    pub id: i32,
    pub epoch: i64,
}
