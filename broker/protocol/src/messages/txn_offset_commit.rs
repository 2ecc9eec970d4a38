//! TxnOffsetCommit: the request of key 28 and its response.

use crate::{ByteString, Message};

/// Txn offset commit request, key 28, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 28, response = TxnOffsetCommitResponse, versions = "0-5", flexible = "3+")]
pub struct TxnOffsetCommitRequest {
    pub transactional_id: ByteString,
    pub group_id: ByteString,
    pub producer_id: i64,
    pub producer_epoch: i16,
    #[field(versions = "3+", default = -1)]
    pub generation_id: i32,
    #[field(versions = "3+")]
    pub member_id: ByteString,
    #[field(versions = "3+", nullable, default = null)]
    pub group_instance_id: Option<ByteString>,
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TxnOffsetCommitRequestTopic {
    pub name: ByteString,
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TxnOffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(versions = "2+", default = -1)]
    pub committed_leader_epoch: i32,
    #[field(nullable)]
    pub committed_metadata: Option<ByteString>,
}

/// Txn offset commit response, key 28, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "3+")]
pub struct TxnOffsetCommitResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<TxnOffsetCommitResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TxnOffsetCommitResponseTopic {
    pub name: ByteString,
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TxnOffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}
