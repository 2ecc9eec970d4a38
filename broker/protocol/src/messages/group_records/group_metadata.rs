//! GroupMetadata, as Kafka writes it.

use crate::{ByteString, Bytes, Message};

/// Group metadata key (record key, key 2), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 2, versions = "0")]
pub struct GroupMetadataKey {
    pub group: ByteString,
}

/// Group metadata value (record value, key 2), versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 2, versions = "0-4", flexible = "4+")]
pub struct GroupMetadataValue {
    pub protocol_type: ByteString,
    pub generation: i32,
    #[field(nullable)]
    pub protocol: Option<ByteString>,
    #[field(nullable)]
    pub leader: Option<ByteString>,
    #[field(versions = "2+", default = -1)]
    pub current_state_timestamp: i64,
    pub members: Vec<MemberMetadata>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MemberMetadata {
    pub member_id: ByteString,
    #[field(versions = "3+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    pub client_id: ByteString,
    pub client_host: ByteString,
    #[field(versions = "1+", default = -1)]
    pub rebalance_timeout: i32,
    pub session_timeout: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}
