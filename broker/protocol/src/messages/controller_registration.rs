//! ControllerRegistration: the request of key 70 and its response.

use crate::{ByteString, Message, Uuid};

/// Controller registration request, key 70, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 70, response = ControllerRegistrationResponse, versions = "0", flexible = "0+")]
pub struct ControllerRegistrationRequest {
    pub controller_id: i32,
    pub incarnation_id: Uuid,
    pub zk_migration_ready: bool,
    pub listeners: Vec<Listener>,
    pub features: Vec<Feature>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Listener {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
    pub security_protocol: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Feature {
    pub name: ByteString,
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}

/// Controller registration response, key 70, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ControllerRegistrationResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
}
