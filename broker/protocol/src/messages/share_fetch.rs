//! ShareFetch: the request of key 78 and its response.

use crate::{ByteString, Message, Records, Uuid};

/// Share fetch request, key 78, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 78, response = ShareFetchResponse, versions = "1-2", flexible = "1+")]
pub struct ShareFetchRequest {
    #[field(nullable, default = null)]
    pub group_id: Option<ByteString>,
    #[field(nullable)]
    pub member_id: Option<ByteString>,
    pub share_session_epoch: i32,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    #[field(default = 0x7fffffff)]
    pub max_bytes: i32,
    pub max_records: i32,
    pub batch_size: i32,
    #[field(versions = "2+")]
    pub share_acquire_mode: i8,
    #[field(versions = "2+")]
    pub is_renew_ack: bool,
    pub topics: Vec<FetchTopic>,
    pub forgotten_topics_data: Vec<ForgottenTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FetchTopic {
    pub topic_id: Uuid,
    pub partitions: Vec<FetchPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct FetchPartition {
    pub partition_index: i32,
    pub acknowledgement_batches: Vec<AcknowledgementBatch>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AcknowledgementBatch {
    pub first_offset: i64,
    pub last_offset: i64,
    pub acknowledge_types: Vec<i8>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ForgottenTopic {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

/// Share fetch response, key 78, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "1+")]
pub struct ShareFetchResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub acquisition_lock_timeout_ms: i32,
    pub responses: Vec<ShareFetchableTopicResponse>,
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ShareFetchableTopicResponse {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub acknowledge_error_code: i16,
    #[field(nullable, default = null)]
    pub acknowledge_error_message: Option<ByteString>,
    pub current_leader: LeaderIdAndEpoch,
    pub records: Records,
    pub acquired_records: Vec<AcquiredRecords>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct AcquiredRecords {
    pub first_offset: i64,
    pub last_offset: i64,
    pub delivery_count: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: ByteString,
    pub port: i32,
    #[field(nullable, default = null)]
    pub rack: Option<ByteString>,
}
