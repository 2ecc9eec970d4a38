//! ConfigRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Config record (record, key 4), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 4, versions = "0", flexible = "0+")]
pub struct ConfigRecord {
    pub resource_type: i8,
    pub resource_name: ByteString,
    pub name: ByteString,
    #[field(nullable)]
    pub value: Option<ByteString>,
}
