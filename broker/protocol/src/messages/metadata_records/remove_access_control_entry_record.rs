//! RemoveAccessControlEntryRecord, as Kafka writes it.

use crate::{Message, Uuid};

/// Remove access control entry record (record, key 19), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 19, versions = "0", flexible = "0+")]
pub struct RemoveAccessControlEntryRecord {
    pub id: Uuid,
}
