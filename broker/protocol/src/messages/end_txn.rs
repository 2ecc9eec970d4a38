//! EndTxn: the request of key 26 and its response.

use crate::{ByteString, Message};

/// End txn request, key 26, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 26, response = EndTxnResponse, versions = "0-5", flexible = "3+")]
pub struct EndTxnRequest {
    pub transactional_id: ByteString,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub committed: bool,
}

/// End txn response, key 26, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "3+")]
pub struct EndTxnResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(versions = "5+", default = -1)]
    pub producer_id: i64,
    #[field(versions = "5+", default = -1)]
    pub producer_epoch: i16,
}
