//! RemoveTopicRecord, as Kafka writes it.

use crate::{Message, Uuid};

/// Remove topic record (record, key 9), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 9, versions = "0", flexible = "0+")]
pub struct RemoveTopicRecord {
    pub topic_id: Uuid,
}
