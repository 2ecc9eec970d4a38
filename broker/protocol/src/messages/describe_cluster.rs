//! DescribeCluster: the request of key 60 and its response.

use crate::{ByteString, Message};

/// Describe cluster request, key 60, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 60, response = DescribeClusterResponse, versions = "0-2", flexible = "0+")]
pub struct DescribeClusterRequest {
    pub include_cluster_authorized_operations: bool,
    #[field(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    #[field(versions = "2+")]
    pub include_fenced_brokers: bool,
}

/// Describe cluster response, key 60, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct DescribeClusterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    #[field(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    pub cluster_id: ByteString,
    #[field(default = -1)]
    pub controller_id: i32,
    pub brokers: Vec<DescribeClusterBroker>,
    #[field(default = -2147483648)]
    pub cluster_authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeClusterBroker {
    pub broker_id: i32,
    pub host: ByteString,
    pub port: i32,
    #[field(nullable, default = null)]
    pub rack: Option<ByteString>,
    #[field(versions = "2+")]
    pub is_fenced: bool,
}
