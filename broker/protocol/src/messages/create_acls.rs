//! CreateAcls: the request of key 30 and its response.

use crate::{ByteString, Message};

/// Create acls request, key 30, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 30, response = CreateAclsResponse, versions = "1-3", flexible = "2+")]
pub struct CreateAclsRequest {
    pub creations: Vec<AclCreation>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AclCreation {
    pub resource_type: i8,
    pub resource_name: ByteString,
    #[field(default = 3)]
    pub resource_pattern_type: i8,
    pub principal: ByteString,
    pub host: ByteString,
    pub operation: i8,
    pub permission_type: i8,
}

/// Create acls response, key 30, versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-3", flexible = "2+")]
pub struct CreateAclsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AclCreationResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AclCreationResult {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
