//! FeatureLevelRecord, as Kafka writes it.

use crate::{ByteString, Message};

/// Feature level record (record, key 12), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 12, versions = "0", flexible = "0+")]
pub struct FeatureLevelRecord {
    pub name: ByteString,
    pub feature_level: i16,
}
