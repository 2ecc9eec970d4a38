//! Groups of types that are not built: consumer groups of KIP-848, share groups (KIP-932) and streams groups (KIP-1071),
//! as Apache Kafka left them in the log.
//!
//! Their records stay as they are, for whoever serves them next; known of each group is which keys it has. Requests are
//! answered as Kafka answers them:
//!
//! | request | no members | members |
//! |---|---|---|
//! | JoinGroup | a classic group takes its place; a share group keeps it: INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL |
//! | OffsetCommit without a generation | stored | UNKNOWN_MEMBER_ID |
//! | DeleteGroups, OffsetDelete | done | NON_EMPTY_GROUP |
//! | DescribeGroups | GROUP_ID_NOT_FOUND, as it is no classic group | the same |
//!
//! A share group has no offsets to commit or delete (GROUP_ID_NOT_FOUND), and it cannot be deleted here: its positions are
//! elsewhere. Members cannot send heartbeats here. A while after the load, the longest session that a group can have,
//! those of the log count as gone, as they would in Kafka.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::{ErrorCode, Timestamp};

use super::record::GroupRecord;

/// The types of groups that are not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignType {
    /// The consumer protocol of KIP-848.
    Consumer,
    /// KIP-932.
    Share,
    /// KIP-1071.
    Streams,
}

impl ForeignType {
    /// The type of group that records of this kind are about.
    pub(super) fn of_record(kind: i16) -> Option<Self> {
        match kind {
            3..=8 | 16 => Some(Self::Consumer),
            10..=15 => Some(Self::Share),
            17..=23 => Some(Self::Streams),
            _ => None,
        }
    }

    /// Kafka's name of the type, and of its protocol.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
        }
    }
}

/// One such group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ForeignGroup {
    pub(super) kind: ForeignType,
    /// Of its records, as they stand in the log.
    keys: BTreeSet<Bytes>,
}

impl ForeignGroup {
    /// Removes all of its records: members before what they belong to, which is how Kafka replays it.
    fn tombstones(&self, group: &ByteString) -> Vec<GroupRecord> {
        let tombstone = |key: &Bytes| GroupRecord::Foreign {
            kind: self.kind,
            group: group.clone(),
            key: key.clone(),
            value: None,
        };
        self.keys.iter().rev().map(tombstone).collect()
    }
}

/// All such groups of a coordinator.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ForeignGroups {
    groups: BTreeMap<ByteString, ForeignGroup>,
    /// Until then members that the log knows may be alive.
    members_until: Timestamp,
}

impl ForeignGroups {
    /// The log is read; its members may live until this moment.
    pub(super) fn loaded(&mut self, members_until: Timestamp) {
        self.members_until = members_until;
    }

    pub(super) fn contains(&self, group: &ByteString) -> bool {
        self.groups.contains_key(group)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ByteString, &ForeignGroup)> {
        self.groups.iter()
    }

    /// Takes in a record. True when it was the last one of its group.
    pub(super) fn replay(
        &mut self,
        kind: ForeignType,
        group: &ByteString,
        key: &Bytes,
        is_there: bool,
    ) -> bool {
        if is_there {
            let new = || ForeignGroup { kind, keys: BTreeSet::new() };
            self.groups.entry(group.clone()).or_insert_with(new).keys.insert(key.clone());
            return false;
        }
        let Some(known) = self.groups.get_mut(group) else { return false };
        known.keys.remove(key);
        known.keys.is_empty() && self.groups.remove(group).is_some()
    }

    pub(super) fn has_members(&self, group: &ForeignGroup, now: Timestamp) -> bool {
        now < self.members_until && group.keys.iter().any(is_member)
    }

    /// Whether a classic group may be called `group`, and the records that make room for it.
    pub(super) fn make_room(
        &self,
        group: &ByteString,
        now: Timestamp,
    ) -> Result<Vec<GroupRecord>, ErrorCode> {
        match self.groups.get(group) {
            None => Ok(Vec::new()),
            Some(found) if found.kind == ForeignType::Share || self.has_members(found, now) => {
                Err(ErrorCode::InconsistentGroupProtocol)
            }
            Some(found) => Ok(found.tombstones(group)),
        }
    }

    /// Whether somebody who is no member may commit; a member may not.
    pub(super) fn check_commit(
        &self,
        group: &ByteString,
        generation: i32,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        match self.groups.get(group) {
            Some(found) if found.kind == ForeignType::Share => Err(ErrorCode::GroupIdNotFound),
            Some(found) if generation >= 0 || self.has_members(found, now) => Err(ErrorCode::UnknownMemberId),
            _ => Ok(()),
        }
    }

    /// Whether offsets may be deleted. What its members subscribe to is not known here.
    pub(super) fn check_offset_delete(&self, group: &ByteString, now: Timestamp) -> Result<(), ErrorCode> {
        match self.groups.get(group) {
            Some(found) if found.kind == ForeignType::Share => Err(ErrorCode::GroupIdNotFound),
            Some(found) if self.has_members(found, now) => Err(ErrorCode::NonEmptyGroup),
            _ => Ok(()),
        }
    }

    /// The records that delete `group`; `None` for one that is not of these types.
    pub(super) fn delete(
        &self,
        group: &ByteString,
        now: Timestamp,
    ) -> Option<Result<Vec<GroupRecord>, ErrorCode>> {
        let found = self.groups.get(group)?;
        Some(if self.has_members(found, now) {
            Err(ErrorCode::NonEmptyGroup)
        } else if found.kind == ForeignType::Share {
            Err(ErrorCode::InvalidRequest)
        } else {
            Ok(found.tombstones(group))
        })
    }
}

/// Whether the key is that of a member: of what it told, or of what it was given.
fn is_member(key: &Bytes) -> bool {
    let kind = key.first_chunk().map(|kind| i16::from_be_bytes(*kind));
    matches!(kind, Some(5 | 8 | 10 | 14 | 19 | 22))
}
