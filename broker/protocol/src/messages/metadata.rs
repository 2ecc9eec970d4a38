//! Metadata: the request of key 3 and its response.

use crate::{ByteString, Message, Uuid};

/// Metadata request, key 3, versions 0 to 13.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 3, response = MetadataResponse, versions = "0-13", flexible = "9+")]
pub struct MetadataRequest {
    #[field(nullable = "1+")]
    pub topics: Option<Vec<MetadataRequestTopic>>,
    #[field(versions = "4+", default = true)]
    pub allow_auto_topic_creation: bool,
    #[field(versions = "8-10")]
    pub include_cluster_authorized_operations: bool,
    #[field(versions = "8+")]
    pub include_topic_authorized_operations: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MetadataRequestTopic {
    #[field(versions = "10+")]
    pub topic_id: Uuid,
    #[field(nullable = "10+")]
    pub name: Option<ByteString>,
}

/// Metadata response, key 3, versions 0 to 13.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-13", flexible = "9+")]
pub struct MetadataResponse {
    #[field(versions = "3+")]
    pub throttle_time_ms: i32,
    pub brokers: Vec<MetadataResponseBroker>,
    #[field(versions = "2+", nullable, default = null)]
    pub cluster_id: Option<ByteString>,
    #[field(versions = "1+", default = -1)]
    pub controller_id: i32,
    pub topics: Vec<MetadataResponseTopic>,
    #[field(versions = "8-10", default = -2147483648)]
    pub cluster_authorized_operations: i32,
    #[field(versions = "13+")]
    pub error_code: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MetadataResponseBroker {
    pub node_id: i32,
    pub host: ByteString,
    pub port: i32,
    #[field(versions = "1+", nullable, default = null)]
    pub rack: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MetadataResponseTopic {
    pub error_code: i16,
    #[field(nullable = "12+")]
    pub name: Option<ByteString>,
    #[field(versions = "10+")]
    pub topic_id: Uuid,
    #[field(versions = "1+")]
    pub is_internal: bool,
    pub partitions: Vec<MetadataResponsePartition>,
    #[field(versions = "8+", default = -2147483648)]
    pub topic_authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct MetadataResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    #[field(versions = "7+", default = -1)]
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    #[field(versions = "5+")]
    pub offline_replicas: Vec<i32>,
}
