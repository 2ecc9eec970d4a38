//! KRaftVersionRecord, as Kafka writes it.

use crate::Message;

/// Kraft version record, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct KRaftVersionRecord {
    pub version: i16,
    pub kraft_version: i16,
}
