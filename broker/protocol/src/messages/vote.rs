//! Vote: the request of key 52 and its response.

use crate::{ByteString, Message, Uuid};

/// Vote request, key 52, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 52, response = VoteResponse, versions = "0-2", flexible = "0+")]
pub struct VoteRequest {
    #[field(nullable, default = null)]
    pub cluster_id: Option<ByteString>,
    #[field(versions = "1+", default = -1)]
    pub voter_id: i32,
    pub topics: Vec<RequestTopicData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestTopicData {
    pub topic_name: ByteString,
    pub partitions: Vec<RequestPartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestPartitionData {
    pub partition_index: i32,
    pub replica_epoch: i32,
    pub replica_id: i32,
    #[field(versions = "1+")]
    pub replica_directory_id: Uuid,
    #[field(versions = "1+")]
    pub voter_directory_id: Uuid,
    pub last_offset_epoch: i32,
    pub last_offset: i64,
    #[field(versions = "2+")]
    pub pre_vote: bool,
}

/// Vote response, key 52, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct VoteResponse {
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
    pub vote_granted: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: ByteString,
    pub port: u16,
}
