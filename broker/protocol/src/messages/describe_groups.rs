//! DescribeGroups: the request of key 15 and its response.

use crate::{ByteString, Bytes, Message};

/// Describe groups request, key 15, versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 15, response = DescribeGroupsResponse, versions = "0-6", flexible = "5+")]
pub struct DescribeGroupsRequest {
    pub groups: Vec<ByteString>,
    #[field(versions = "3+")]
    pub include_authorized_operations: bool,
}

/// Describe groups response, key 15, versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-6", flexible = "5+")]
pub struct DescribeGroupsResponse {
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedGroup {
    pub error_code: i16,
    #[field(versions = "6+", nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub group_id: ByteString,
    pub group_state: ByteString,
    pub protocol_type: ByteString,
    pub protocol_data: ByteString,
    pub members: Vec<DescribedGroupMember>,
    #[field(versions = "3+", default = -2147483648)]
    pub authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedGroupMember {
    pub member_id: ByteString,
    #[field(versions = "4+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    pub client_id: ByteString,
    pub client_host: ByteString,
    pub member_metadata: Bytes,
    pub member_assignment: Bytes,
}
