//! ControlRecordTypeSchema, as Kafka writes it.

use crate::Message;

/// Control record type schema, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0")]
pub struct ControlRecordTypeSchema {
    pub r#type: i16,
}
