//! ApiVersions: the request of key 18 and its response.

use crate::{ByteString, Message};

/// Api versions request, key 18, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 18, response = ApiVersionsResponse, versions = "0-4", flexible = "3+")]
pub struct ApiVersionsRequest {
    #[field(versions = "3+")]
    pub client_software_name: ByteString,
    #[field(versions = "3+")]
    pub client_software_version: ByteString,
}

/// Api versions response, key 18, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-4", flexible = "3+")]
pub struct ApiVersionsResponse {
    pub error_code: i16,
    pub api_keys: Vec<ApiVersion>,
    #[field(versions = "1+")]
    pub throttle_time_ms: i32,
    #[field(versions = "3+", tag = 0)]
    pub supported_features: Vec<SupportedFeatureKey>,
    #[field(versions = "3+", tag = 1, default = -1)]
    pub finalized_features_epoch: i64,
    #[field(versions = "3+", tag = 2)]
    pub finalized_features: Vec<FinalizedFeatureKey>,
    #[field(versions = "3+", tag = 3)]
    pub zk_migration_ready: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ApiVersion {
    pub api_key: i16,
    pub min_version: i16,
    pub max_version: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct SupportedFeatureKey {
    pub name: ByteString,
    pub min_version: i16,
    pub max_version: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FinalizedFeatureKey {
    pub name: ByteString,
    pub max_version_level: i16,
    pub min_version_level: i16,
}
