//! DescribeAcls: the request of key 29 and its response.

use crate::{ByteString, Message};

/// Describe acls request, key 29, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 29, response = DescribeAclsResponse, versions = "1-3", flexible = "2+")]
pub struct DescribeAclsRequest {
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

/// Describe acls response, key 29, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-3", flexible = "2+")]
pub struct DescribeAclsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub resources: Vec<DescribeAclsResource>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeAclsResource {
    pub resource_type: i8,
    pub resource_name: ByteString,
    #[field(default = 3)]
    pub pattern_type: i8,
    pub acls: Vec<AclDescription>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AclDescription {
    pub principal: ByteString,
    pub host: ByteString,
    pub operation: i8,
    pub permission_type: i8,
}
