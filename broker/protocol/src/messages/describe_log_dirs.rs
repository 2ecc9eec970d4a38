//! DescribeLogDirs: the request of key 35 and its response.

use crate::{ByteString, Message};

/// Describe log dirs request, key 35, versions 1 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 35, response = DescribeLogDirsResponse, versions = "1-5", flexible = "2+")]
pub struct DescribeLogDirsRequest {
    #[field(nullable)]
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribableLogDirTopic {
    pub topic: ByteString,
    pub partitions: Vec<i32>,
}

/// Describe log dirs response, key 35, versions 1 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-5", flexible = "2+")]
pub struct DescribeLogDirsResponse {
    pub throttle_time_ms: i32,
    #[field(versions = "3+")]
    pub error_code: i16,
    pub results: Vec<DescribeLogDirsResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeLogDirsResult {
    pub error_code: i16,
    pub log_dir: ByteString,
    pub topics: Vec<DescribeLogDirsTopic>,
    #[field(versions = "4+", default = -1)]
    pub total_bytes: i64,
    #[field(versions = "4+", default = -1)]
    pub usable_bytes: i64,
    #[field(versions = "5+")]
    pub is_cordoned: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeLogDirsTopic {
    pub name: ByteString,
    pub partitions: Vec<DescribeLogDirsPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeLogDirsPartition {
    pub partition_index: i32,
    pub partition_size: i64,
    pub offset_lag: i64,
    pub is_future_key: bool,
}
