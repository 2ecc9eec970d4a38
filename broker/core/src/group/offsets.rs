//! Committed offsets: by group, topic and partition; what may be committed and deleted; what is read back.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use milena_protocol::messages::group_records::{OffsetCommitKey, OffsetCommitValue};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

use super::Turn;
use super::classic::{ClassicGroup, State};
use super::member::owned;
use super::record::GroupRecord;
use super::request::{
    CommitOffsets, DeleteOffsets, DeletedOffsets, FetchOffsets, PartitionCommit, PartitionOffset,
    TopicCommit, TopicErrors, TopicOffsets,
};
use super::settings::{GROUPS_MAX, NAME_BYTES_MAX};

/// An offset as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    offset: Offset,
    leader_epoch: LeaderEpoch,
    metadata: ByteString,
    pub(super) committed_at: Timestamp,
    /// Only where the client asked for a retention of its own.
    pub(super) expires_at: Option<Timestamp>,
    topic_id: TopicId,
}

impl From<&OffsetCommitValue> for Committed {
    fn from(value: &OffsetCommitValue) -> Self {
        Self {
            offset: Offset(value.offset),
            leader_epoch: LeaderEpoch(value.leader_epoch),
            metadata: owned(&value.metadata),
            committed_at: Timestamp(value.commit_timestamp),
            expires_at: Some(Timestamp(value.expire_timestamp)).filter(|at| at.0 >= 0),
            topic_id: TopicId(value.topic_id),
        }
    }
}

type ByPartition = BTreeMap<i32, Committed>;
type ByTopic = BTreeMap<ByteString, ByPartition>;

/// Every committed offset.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Offsets {
    groups: BTreeMap<ByteString, ByTopic>,
}

impl Offsets {
    pub(super) fn put(&mut self, key: &OffsetCommitKey, value: &OffsetCommitValue) {
        let topics = match self.groups.get_mut(&key.group) {
            Some(topics) => topics,
            None => self.groups.entry(owned(&key.group)).or_default(),
        };
        let partitions = match topics.get_mut(&key.topic) {
            Some(partitions) => partitions,
            None => topics.entry(owned(&key.topic)).or_default(),
        };
        partitions.insert(key.partition, value.into());
    }

    pub(super) fn remove(&mut self, key: &OffsetCommitKey) {
        let Some(topics) = self.groups.get_mut(&key.group) else { return };
        let Some(partitions) = topics.get_mut(&key.topic) else { return };
        partitions.remove(&key.partition);
        if partitions.is_empty() {
            topics.remove(&key.topic);
        }
        if topics.is_empty() {
            self.groups.remove(&key.group);
        }
    }

    /// The offsets of a group.
    pub(super) fn of_group(
        &self,
        group: &ByteString,
    ) -> impl Iterator<Item = (&ByteString, i32, &Committed)> {
        let topics = self.groups.get(group).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, committed)| (topic, *partition, committed))
        })
    }

    /// Tombstones for the offsets in topics that are gone; a topic created again under the name keeps its own.
    pub(super) fn of_deleted(&self, deleted: &[(ByteString, TopicId)]) -> Vec<GroupRecord> {
        let mut tombstones = Vec::new();
        for (group, topics) in &self.groups {
            for (topic, id) in deleted {
                let gone = |committed: &Committed| committed.topic_id.is_zero() || committed.topic_id == *id;
                let partitions = topics.get(topic).into_iter().flatten();
                let partitions = partitions.filter(|(_, committed)| gone(committed));
                tombstones.extend(
                    partitions.map(|(partition, _)| GroupRecord::offset_tombstone(group, topic, *partition)),
                );
            }
        }
        tombstones
    }

    /// Writes tombstones for offsets that no member needs, one for each that there is.
    pub(super) fn delete(
        &self,
        groups: &BTreeMap<ByteString, ClassicGroup>,
        turn: &mut Turn<'_>,
        request: DeleteOffsets,
    ) -> Result<Vec<DeletedOffsets>, ErrorCode> {
        turn.foreign.check_offset_delete(&request.group, turn.now)?;
        let group = groups.get(&request.group);
        if group.is_none() && !turn.foreign.contains(&request.group) {
            return Err(ErrorCode::GroupIdNotFound);
        }
        // What others than consumers subscribe to is not known here.
        if group.is_some_and(|group| !group.is(State::Empty) && !group.is_consumer()) {
            return Err(ErrorCode::NonEmptyGroup);
        }
        let mut results = Vec::with_capacity(request.topics.len());
        for (topic, indexes) in request.topics {
            let error = if group.is_some_and(|group| group.is_subscribed(&topic)) {
                ErrorCode::GroupSubscribedToTopic
            } else {
                turn.out.records.extend(self.tombstones(&request.group, &topic, &indexes));
                ErrorCode::None
            };
            results.push((topic, indexes, error));
        }
        Ok(results)
    }

    fn tombstones(
        &self,
        group: &ByteString,
        topic: &ByteString,
        indexes: &[PartitionIndex],
    ) -> Vec<GroupRecord> {
        let Some(committed) = self.groups.get(group).and_then(|topics| topics.get(topic)) else {
            return Vec::new();
        };
        let indexes: BTreeSet<i32> = indexes.iter().map(|index| index.0).collect();
        let known = indexes.into_iter().filter(|index| committed.contains_key(index));
        known.map(|index| GroupRecord::offset_tombstone(group, topic, index)).collect()
    }

    /// What a client sees. An offset of an earlier topic of the same name is none.
    pub(super) fn fetch(&self, request: FetchOffsets) -> Vec<TopicOffsets> {
        let topics = self.groups.get(&request.group);
        let Some(asked) = request.topics else {
            return topics.into_iter().flatten().map(|(name, partitions)| all_of(name, partitions)).collect();
        };
        let look_up = |(name, id, indexes): (ByteString, TopicId, Vec<PartitionIndex>)| {
            let partitions = topics.and_then(|topics| topics.get(&name));
            let partition = |index: PartitionIndex| {
                let committed = partitions.and_then(|partitions| partitions.get(&index.0));
                shown(index, committed.filter(|committed| is_of(committed, id)))
            };
            TopicOffsets { partitions: indexes.into_iter().map(partition).collect(), name, id }
        };
        asked.into_iter().map(look_up).collect()
    }
}

