//! AddOffsetsToTxn: the request of key 25 and its response.

use crate::{ByteString, Message};

/// Add offsets to txn request, key 25, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 25, response = AddOffsetsToTxnResponse, versions = "0-4", flexible = "3+")]
pub struct AddOffsetsToTxnRequest {
    pub transactional_id: ByteString,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub group_id: ByteString,
}

/// Add offsets to txn response, key 25, versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-4", flexible = "3+")]
pub struct AddOffsetsToTxnResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}
