//! ReadShareGroupStateSummary: the request of key 87 and its response.

use crate::{ByteString, Message, Uuid};

/// Read share group state summary request, key 87, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 87, response = ReadShareGroupStateSummaryResponse, versions = "0-1", flexible = "0+")]
pub struct ReadShareGroupStateSummaryRequest {
    pub group_id: ByteString,
    pub topics: Vec<ReadStateSummaryData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReadStateSummaryData {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionData {
    pub partition: i32,
    pub leader_epoch: i32,
}

/// Read share group state summary response, key 87, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct ReadShareGroupStateSummaryResponse {
    pub results: Vec<ReadStateSummaryResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ReadStateSummaryResult {
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct PartitionResult {
    pub partition: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub state_epoch: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    #[field(versions = "1+", default = -1)]
    pub delivery_complete_count: i32,
}
