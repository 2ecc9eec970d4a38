//! Fetch: the request of key 1 and its response.

use crate::{ByteString, Message, Records, Uuid};

/// Fetch request, key 1, versions 4 to 18.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 1, response = FetchResponse, versions = "4-18", flexible = "12+")]
pub struct FetchRequest {
    #[field(versions = "12+", nullable, tag = 0, default = null)]
    pub cluster_id: Option<ByteString>,
    #[field(versions = "0-14", default = -1)]
    pub replica_id: i32,
    #[field(versions = "15+", tag = 1)]
    pub replica_state: ReplicaState,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    #[field(default = 0x7fffffff)]
    pub max_bytes: i32,
    pub isolation_level: i8,
    #[field(versions = "7+")]
    pub session_id: i32,
    #[field(versions = "7+", default = -1)]
    pub session_epoch: i32,
    pub topics: Vec<FetchTopic>,
    #[field(versions = "7+")]
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    #[field(versions = "11+")]
    pub rack_id: ByteString,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReplicaState {
    #[field(default = -1)]
    pub replica_id: i32,
    #[field(default = -1)]
    pub replica_epoch: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FetchTopic {
    #[field(versions = "0-12")]
    pub topic: ByteString,
    #[field(versions = "13+")]
    pub topic_id: Uuid,
    pub partitions: Vec<FetchPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FetchPartition {
    pub partition: i32,
    #[field(versions = "9+", default = -1)]
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    #[field(versions = "12+", default = -1)]
    pub last_fetched_epoch: i32,
    #[field(versions = "5+", default = -1)]
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
    #[field(versions = "17+", tag = 0)]
    pub replica_directory_id: Uuid,
    #[field(versions = "18+", tag = 1, default = 9223372036854775807)]
    pub high_watermark: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ForgottenTopic {
    #[field(versions = "0-12")]
    pub topic: ByteString,
    #[field(versions = "13+")]
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

/// Fetch response, key 1, versions 4 to 18.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "4-18", flexible = "12+")]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    #[field(versions = "7+")]
    pub error_code: i16,
    #[field(versions = "7+")]
    pub session_id: i32,
    pub responses: Vec<FetchableTopicResponse>,
    #[field(versions = "16+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FetchableTopicResponse {
    #[field(versions = "0-12")]
    pub topic: ByteString,
    #[field(versions = "13+")]
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    #[field(default = -1)]
    pub last_stable_offset: i64,
    #[field(versions = "5+", default = -1)]
    pub log_start_offset: i64,
    #[field(versions = "12+", tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    #[field(versions = "12+", tag = 1)]
    pub current_leader: LeaderIdAndEpoch,
    #[field(versions = "12+", tag = 2)]
    pub snapshot_id: SnapshotId,
    #[field(nullable)]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    #[field(versions = "11+", default = -1)]
    pub preferred_read_replica: i32,
    #[field(nullable, default = null)]
    pub records: Option<Records>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EpochEndOffset {
    #[field(default = -1)]
    pub epoch: i32,
    #[field(default = -1)]
    pub end_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LeaderIdAndEpoch {
    #[field(default = -1)]
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct SnapshotId {
    #[field(default = -1)]
    pub end_offset: i64,
    #[field(default = -1)]
    pub epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: ByteString,
    pub port: i32,
    #[field(nullable, default = null)]
    pub rack: Option<ByteString>,
}
