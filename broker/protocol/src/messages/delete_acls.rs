//! DeleteAcls: the request of key 31 and its response.

use crate::{ByteString, Message};

/// Delete acls request, key 31, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 31, response = DeleteAclsResponse, versions = "1-3", flexible = "2+")]
pub struct DeleteAclsRequest {
    pub filters: Vec<DeleteAclsFilter>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteAclsFilter {
    pub resource_type_filter: i8,
    #[field(nullable)]
    pub resource_name_filter: Option<ByteString>,
    #[field(default = 3)]
    pub pattern_type_filter: i8,
    #[field(nullable)]
    pub principal_filter: Option<ByteString>,
    #[field(nullable)]
    pub host_filter: Option<ByteString>,
    pub operation: i8,
    pub permission_type: i8,
}

/// Delete acls response, key 31, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-3", flexible = "2+")]
pub struct DeleteAclsResponse {
    pub throttle_time_ms: i32,
    pub filter_results: Vec<DeleteAclsFilterResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteAclsFilterResult {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub matching_acls: Vec<DeleteAclsMatchingAcl>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DeleteAclsMatchingAcl {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub resource_type: i8,
    pub resource_name: ByteString,
    #[field(default = 3)]
    pub pattern_type: i8,
    pub principal: ByteString,
    pub host: ByteString,
    pub operation: i8,
    pub permission_type: i8,
}
