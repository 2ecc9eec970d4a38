//! ListGroups: the request of key 16 and its response.

use crate::{ByteString, Message};

/// List groups request, key 16, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 16, response = ListGroupsResponse, versions = "0-5", flexible = "3+")]
pub struct ListGroupsRequest {
    #[field(versions = "4+")]
    pub states_filter: Vec<ByteString>,
    #[field(versions = "5+")]
    pub types_filter: Vec<ByteString>,
}

/// List groups response, key 16, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "3+")]
pub struct ListGroupsResponse {
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub groups: Vec<ListedGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ListedGroup {
    pub group_id: ByteString,
    pub protocol_type: ByteString,
    #[field(versions = "4+")]
    pub group_state: ByteString,
    #[field(versions = "5+")]
    pub group_type: ByteString,
}
