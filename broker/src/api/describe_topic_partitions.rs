//! DescribeTopicPartitions (key 75, version 0): topics with their partitions, in pages (KIP-966).
//!
//! - Topics come in the order of their names; no names means all topics.
//! - A page holds at most `response_partition_limit` partitions, bounded by `max.request.partition.size.limit`; the
//!   cursor of the answer names the first partition of the next page.
//! - The cursor of a request skips everything before it; it names one of the wanted topics.
//! - Unknown topics are UNKNOWN_TOPIC_OR_PARTITION, impossible names INVALID_TOPIC_EXCEPTION.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::config::broker::server;
use milena_core::metadata::{MetadataImage, PartitionImage, TopicImage, topic_name};
use milena_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, RequestCursor,
    ResponseCursor, TopicRequest,
};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex};

use crate::api::authorized_operations;
use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let most = broker.config.properties.int(&server::MAX_REQUEST_PARTITION_SIZE_LIMIT);
    let limit = request.response_partition_limit.clamp(1, most.max(1));
    if request.cursor.as_ref().is_some_and(|cursor| !is_valid(cursor, &request.topics)) {
        let refused = |topic: TopicRequest| DescribeTopicPartitionsResponseTopic {
            topic_authorized_operations: authorized_operations::OMITTED,
            ..failed(topic.name, ErrorCode::InvalidRequest)
        };
        let topics = request.topics.into_iter().map(refused).collect();
        return DescribeTopicPartitionsResponse { topics, ..Default::default() };
    }
    let names: BTreeSet<ByteString> = request.topics.into_iter().map(|topic| topic.name).collect();
    let image = broker.image();
    page(&image, &context.listener.name, names, request.cursor, limit)
}

/// A cursor names one of the topics that are asked for.
fn is_valid(cursor: &RequestCursor, topics: &[TopicRequest]) -> bool {
    let is_wanted = topics.is_empty() || topics.iter().any(|topic| topic.name == cursor.topic_name);
    is_wanted && cursor.partition_index >= 0
}

/// One page of `names`, or of all topics where that is empty.
fn page(
    image: &MetadataImage,
    listener: &str,
    names: BTreeSet<ByteString>,
    cursor: Option<RequestCursor>,
    limit: i32,
) -> DescribeTopicPartitionsResponse {
    let all = names.is_empty();
    let start = cursor.as_ref().map_or("", |cursor| &*cursor.topic_name);
    let existing = image.topics_from(start).map(|topic| topic.name.clone()).take_while(|_| all);
    let names = existing.chain(names.into_iter().filter(|name| &**name >= start));
    let mut response = DescribeTopicPartitionsResponse::default();
    let mut left = limit;
    for name in names {
        let first =
            cursor.as_ref().filter(|cursor| cursor.topic_name == name).map_or(0, |c| c.partition_index);
        if left == 0 {
            response.next_cursor = Some(ResponseCursor { topic_name: name, partition_index: first });
            break;
        }
        let Some(topic) = image.topic(&name) else {
            response.topics.push(failed(name.clone(), missing(&name)));
            continue;
        };
        let partitions: Vec<_> = topic
            .partitions()
            .filter(|(index, _)| index.0 >= first)
            .take(left.unsigned_abs() as usize)
            .map(|(index, partition)| describe(image, listener, index, partition))
            .collect();
        left -= i32::try_from(partitions.len()).unwrap_or(left);
        let next = partitions.last().map_or(first, |last| last.partition_index + 1);
        response.topics.push(topic_of(topic, partitions));
        if next < topic.partition_count() {
            response.next_cursor = Some(ResponseCursor { topic_name: name, partition_index: next });
            break;
        }
    }
    response
}

fn missing(name: &str) -> ErrorCode {
    match topic_name::validate(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

fn failed(name: ByteString, error: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name),
        topic_authorized_operations: authorized_operations::TOPIC,
        ..Default::default()
    }
}

fn topic_of(
    topic: &TopicImage,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.clone()),
        topic_id: topic.id.0,
        is_internal: topic.is_internal(),
        partitions,
        topic_authorized_operations: authorized_operations::TOPIC,
    }
}

fn describe(
    image: &MetadataImage,
    listener: &str,
    index: PartitionIndex,
    partition: &PartitionImage,
) -> DescribeTopicPartitionsResponsePartition {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    let is_reachable = |node: NodeId| image.endpoint(node, listener).is_some();
    let error = match image.broker(partition.leader) {
        _ if is_reachable(partition.leader) => ErrorCode::None,
        Some(leader) if !leader.fenced => ErrorCode::ListenerNotFound,
        _ => ErrorCode::LeaderNotAvailable,
    };
    DescribeTopicPartitionsResponsePartition {
        error_code: error.code(),
        partition_index: index.0,
        leader_id: if error == ErrorCode::None { partition.leader.0 } else { -1 },
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: numbers(&partition.replicas),
        isr_nodes: numbers(&partition.isr),
        eligible_leader_replicas: Some(numbers(&partition.eligible_leader_replicas)),
        last_known_elr: Some(numbers(&partition.last_known_elr)),
        offline_replicas: partition
            .replicas
            .iter()
            .filter(|node| !is_reachable(**node))
            .map(|node| node.0)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use milena_protocol::messages::metadata_records::{PartitionRecord, TopicRecord};
    use milena_protocol::{Offset, Uuid};

    /// Topics a (3 partitions), b (2) and c (1).
    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        let mut replay = |record| {
            let offset = Offset(image.next_offset().0);
            image.replay(offset, &record).unwrap();
        };
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            let topic_id = Uuid::from_u128(number as u128 + 1);
            replay(TopicRecord { name: name.into(), topic_id }.into());
            for partition_id in 0..3 - number as i32 {
                replay(PartitionRecord { partition_id, topic_id, ..Default::default() }.into());
            }
        }
        image
    }

    fn pages(names: &[&str], limit: i32) -> Vec<Vec<(String, usize)>> {
        let image = image();
        let names: BTreeSet<ByteString> = names.iter().map(|name| ByteString::from(*name)).collect();
        let mut pages = Vec::new();
        let mut cursor = None;
        loop {
            let answer = page(&image, "PLAINTEXT", names.clone(), cursor, limit);
            let topic = |topic: &DescribeTopicPartitionsResponseTopic| {
                (topic.name.clone().unwrap().to_string(), topic.partitions.len())
            };
            pages.push(answer.topics.iter().map(topic).collect());
            let Some(next) = answer.next_cursor else { return pages };
            cursor =
                Some(RequestCursor { topic_name: next.topic_name, partition_index: next.partition_index });
        }
    }

    fn owned(pages: &[&[(&str, usize)]]) -> Vec<Vec<(String, usize)>> {
        pages
            .iter()
            .map(|page| page.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
            .collect()
    }

    #[test]
    fn pages_hold_as_many_partitions_as_asked_for_and_miss_none() {
        assert_eq!(pages(&[], 100), owned(&[&[("a", 3), ("b", 2), ("c", 1)]]));
        assert_eq!(pages(&[], 2), owned(&[&[("a", 2)], &[("a", 1), ("b", 1)], &[("b", 1), ("c", 1)]]));
        assert_eq!(pages(&[], 3), owned(&[&[("a", 3)], &[("b", 2), ("c", 1)]]));
        assert_eq!(pages(&["c", "a", "nope"], 3), owned(&[&[("a", 3)], &[("c", 1), ("nope", 0)]]));
    }
}
