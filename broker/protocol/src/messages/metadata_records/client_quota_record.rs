//! ClientQuotaRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Client quota record (record, key 14), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 14, versions = "0", flexible = "0+")]
pub struct ClientQuotaRecord {
    pub entity: Vec<EntityData>,
    pub key: ByteString,
    pub value: f64,
    pub remove: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EntityData {
    pub entity_type: ByteString,
    #[field(nullable)]
    pub entity_name: Option<ByteString>,
}
