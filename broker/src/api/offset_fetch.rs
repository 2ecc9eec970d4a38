//! OffsetFetch (key 9, versions 1-10): how far groups have read.
//!
//! - Up to version 7 one group, from version 8 on a list of groups with an error each (KIP-709).
//! - Null topics (version 2 on) mean every topic with an offset.
//! - An offset that was never committed is -1 with empty metadata and no error, in an unknown group too.
//! - An offset that was committed in an earlier topic of the same name counts as none.
//! - Offsets are answered once they are committed, so that those of `require_stable` (version 7, KIP-447) are stable.
//!
//! Version 1 has no error of the whole; it stands in each partition. Version 5 brings the leader epoch (KIP-320), 9
//! the member epoch of KIP-848, 10 names topics by id.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytestring::ByteString;
use futures::{StreamExt as _, stream};
use milena_core::group::{FetchOffsets, Reply, Request, TopicOffsets};
use milena_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use milena_protocol::{ErrorCode, PartitionIndex, TopicId};

use crate::broker::{Broker, RequestContext};

/// The first version with a list of groups.
const BATCH_VERSION: i16 = 8;
/// Groups of one request that coordinators are asked about at the same time.
const GROUPS_AT_ONCE: usize = 64;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if context.version >= BATCH_VERSION {
        let mut seen = BTreeSet::new();
        let mut groups = request.groups;
        groups.retain(|group| seen.insert(group.group_id.clone()));
        let fetched =
            stream::iter(groups).map(|group| fetch(broker, context, group)).buffered(GROUPS_AT_ONCE);
        return OffsetFetchResponse { groups: fetched.collect().await, ..Default::default() };
    }
    let topics = request.topics.map(|topics| {
        let topic = |topic: milena_protocol::messages::offset_fetch::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..Default::default()
            }
        };
        topics.into_iter().map(topic).collect()
    });
    let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
    let only = fetch(broker, context, group).await;
    OffsetFetchResponse {
        error_code: only.error_code,
        topics: only.topics.into_iter().map(single).collect(),
        ..Default::default()
    }
}

async fn fetch(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    let (asked, unknown) = resolve(broker, context, request.topics.clone());
    let fetch = Request::Fetch(FetchOffsets { group: request.group_id.clone(), topics: asked });
    match broker.coordinators.call(broker, &request.group_id, fetch).await {
        Ok(Reply::Fetch(topics)) => {
            let known = topics.into_iter().filter_map(|topic| respond(broker, context, topic));
            OffsetFetchResponseGroup {
                group_id: request.group_id,
                topics: known.chain(unknown).collect(),
                ..Default::default()
            }
        }
        Ok(_) => refuse(context, request, ErrorCode::UnknownServerError),
        // Clients older than Kafka 3.9 know of no other way to look for the coordinator again.
        Err(ErrorCode::CoordinatorNotAvailable) => refuse(context, request, ErrorCode::NotCoordinator),
        Err(error) => refuse(context, request, error),
    }
}

type Asked = Option<Vec<(ByteString, TopicId, Vec<PartitionIndex>)>>;

/// What to ask the coordinator, and the answers for topic ids that name nothing.
fn resolve(
    broker: &Broker,
    context: &RequestContext,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
) -> (Asked, Vec<OffsetFetchResponseTopics>) {
    let Some(topics) = topics else { return (None, Vec::new()) };
    let (image, mut asked, mut unknown) = (broker.image(), Vec::with_capacity(topics.len()), Vec::new());
    let mut seen = BTreeSet::new();
    for mut topic in topics {
        let (name, id) = (topic.name.clone(), topic.topic_id);
        topic.partition_indexes.retain(|index| seen.insert((name.clone(), id, *index)));
        let name = match context.version {
            10.. => image.topic_by_id(TopicId(topic.topic_id)).map(|topic| topic.name.clone()),
            _ => Some(topic.name.clone()),
        };
        match name {
            Some(name) => {
                let indexes = topic.partition_indexes.into_iter().map(PartitionIndex).collect();
                asked.push((name, TopicId(topic.topic_id), indexes));
            }
            None => unknown.push(failed(topic, ErrorCode::UnknownTopicId)),
        }
    }
    (Some(asked), unknown)
}

/// `None` for a topic that this version can only name by an id it does not have.
fn respond(
    broker: &Broker,
    context: &RequestContext,
    topic: TopicOffsets,
) -> Option<OffsetFetchResponseTopics> {
    let id = if context.version >= 10 && topic.id.is_zero() {
        broker.image().topic(&topic.name)?.id
    } else {
        topic.id
    };
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartitions {
        partition_index: partition.index.0,
        committed_offset: partition.offset.0,
        committed_leader_epoch: partition.leader_epoch.0,
        metadata: Some(partition.metadata),
        ..Default::default()
    });
    Some(OffsetFetchResponseTopics { name: topic.name, topic_id: id.0, partitions: partitions.collect() })
}

fn refuse(
    context: &RequestContext,
    request: OffsetFetchRequestGroup,
    error: ErrorCode,
) -> OffsetFetchResponseGroup {
    let (group_id, topics) = (request.group_id, request.topics.into_iter().flatten());
    if context.version >= 2 {
        return OffsetFetchResponseGroup { group_id, error_code: error.code(), ..Default::default() };
    }
    let topics = topics.map(|topic| failed(topic, error)).collect();
    OffsetFetchResponseGroup { group_id, topics, ..Default::default() }
}

fn failed(topic: OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions =
        topic.partition_indexes.into_iter().map(|partition_index| OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: -1,
            committed_leader_epoch: -1,
            error_code: error.code(),
            ..Default::default()
        });
    OffsetFetchResponseTopics { name: topic.name, topic_id: topic.topic_id, partitions: partitions.collect() }
}

/// The form of the versions with one group.
fn single(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}
