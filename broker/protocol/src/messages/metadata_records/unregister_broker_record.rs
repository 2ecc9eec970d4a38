//! UnregisterBrokerRecord, as Kafka writes it.

use crate::Message;

/// Unregister broker record (record, key 1), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 1, versions = "0", flexible = "0+")]
pub struct UnregisterBrokerRecord {
    pub broker_id: i32,
    pub broker_epoch: i64,
}