fn is_of(committed: &Committed, topic: TopicId) -> bool {
    committed.topic_id.is_zero() || topic.is_zero() || committed.topic_id == topic
}

fn all_of(name: &ByteString, partitions: &ByPartition) -> TopicOffsets {
    let partitions =
        partitions.iter().map(|(index, committed)| shown(PartitionIndex(*index), Some(committed)));
    TopicOffsets { name: name.clone(), id: TopicId::ZERO, partitions: partitions.collect() }
}

fn shown(index: PartitionIndex, committed: Option<&Committed>) -> PartitionOffset {
    match committed {
        Some(committed) => PartitionOffset {
            index,
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata.clone(),
        },
        None => PartitionOffset {
            index,
            offset: Offset::NONE,
            leader_epoch: LeaderEpoch::NONE,
            metadata: ByteString::new(),
        },
    }
}

/// Writes what may be committed. A commit of a live member is a sign of life.
pub(super) fn commit(
    groups: &BTreeMap<ByteString, ClassicGroup>,
    turn: &mut Turn<'_>,
    request: CommitOffsets,
) -> Result<Vec<TopicErrors>, ErrorCode> {
    if request.caller.group.len() > NAME_BYTES_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    turn.foreign.check_commit(&request.caller.group, request.caller.generation, turn.now)?;
    match groups.get(&request.caller.group) {
        Some(group) => {
            validate(group, &request)?;
            if !group.is(State::CompletingRebalance) {
                group.renew_session(turn, &request.caller.member);
            }
        }
        None if request.caller.generation >= 0 => {
            let unknown = request.names_unknown_groups;
            return Err(if unknown { ErrorCode::GroupIdNotFound } else { ErrorCode::IllegalGeneration });
        }
        None if groups.len() >= GROUPS_MAX => return Err(ErrorCode::GroupMaxSizeReached),
        None => {}
    }
    let expires_at = match request.retention_time_ms {
        -1 => Timestamp::NONE,
        retention_ms => turn.now.plus_ms(retention_ms),
    };
    let topics = request.topics.iter();
    Ok(topics.map(|topic| commit_topic(turn, &request.caller.group, topic, expires_at)).collect())
}

/// Without a generation only an empty group may be written to: administrators and consumers without a group do that.
fn validate(group: &ClassicGroup, request: &CommitOffsets) -> Result<(), ErrorCode> {
    let caller = &request.caller;
    if caller.generation < 0 && group.is(State::Empty) {
        return Ok(());
    }
    if caller.generation < 0 && caller.member.is_empty() && caller.instance.is_none() {
        return Err(ErrorCode::UnknownMemberId);
    }
    group.validate_member(&caller.member, caller.instance.as_ref())?;
    if caller.generation != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    if group.is(State::CompletingRebalance) { Err(ErrorCode::RebalanceInProgress) } else { Ok(()) }
}

fn commit_topic(
    turn: &mut Turn<'_>,
    group: &ByteString,
    topic: &TopicCommit,
    expires_at: Timestamp,
) -> TopicErrors {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in &topic.partitions {
        if is_too_large(partition.metadata.as_ref(), turn.settings.offset_metadata_max_bytes) {
            partitions.push((partition.index, ErrorCode::OffsetMetadataTooLarge));
            continue;
        }
        let key =
            OffsetCommitKey { group: group.clone(), topic: topic.name.clone(), partition: partition.index.0 };
        let value = value(partition, topic.id, turn.now, expires_at);
        turn.out.records.push(GroupRecord::Offset { key, value: Some(value) });
        partitions.push((partition.index, ErrorCode::None));
    }
    TopicErrors { name: topic.name.clone(), id: topic.id, partitions }
}

fn value(
    partition: &PartitionCommit,
    id: TopicId,
    now: Timestamp,
    expires_at: Timestamp,
) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: partition.offset.0,
        leader_epoch: partition.leader_epoch.0,
        metadata: partition.metadata.clone().unwrap_or_default(),
        commit_timestamp: now.0,
        expire_timestamp: expires_at.0,
        topic_id: id.0,
    }
}

/// The limit counts UTF-16 units, as Kafka does in spite of the key's name.
fn is_too_large(metadata: Option<&ByteString>, max: usize) -> bool {
    metadata.is_some_and(|metadata| {
        metadata.len() > NAME_BYTES_MAX || metadata.len() > max && metadata.encode_utf16().count() > max
    })
}
