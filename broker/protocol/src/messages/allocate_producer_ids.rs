//! AllocateProducerIds: the request of key 67 and its response.

use crate::Message;

/// Allocate producer ids request, key 67, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 67, response = AllocateProducerIdsResponse, versions = "0", flexible = "0+")]
pub struct AllocateProducerIdsRequest {
    pub broker_id: i32,
    #[field(default = -1)]
    pub broker_epoch: i64,
}

/// Allocate producer ids response, key 67, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct AllocateProducerIdsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub producer_id_start: i64,
    pub producer_id_len: i32,
}
