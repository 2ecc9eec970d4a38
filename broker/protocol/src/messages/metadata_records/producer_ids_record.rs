//! ProducerIdsRecord, as Kafka writes it.

use crate::Message;

/// Producer ids record (record, key 15), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 15, versions = "0", flexible = "0+")]
pub struct ProducerIdsRecord {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
    pub next_producer_id: i64,
}
