//! RegisterBrokerRecord, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Register broker record (record, key 0), versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0-4", flexible = "0+")]
pub struct RegisterBrokerRecord {
    pub broker_id: i32,
    #[field(versions = "2+")]
    pub is_migrating_zk_broker: bool,
    pub incarnation_id: Uuid,
    pub broker_epoch: i64,
    pub end_points: Vec<BrokerEndpoint>,
    pub features: Vec<BrokerFeature>,
    #[field(nullable)]
    pub rack: Option<ByteString>,
    #[field(default = true)]
    pub fenced: bool,
    #[field(versions = "1+")]
    pub in_controlled_shutdown: bool,
    #[field(versions = "3+", tag = 0)]
    pub log_dirs: Vec<Uuid>,
    #[field(versions = "4+", nullable, tag = 1, default = null)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BrokerEndpoint {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
    pub security_protocol: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct BrokerFeature {
    pub name: ByteString,
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}
