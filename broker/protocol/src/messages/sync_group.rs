//! SyncGroup: the request of key 14 and its response.

use crate::{ByteString, Bytes, Message};

/// Sync group request, key 14, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 14, response = SyncGroupResponse, versions = "0-5", flexible = "4+")]
pub struct SyncGroupRequest {
    pub group_id: ByteString,
    pub generation_id: i32,
    pub member_id: ByteString,
    #[field(versions = "3+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    #[field(versions = "5+", nullable, default = null)]
    pub protocol_type: Option<ByteString>,
    #[field(versions = "5+", nullable, default = null)]
    pub protocol_name: Option<ByteString>,
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct SyncGroupRequestAssignment {
    pub member_id: ByteString,
    pub assignment: Bytes,
}

/// Sync group response, key 14, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "4+")]
pub struct SyncGroupResponse {
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(versions = "5+", nullable, default = null)]
    pub protocol_type: Option<ByteString>,
    #[field(versions = "5+", nullable, default = null)]
    pub protocol_name: Option<ByteString>,
    pub assignment: Bytes,
}
