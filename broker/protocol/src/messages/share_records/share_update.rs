//! ShareUpdate, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Share update key (record key, key 1), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 1, versions = "0")]
pub struct ShareUpdateKey {
    pub group_id: ByteString,
    pub topic_id: Uuid,
    pub partition: i32,
}

/// Share update value (record value, key 1), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 1, versions = "0", flexible = "0+")]
pub struct ShareUpdateValue {
    pub snapshot_epoch: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    #[field(tag = 0, default = -1)]
    pub delivery_complete_count: i32,
    pub state_batches: Vec<StateBatch>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct StateBatch {
    pub first_offset: i64,
    pub last_offset: i64,
    pub delivery_state: i8,
    pub delivery_count: i16,
}
