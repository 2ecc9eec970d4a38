//! UnfenceBrokerRecord, as Kafka writes it.

use crate::Message;

/// Unfence broker record (record, key 8), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 8, versions = "0", flexible = "0+")]
pub struct UnfenceBrokerRecord {
    pub id: i32,
    pub epoch: i64,
}
