//! OffsetDelete (key 47, version 0): forget how far a group has read some partitions (KIP-496).
//!
//! - An unknown group is GROUP_ID_NOT_FOUND, an empty id INVALID_GROUP_ID, a group with members that is no consumer
//!   group NON_EMPTY_GROUP: each for the whole request, which then names no partition.
//! - Topics that members subscribe to are GROUP_SUBSCRIBED_TO_TOPIC; those that do not exist, and partitions that do
//!   not, are UNKNOWN_TOPIC_OR_PARTITION; the others are done all the same.
//! - A partition without a committed offset is no error.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{DeleteOffsets, Reply, Request};
use milena_core::metadata::MetadataImage;
use milena_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use milena_protocol::{ErrorCode, PartitionIndex};

use crate::broker::{Broker, RequestContext};

type ByTopic = BTreeMap<ByteString, Vec<PartitionIndex>>;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let group = request.group_id;
    if group.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let (known, missing) = resolve(&broker.image(), request.topics);
    let delete = DeleteOffsets { group: group.clone(), topics: known.into_iter().collect() };
    let deleted = match broker.coordinators.call(broker, &group, Request::DeleteOffsets(delete)).await {
        Ok(Reply::DeleteOffsets(Ok(deleted))) => deleted,
        Ok(Reply::DeleteOffsets(Err(error))) | Err(error) => return refuse(error),
        Ok(_) => return refuse(ErrorCode::UnknownServerError),
    };
    let mut topics: BTreeMap<ByteString, Vec<OffsetDeleteResponsePartition>> = BTreeMap::new();
    for (name, indexes) in missing {
        topics.entry(name).or_default().extend(results(indexes, ErrorCode::UnknownTopicOrPartition));
    }
    for (name, indexes, error) in deleted {
        topics.entry(name).or_default().extend(results(indexes, error));
    }
    let topics = topics.into_iter().map(|(name, partitions)| OffsetDeleteResponseTopic { name, partitions });
    OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
}

/// The partitions that exist, and those that do not.
fn resolve(image: &MetadataImage, topics: Vec<OffsetDeleteRequestTopic>) -> (ByTopic, ByTopic) {
    let (mut known, mut missing) = (ByTopic::new(), ByTopic::new());
    for topic in topics {
        let found = image.topic(&topic.name);
        if found.is_none() {
            // Told even if no partition is named.
            missing.entry(topic.name.clone()).or_default();
        }
        for index in topic.partitions.into_iter().map(|partition| PartitionIndex(partition.partition_index)) {
            let exists = found.is_some_and(|topic| topic.partition(index).is_some());
            let side = if exists { &mut known } else { &mut missing };
            side.entry(topic.name.clone()).or_default().push(index);
        }
    }
    (known, missing)
}

fn results(
    indexes: Vec<PartitionIndex>,
    error: ErrorCode,
) -> impl Iterator<Item = OffsetDeleteResponsePartition> {
    indexes.into_iter().map(move |index| OffsetDeleteResponsePartition {
        partition_index: index.0,
        error_code: error.code(),
    })
}

fn refuse(error: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse { error_code: error.code(), ..Default::default() }
}
