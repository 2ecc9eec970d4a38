//! UpdateFeatures: the request of key 57 and its response.

use crate::{ByteString, Message};

/// Update features request, key 57, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 57, response = UpdateFeaturesResponse, versions = "0-2", flexible = "0+")]
pub struct UpdateFeaturesRequest {
    #[field(default = 60000)]
    pub timeout_ms: i32,
    pub feature_updates: Vec<FeatureUpdateKey>,
    #[field(versions = "1+")]
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FeatureUpdateKey {
    pub feature: ByteString,
    pub max_version_level: i16,
    #[field(versions = "0")]
    pub allow_downgrade: bool,
    #[field(versions = "1+", default = 1)]
    pub upgrade_type: i8,
}

/// Update features response, key 57, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct UpdateFeaturesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    #[field(versions = "0-1")]
    pub results: Vec<UpdatableFeatureResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct UpdatableFeatureResult {
    pub feature: ByteString,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
