//! ConsumerGroupMemberMetadata, as Kafka writes it.

use crate::{ByteString, Bytes, Message};

/// Consumer group member metadata key (record key, key 5), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 5, versions = "0")]
pub struct ConsumerGroupMemberMetadataKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Consumer group member metadata value (record value, key 5), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 5, versions = "0", flexible = "0+")]
pub struct ConsumerGroupMemberMetadataValue {
    #[field(nullable)]
    pub instance_id: Option<ByteString>,
    #[field(nullable)]
    pub rack_id: Option<ByteString>,
    pub client_id: ByteString,
    pub client_host: ByteString,
    pub subscribed_topic_names: Vec<ByteString>,
    #[field(nullable)]
    pub subscribed_topic_regex: Option<ByteString>,
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    #[field(nullable)]
    pub server_assignor: Option<ByteString>,
    #[field(nullable, tag = 0)]
    pub classic_member_metadata: Option<ClassicMemberMetadata>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ClassicMemberMetadata {
    pub session_timeout_ms: i32,
    pub supported_protocols: Vec<ClassicProtocol>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ClassicProtocol {
    pub name: ByteString,
    pub metadata: Bytes,
}
