//! FetchSnapshot: the request of key 59 and its response.

use crate::{ByteString, Message, Records, Uuid};

/// Fetch snapshot request, key 59, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 59, response = FetchSnapshotResponse, versions = "0-1", flexible = "0+")]
pub struct FetchSnapshotRequest {
    #[field(nullable, tag = 0, default = null)]
    pub cluster_id: Option<ByteString>,
    #[field(default = -1)]
    pub replica_id: i32,
    #[field(default = 0x7fffffff)]
    pub max_bytes: i32,
    pub topics: Vec<RequestTopicSnapshot>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestTopicSnapshot {
    pub name: ByteString,
    pub partitions: Vec<RequestPartitionSnapshot>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestPartitionSnapshot {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub snapshot_id: RequestSnapshotId,
    pub position: i64,
    #[field(versions = "1+", tag = 0)]
    pub replica_directory_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestSnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

/// Fetch snapshot response, key 59, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct FetchSnapshotResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub topics: Vec<ResponseTopicSnapshot>,
    #[field(versions = "1+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseTopicSnapshot {
    pub name: ByteString,
    pub partitions: Vec<ResponsePartitionSnapshot>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponsePartitionSnapshot {
    pub index: i32,
    pub error_code: i16,
    pub snapshot_id: ResponseSnapshotId,
    #[field(tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
    pub size: i64,
    pub position: i64,
    pub unaligned_records: Records,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseSnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: ByteString,
    pub port: u16,
}
