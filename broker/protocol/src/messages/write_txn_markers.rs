//! WriteTxnMarkers: the request of key 27 and its response.

use crate::{ByteString, Message};

/// Write txn markers request, key 27, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 27, response = WriteTxnMarkersResponse, versions = "1-2", flexible = "1+")]
pub struct WriteTxnMarkersRequest {
    pub markers: Vec<WritableTxnMarker>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WritableTxnMarker {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub transaction_result: bool,
    pub topics: Vec<WritableTxnMarkerTopic>,
    pub coordinator_epoch: i32,
    #[field(versions = "2+")]
    pub transaction_version: i8,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WritableTxnMarkerTopic {
    pub name: ByteString,
    pub partition_indexes: Vec<i32>,
}

/// Write txn markers response, key 27, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "1+")]
pub struct WriteTxnMarkersResponse {
    pub markers: Vec<WritableTxnMarkerResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WritableTxnMarkerResult {
    pub producer_id: i64,
    pub topics: Vec<WritableTxnMarkerTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WritableTxnMarkerTopicResult {
    pub name: ByteString,
    pub partitions: Vec<WritableTxnMarkerPartitionResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct WritableTxnMarkerPartitionResult {
    pub partition_index: i32,
    pub error_code: i16,
}
