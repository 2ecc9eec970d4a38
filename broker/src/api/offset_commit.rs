//! OffsetCommit (key 8, versions 2-10): store how far a group has read.
//!
//! - Members name their generation: another one is ILLEGAL_GENERATION, a rebalance that waits for the leader
//!   REBALANCE_IN_PROGRESS. A commit keeps the member's session alive.
//! - With generation -1 and no member anybody may commit to a group without members; the group is created if need be.
//! - Topics and partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION (by id UNKNOWN_TOPIC_ID); the others are
//!   stored all the same.
//! - Metadata longer than `offset.metadata.max.bytes` is OFFSET_METADATA_TOO_LARGE. Null metadata reads back empty.
//!
//! Versions 2 to 4 carry a retention of their own, 6 brings the leader epoch (KIP-320), 7 static members (KIP-345);
//! from version 9 on an unknown group is GROUP_ID_NOT_FOUND (KIP-848), version 10 names topics by id (KIP-848).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{Caller, CommitOffsets, PartitionCommit, Reply, Request, TopicCommit, TopicErrors};
use milena_core::metadata::MetadataImage;
use milena_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let image = broker.image();
    let mut known = Vec::with_capacity(request.topics.len());
    let mut answer = Answer::default();
    for topic in request.topics {
        match resolve(&image, context, topic) {
            Ok((topic, missing)) => {
                if !missing.is_empty() {
                    let unknown = |index| (index, ErrorCode::UnknownTopicOrPartition);
                    answer.add(&topic, missing.into_iter().map(unknown));
                }
                known.push(topic);
            }
            Err((topic, error)) => answer.add_all(&topic, error),
        }
    }
    drop(image);
    known.retain(|topic| !topic.partitions.is_empty());
    if known.is_empty() {
        return answer.respond();
    }
    let caller = Caller {
        group: request.group_id.clone(),
        member: request.member_id,
        instance: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
    };
    let commit = CommitOffsets {
        caller,
        retention_time_ms: request.retention_time_ms,
        names_unknown_groups: context.version >= 9,
        topics: known.clone(),
    };
    match broker.coordinators.call(broker, &request.group_id, Request::Commit(commit)).await {
        Ok(Reply::Commit(Ok(topics))) => topics.into_iter().for_each(|topic| answer.merge(topic)),
        Ok(Reply::Commit(Err(error))) | Err(error) => {
            known.iter().for_each(|topic| answer.add_all(topic, error))
        }
        Ok(_) => known.iter().for_each(|topic| answer.add_all(topic, ErrorCode::UnknownServerError)),
    }
    answer.respond()
}

/// The topic with the partitions that exist, and those that do not; or all of it and the reason why it is unknown.
fn resolve(
    image: &MetadataImage,
    context: &RequestContext,
    topic: OffsetCommitRequestTopic,
) -> Result<(TopicCommit, Vec<PartitionIndex>), (TopicCommit, ErrorCode)> {
    let (found, error) = if context.version >= 10 {
        (image.topic_by_id(TopicId(topic.topic_id)), ErrorCode::UnknownTopicId)
    } else {
        (image.topic(&topic.name), ErrorCode::UnknownTopicOrPartition)
    };
    let commits = topic.partitions.into_iter().map(commit).collect();
    let Some(found) = found else {
        return Err((
            TopicCommit { name: topic.name, id: TopicId(topic.topic_id), partitions: commits },
            error,
        ));
    };
    let (known, missing): (Vec<_>, Vec<_>) =
        commits.into_iter().partition(|commit: &PartitionCommit| found.partition(commit.index).is_some());
    let topic = TopicCommit { name: found.name.clone(), id: found.id, partitions: known };
    Ok((topic, missing.into_iter().map(|commit| commit.index).collect()))
}

fn commit(partition: OffsetCommitRequestPartition) -> PartitionCommit {
    PartitionCommit {
        index: PartitionIndex(partition.partition_index),
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: partition.committed_metadata,
    }
}

/// Results by topic, collected from several sides.
#[derive(Default)]
struct Answer {
    topics: Vec<OffsetCommitResponseTopic>,
    places: BTreeMap<(ByteString, TopicId), usize>,
}

impl Answer {
    fn add(&mut self, topic: &TopicCommit, results: impl Iterator<Item = (PartitionIndex, ErrorCode)>) {
        self.merge(TopicErrors { name: topic.name.clone(), id: topic.id, partitions: results.collect() });
    }

    fn add_all(&mut self, topic: &TopicCommit, error: ErrorCode) {
        self.add(topic, topic.partitions.iter().map(|partition| (partition.index, error)));
    }

    fn merge(&mut self, topic: TopicErrors) {
        let at = *self.places.entry((topic.name.clone(), topic.id)).or_insert_with(|| {
            let (name, topic_id) = (topic.name.clone(), topic.id.0);
            self.topics.push(OffsetCommitResponseTopic { name, topic_id, ..Default::default() });
            self.topics.len() - 1
        });
        let results = topic.partitions.into_iter().map(|(index, error)| OffsetCommitResponsePartition {
            partition_index: index.0,
            error_code: error.code(),
        });
        self.topics[at].partitions.extend(results);
    }

    fn respond(self) -> OffsetCommitResponse {
        OffsetCommitResponse { topics: self.topics, ..Default::default() }
    }
}
