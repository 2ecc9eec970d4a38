//! ListTransactions: the request of key 66 and its response.

use crate::{ByteString, Message};

/// List transactions request, key 66, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 66, response = ListTransactionsResponse, versions = "0-2", flexible = "0+")]
pub struct ListTransactionsRequest {
    pub state_filters: Vec<ByteString>,
    pub producer_id_filters: Vec<i64>,
    #[field(versions = "1+", default = -1)]
    pub duration_filter: i64,
    #[field(versions = "2+", nullable, default = null)]
    pub transactional_id_pattern: Option<ByteString>,
}

/// List transactions response, key 66, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct ListTransactionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub unknown_state_filters: Vec<ByteString>,
    pub transaction_states: Vec<TransactionState>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TransactionState {
    pub transactional_id: ByteString,
    pub producer_id: i64,
    pub transaction_state: ByteString,
}
