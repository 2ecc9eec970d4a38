//! BrokerRegistration: the request of key 62 and its response.

use crate::{ByteString, Message, Uuid};

/// Broker registration request, key 62, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 62, response = BrokerRegistrationResponse, versions = "0-4", flexible = "0+")]
pub struct BrokerRegistrationRequest {
    pub broker_id: i32,
    pub cluster_id: ByteString,
    pub incarnation_id: Uuid,
    pub listeners: Vec<Listener>,
    pub features: Vec<Feature>,
    #[field(nullable)]
    pub rack: Option<ByteString>,
    #[field(versions = "1+")]
    pub is_migrating_zk_broker: bool,
    #[field(versions = "2+")]
    pub log_dirs: Vec<Uuid>,
    #[field(versions = "3+", default = -1)]
    pub previous_broker_epoch: i64,
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

/// Broker registration response, key 62, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-4", flexible = "0+")]
pub struct BrokerRegistrationResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub broker_epoch: i64,
}
