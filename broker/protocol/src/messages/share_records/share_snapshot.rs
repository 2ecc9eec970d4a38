//! ShareSnapshot, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Share snapshot key (record key, key 0), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0")]
pub struct ShareSnapshotKey {
    pub group_id: ByteString,
    pub topic_id: Uuid,
    pub partition: i32,
}

/// Share snapshot value (record value, key 0), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0", flexible = "0+")]
pub struct ShareSnapshotValue {
    pub snapshot_epoch: i32,
    pub state_epoch: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    #[field(tag = 0, default = -1)]
    pub delivery_complete_count: i32,
    pub create_timestamp: i64,
    pub write_timestamp: i64,
    pub state_batches: Vec<StateBatch>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct StateBatch {
    pub first_offset: i64,
    pub last_offset: i64,
    pub delivery_state: i8,
    pub delivery_count: i16,
}
