//! DescribeQuorum: the request of key 55 and its response.

use crate::{ByteString, Message, Uuid};

/// Describe quorum request, key 55, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 55, response = DescribeQuorumResponse, versions = "0-2", flexible = "0+")]
pub struct DescribeQuorumRequest {
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
}

/// Describe quorum response, key 55, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct DescribeQuorumResponse {
    pub error_code: i16,
    #[field(versions = "2+", nullable)]
    pub error_message: Option<ByteString>,
    pub topics: Vec<ResponseTopicData>,
    #[field(versions = "2+")]
    pub nodes: Vec<Node>,
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
    #[field(versions = "2+", nullable)]
    pub error_message: Option<ByteString>,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: i64,
    pub current_voters: Vec<ReplicaState>,
    pub observers: Vec<ReplicaState>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Node {
    pub node_id: i32,
    pub listeners: Vec<Listener>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Listener {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReplicaState {
    pub replica_id: i32,
    #[field(versions = "2+")]
    pub replica_directory_id: Uuid,
    pub log_end_offset: i64,
    #[field(versions = "1+", default = -1)]
    pub last_fetch_timestamp: i64,
    #[field(versions = "1+", default = -1)]
    pub last_caught_up_timestamp: i64,
}
