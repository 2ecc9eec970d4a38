//! TopicRecord, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Topic record (record, key 2), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 2, versions = "0", flexible = "0+")]
pub struct TopicRecord {
    pub name: ByteString,
    pub topic_id: Uuid,
}
