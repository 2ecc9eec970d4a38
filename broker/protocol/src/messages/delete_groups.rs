//! DeleteGroups: the request of key 42 and its response.

use crate::{ByteString, Message};

/// Delete groups request, key 42, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 42, response = DeleteGroupsResponse, versions = "0-2", flexible = "2+")]
pub struct DeleteGroupsRequest {
    pub groups_names: Vec<ByteString>,
}

/// Delete groups response, key 42, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "2+")]
pub struct DeleteGroupsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DeletableGroupResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeletableGroupResult {
    pub group_id: ByteString,
    pub error_code: i16,
}
