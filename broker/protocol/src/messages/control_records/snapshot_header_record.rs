//! SnapshotHeaderRecord, as Kafka writes it.

use crate::Message;

/// Snapshot header record, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct SnapshotHeaderRecord {
    pub version: i16,
    pub last_contained_log_timestamp: i64,
}
