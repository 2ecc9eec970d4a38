//! IncrementalAlterConfigs: the request of key 44 and its response.

use crate::{ByteString, Message};

/// Incremental alter configs request, key 44, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 44, response = IncrementalAlterConfigsResponse, versions = "0-1", flexible = "1+")]
pub struct IncrementalAlterConfigsRequest {
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
    pub config_operation: i8,
    #[field(nullable)]
    pub value: Option<ByteString>,
}

/// Incremental alter configs response, key 44, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct IncrementalAlterConfigsResponse {
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
