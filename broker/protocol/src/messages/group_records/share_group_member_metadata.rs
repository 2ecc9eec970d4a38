//! ShareGroupMemberMetadata, as Kafka writes it.

use crate::{ByteString, Message};

/// Share group member metadata key (record key, key 10), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 10, versions = "0")]
pub struct ShareGroupMemberMetadataKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Share group member metadata value (record value, key 10), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 10, versions = "0", flexible = "0+")]
pub struct ShareGroupMemberMetadataValue {
    #[field(nullable)]
    pub rack_id: Option<ByteString>,
    pub client_id: ByteString,
    pub client_host: ByteString,
    pub subscribed_topic_names: Vec<ByteString>,
}
