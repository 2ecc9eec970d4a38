//! AccessControlEntryRecord, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Access control entry record (record, key 18), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 18, versions = "0", flexible = "0+")]
pub struct AccessControlEntryRecord {
    pub id: Uuid,
    pub resource_type: i8,
    pub resource_name: ByteString,
    pub pattern_type: i8,
    pub principal: ByteString,
    pub host: ByteString,
    pub operation: i8,
    pub permission_type: i8,
}
