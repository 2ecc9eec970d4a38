//! AlterConfigs: the request of key 33 and its response.

use crate::{ByteString, Message};

/// Alter configs request, key 33, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 33, response = AlterConfigsResponse, versions = "0-2", flexible = "2+")]
pub struct AlterConfigsRequest {
    pub resources: Vec<AlterConfigsResource>,
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterConfigsResource {
    pub resource_type: i8,
    pub resource_name: ByteString,
    pub configs: Vec<AlterableConfig>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterableConfig {
    pub name: ByteString,
    #[field(nullable)]
    pub value: Option<ByteString>,
}

/// Alter configs response, key 33, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "2+")]
pub struct AlterConfigsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<AlterConfigsResourceResponse>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterConfigsResourceResponse {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub resource_type: i8,
    pub resource_name: ByteString,
}
