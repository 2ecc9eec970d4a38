//! DescribeTransactions: the request of key 65 and its response.

use crate::{ByteString, Message};

/// Describe transactions request, key 65, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 65, response = DescribeTransactionsResponse, versions = "0", flexible = "0+")]
pub struct DescribeTransactionsRequest {
    pub transactional_ids: Vec<ByteString>,
}

/// Describe transactions response, key 65, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DescribeTransactionsResponse {
    pub throttle_time_ms: i32,
    pub transaction_states: Vec<TransactionState>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TransactionState {
    pub error_code: i16,
    pub transactional_id: ByteString,
    pub transaction_state: ByteString,
    pub transaction_timeout_ms: i32,
    pub transaction_start_time_ms: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub topics: Vec<TopicData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicData {
    pub topic: ByteString,
    pub partitions: Vec<i32>,
}
