//! InitProducerId: the request of key 22 and its response.

use crate::{ByteString, Message};

/// Init producer id request, key 22, versions 0 to 6. The last version is not stable yet.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 22, response = InitProducerIdResponse, versions = "0-6", flexible = "2+")]
pub struct InitProducerIdRequest {
    #[field(nullable)]
    pub transactional_id: Option<ByteString>,
    pub transaction_timeout_ms: i32,
    #[field(versions = "3+", default = -1)]
    pub producer_id: i64,
    #[field(versions = "3+", default = -1)]
    pub producer_epoch: i16,
    #[field(versions = "6+")]
    pub enable2_pc: bool,
    #[field(versions = "6+")]
    pub keep_prepared_txn: bool,
}

/// Init producer id response, key 22, versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-6", flexible = "2+")]
pub struct InitProducerIdResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub producer_id: i64,
    pub producer_epoch: i16,
    #[field(versions = "6+", default = -1)]
    pub ongoing_txn_producer_id: i64,
    #[field(versions = "6+", default = -1)]
    pub ongoing_txn_producer_epoch: i16,
}
