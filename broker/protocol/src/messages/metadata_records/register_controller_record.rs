//! RegisterControllerRecord, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Register controller record (record, key 27), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 27, versions = "0", flexible = "0+")]
pub struct RegisterControllerRecord {
    pub controller_id: i32,
    pub incarnation_id: Uuid,
    pub zk_migration_ready: bool,
    pub end_points: Vec<ControllerEndpoint>,
    pub features: Vec<ControllerFeature>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ControllerEndpoint {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
    pub security_protocol: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ControllerFeature {
    pub name: ByteString,
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}
