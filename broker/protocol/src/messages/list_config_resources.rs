//! ListConfigResources: the request of key 74 and its response.

use crate::{ByteString, Message};

/// List config resources request, key 74, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 74, response = ListConfigResourcesResponse, versions = "0-1", flexible = "0+")]
pub struct ListConfigResourcesRequest {
    #[field(versions = "1+")]
    pub resource_types: Vec<i8>,
}

/// List config resources response, key 74, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct ListConfigResourcesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub config_resources: Vec<ConfigResource>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ConfigResource {
    pub resource_name: ByteString,
    #[field(versions = "1+", default = 16)]
    pub resource_type: i8,
}
