//! EndTxnMarker, as Kafka writes it.

use crate::Message;

/// End txn marker, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0")]
pub struct EndTxnMarker {
    pub coordinator_epoch: i32,
}
