//! StreamsGroupMemberMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Streams group member metadata key (record key, key 19), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 19, versions = "0")]
pub struct StreamsGroupMemberMetadataKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Streams group member metadata value (record value, key 19), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 19, versions = "0", flexible = "0+")]
pub struct StreamsGroupMemberMetadataValue {
    #[field(nullable)]
    pub instance_id: Option<ByteString>,
    #[field(nullable)]
    pub rack_id: Option<ByteString>,
    pub client_id: ByteString,
    pub client_host: ByteString,
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    pub topology_epoch: i32,
    pub process_id: ByteString,
    #[field(nullable, default = null)]
    pub user_endpoint: Option<Endpoint>,
    pub client_tags: Vec<KeyValue>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Endpoint {
    pub host: ByteString,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct KeyValue {
    pub key: ByteString,
    pub value: ByteString,
}
