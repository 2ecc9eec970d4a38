//! SnapshotFooterRecord, as Kafka writes it.

use crate::Message;

/// Snapshot footer record, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct SnapshotFooterRecord {
    pub version: i16,
}
