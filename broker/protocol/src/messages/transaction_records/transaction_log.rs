//! TransactionLog, as Kafka writes it.

use crate::{ByteString, Message};

/// Transaction log key (record key, key 0), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0")]
pub struct TransactionLogKey {
    pub transactional_id: ByteString,
}

/// Transaction log value (record value, key 0), versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 0, versions = "0-1", flexible = "1+")]
pub struct TransactionLogValue {
    pub producer_id: i64,
    #[field(versions = "1+", tag = 0, default = -1)]
    pub previous_producer_id: i64,
    #[field(versions = "1+", tag = 1, default = -1)]
    pub next_producer_id: i64,
    pub producer_epoch: i16,
    #[field(versions = "1+", tag = 3, default = -1)]
    pub next_producer_epoch: i16,
    pub transaction_timeout_ms: i32,
    pub transaction_status: i8,
    #[field(nullable)]
    pub transaction_partitions: Option<Vec<PartitionsSchema>>,
    pub transaction_last_update_timestamp_ms: i64,
    pub transaction_start_timestamp_ms: i64,
    #[field(versions = "1+", tag = 2)]
    pub client_transaction_version: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionsSchema {
    pub topic: ByteString,
    pub partition_ids: Vec<i32>,
}
