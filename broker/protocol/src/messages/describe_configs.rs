//! DescribeConfigs: the request of key 32 and its response.

use crate::{ByteString, Message};

/// Describe configs request, key 32, versions 1 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 32, response = DescribeConfigsResponse, versions = "1-4", flexible = "4+")]
pub struct DescribeConfigsRequest {
    pub resources: Vec<DescribeConfigsResource>,
    pub include_synonyms: bool,
    #[field(versions = "3+")]
    pub include_documentation: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeConfigsResource {
    pub resource_type: i8,
    pub resource_name: ByteString,
    #[field(nullable)]
    pub configuration_keys: Option<Vec<ByteString>>,
}

/// Describe configs response, key 32, versions 1 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-4", flexible = "4+")]
pub struct DescribeConfigsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DescribeConfigsResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeConfigsResult {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub resource_type: i8,
    pub resource_name: ByteString,
    pub configs: Vec<DescribeConfigsResourceResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeConfigsResourceResult {
    pub name: ByteString,
    #[field(nullable)]
    pub value: Option<ByteString>,
    pub read_only: bool,
    #[field(default = -1)]
    pub config_source: i8,
    pub is_sensitive: bool,
    pub synonyms: Vec<DescribeConfigsSynonym>,
    #[field(versions = "3+")]
    pub config_type: i8,
    #[field(versions = "3+", nullable)]
    pub documentation: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeConfigsSynonym {
    pub name: ByteString,
    #[field(nullable)]
    pub value: Option<ByteString>,
    pub source: i8,
}
