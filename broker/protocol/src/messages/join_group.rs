//! JoinGroup: the request of key 11 and its response.

use crate::{ByteString, Bytes, Message};

/// Join group request, key 11, versions 0 to 9.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 11, response = JoinGroupResponse, versions = "0-9", flexible = "6+")]
pub struct JoinGroupRequest {
    pub group_id: ByteString,
    pub session_timeout_ms: i32,
    #[field(versions = "1+", default = -1)]
    pub rebalance_timeout_ms: i32,
    pub member_id: ByteString,
    #[field(versions = "5+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    pub protocol_type: ByteString,
    pub protocols: Vec<JoinGroupRequestProtocol>,
    #[field(versions = "8+", nullable, default = null)]
    pub reason: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct JoinGroupRequestProtocol {
    pub name: ByteString,
    pub metadata: Bytes,
}

/// Join group response, key 11, versions 0 to 9.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-9", flexible = "6+")]
pub struct JoinGroupResponse {
    #[field(versions = "2+")]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub generation_id: i32,
    #[field(versions = "7+", nullable, default = null)]
    pub protocol_type: Option<ByteString>,
    #[field(nullable = "7+")]
    pub protocol_name: Option<ByteString>,
    pub leader: ByteString,
    #[field(versions = "9+")]
    pub skip_assignment: bool,
    pub member_id: ByteString,
    pub members: Vec<JoinGroupResponseMember>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct JoinGroupResponseMember {
    pub member_id: ByteString,
    #[field(versions = "5+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    pub metadata: Bytes,
}
