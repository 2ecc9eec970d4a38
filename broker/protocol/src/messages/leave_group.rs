//! LeaveGroup: the request of key 13 and its response.

use crate::{ByteString, Message};

/// Leave group request, key 13, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 13, response = LeaveGroupResponse, versions = "0-5", flexible = "4+")]
pub struct LeaveGroupRequest {
    pub group_id: ByteString,
    #[field(versions = "0-2")]
    pub member_id: ByteString,
    #[field(versions = "3+")]
    pub members: Vec<MemberIdentity>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MemberIdentity {
    pub member_id: ByteString,
    #[field(nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    #[field(versions = "5+", nullable, default = null)]
    pub reason: Option<ByteString>,
}

/// Leave group response, key 13, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "4+")]
pub struct LeaveGroupResponse {
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(versions = "3+")]
    pub members: Vec<MemberResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MemberResponse {
    pub member_id: ByteString,
    #[field(nullable)]
    pub group_instance_id: Option<ByteString>,
    pub error_code: i16,
}
