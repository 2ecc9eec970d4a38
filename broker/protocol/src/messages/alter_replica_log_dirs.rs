//! AlterReplicaLogDirs: the request of key 34 and its response.

use crate::{ByteString, Message};

/// Alter replica log dirs request, key 34, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 34, response = AlterReplicaLogDirsResponse, versions = "1-2", flexible = "2+")]
pub struct AlterReplicaLogDirsRequest {
    pub dirs: Vec<AlterReplicaLogDir>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterReplicaLogDir {
    pub path: ByteString,
    pub topics: Vec<AlterReplicaLogDirTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterReplicaLogDirTopic {
    pub name: ByteString,
    pub partitions: Vec<i32>,
}

/// Alter replica log dirs response, key 34, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "2+")]
pub struct AlterReplicaLogDirsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AlterReplicaLogDirTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterReplicaLogDirTopicResult {
    pub topic_name: ByteString,
    pub partitions: Vec<AlterReplicaLogDirPartitionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AlterReplicaLogDirPartitionResult {
    pub partition_index: i32,
    pub error_code: i16,
}
