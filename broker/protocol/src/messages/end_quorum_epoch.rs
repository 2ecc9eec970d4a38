//! EndQuorumEpoch: the request of key 54 and its response.

use crate::{ByteString, Message, Uuid};

/// End quorum epoch request, key 54, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 54, response = EndQuorumEpochResponse, versions = "0-1", flexible = "1+")]
pub struct EndQuorumEpochRequest {
    #[field(nullable, default = null)]
    pub cluster_id: Option<ByteString>,
    pub topics: Vec<RequestTopicData>,
    #[field(versions = "1+")]
    pub leader_endpoints: Vec<LeaderEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestTopicData {
    pub topic_name: ByteString,
    pub partitions: Vec<RequestPartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestPartitionData {
    pub partition_index: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    #[field(versions = "0")]
    pub preferred_successors: Vec<i32>,
    #[field(versions = "1+")]
    pub preferred_candidates: Vec<ReplicaInfo>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReplicaInfo {
    pub candidate_id: i32,
    pub candidate_directory_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LeaderEndpoint {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
}

/// End quorum epoch response, key 54, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct EndQuorumEpochResponse {
    pub error_code: i16,
    pub topics: Vec<ResponseTopicData>,
    #[field(versions = "1+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseTopicData {
    pub topic_name: ByteString,
    pub partitions: Vec<ResponsePartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponsePartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub leader_id: i32,
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: ByteString,
    pub port: u16,
}
