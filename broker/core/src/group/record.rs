//! The records of `__consumer_offsets` that this coordinator reads and writes.
//!
//! A key starts with two bytes that tell its kind, a value with two bytes of version; no value is a tombstone. Kinds 0
//! and 1 are offsets (0 has not been written since Kafka 0.9), kind 2 is a classic group. Kinds from 3 on belong to group
//! types that are not built: their keys are kept, what they say is left alone. Source: Kafka's `common/message` schemas of the group coordinator.

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::messages::group_records::{
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, OffsetCommitKey, OffsetCommitValue,
};
use milena_protocol::{DecodeError, Decoder, Message, Record};

use super::foreign::ForeignType;

/// The version with a topic id, written since Kafka 4.1.
const OFFSET_VERSION: i16 = 4;
/// The only version with a retention of its own, written for requests that carry one.
const OFFSET_VERSION_WITH_EXPIRY: i16 = 1;
const GROUP_VERSION: i16 = 3;

/// A record; no value removes what the key names.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRecord {
    /// A committed offset.
    Offset {
        /// Group, topic and partition.
        key: OffsetCommitKey,
        /// `None` removes the offset.
        value: Option<OffsetCommitValue>,
    },
    /// A classic group: its generation and the assignment of each member.
    Group {
        /// The group.
        key: GroupMetadataKey,
        /// `None` removes the group.
        value: Option<GroupMetadataValue>,
    },
    /// Something about a group of a type that is not built.
    Foreign {
        /// The type of the group.
        kind: ForeignType,
        /// The group.
        group: ByteString,
        /// As it stands in the log.
        key: Bytes,
        /// As it stands in the log; `None` removes it.
        value: Option<Bytes>,
    },
}

impl GroupRecord {
    /// Removes an offset.
    pub(super) fn offset_tombstone(group: &ByteString, topic: &ByteString, partition: i32) -> Self {
        let key = OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition };
        Self::Offset { key, value: None }
    }

    /// Removes a group.
    pub(super) fn group_tombstone(group: &ByteString) -> Self {
        Self::Group { key: GroupMetadataKey { group: group.clone() }, value: None }
    }

    /// Key and value as they stand in the log.
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        match self {
            Self::Offset { key, value } => (key.to_key_bytes(), value.as_ref().map(encode_offset)),
            Self::Group { key, value } => {
                (key.to_key_bytes(), value.as_ref().map(|value| value.to_versioned_bytes(GROUP_VERSION)))
            }
            Self::Foreign { key, value, .. } => (key.clone(), value.clone()),
        }
    }

    /// Reads a record of the log; `None` for a kind that is not known.
    ///
    /// # Errors
    /// If the bytes are not what their first two bytes promise.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Self>, DecodeError> {
        let mut decoder = Decoder::new(key.clone());
        Ok(match decoder.i16()? {
            LegacyOffsetCommitKey::KEY => {
                let key = LegacyOffsetCommitKey::decode(&mut decoder, 0)?;
                let key = OffsetCommitKey { group: key.group, topic: key.topic, partition: key.partition };
                Some(Self::Offset { key, value: decode_value(value)? })
            }
            OffsetCommitKey::KEY => {
                let key = OffsetCommitKey::decode(&mut decoder, 0)?;
                Some(Self::Offset { key, value: decode_value(value)? })
            }
            GroupMetadataKey::KEY => {
                let key = GroupMetadataKey::decode(&mut decoder, 0)?;
                Some(Self::Group { key, value: decode_value(value)? })
            }
            kind => match ForeignType::of_record(kind) {
                Some(kind) => {
                    // The group's keys outlive the bytes that the log was read with.
                    let group = decoder.string()?.as_deref().map(ByteString::from).unwrap_or_default();
                    Some(Self::Foreign { kind, group, key: Bytes::copy_from_slice(&key), value })
                }
                None => None,
            },
        })
    }
}

fn encode_offset(value: &OffsetCommitValue) -> Bytes {
    let version = if value.expire_timestamp >= 0 { OFFSET_VERSION_WITH_EXPIRY } else { OFFSET_VERSION };
    value.to_versioned_bytes(version)
}

fn decode_value<M: Message>(value: Option<Bytes>) -> Result<Option<M>, DecodeError> {
    value.map(M::from_versioned_bytes).transpose()
}
