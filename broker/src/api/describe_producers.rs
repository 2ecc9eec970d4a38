//! DescribeProducers (key 61, version 0): the idempotent producers that a partition remembers (KIP-664).
//!
//! - Every replica answers, not only the leader. A partition that is elsewhere is NOT_LEADER_OR_FOLLOWER.
//! - A topic nobody knows is UNKNOWN_TOPIC_OR_PARTITION, a name no topic may have INVALID_TOPIC_EXCEPTION; both with a
//!   message.
//! - The last sequence is -1 where the producer has no batch in its epoch. There are no transactions yet: coordinator
//!   epoch and transaction start are -1.

use std::collections::BTreeSet;
use std::sync::Arc;

use milena_core::metadata::topic_name;
use milena_core::partition::Restored;
use milena_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicRequest,
    TopicResponse,
};
use milena_protocol::{ErrorCode, PartitionIndex};

use crate::broker::{Broker, RequestContext};

/// A topic's error and its message.
type Refusal = (ErrorCode, String);

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    // A few bytes of request ask for many of response, so what is asked twice is answered once.
    let mut seen = BTreeSet::new();
    let topic = |mut topic: TopicRequest| {
        topic.partition_indexes.retain(|index| seen.insert((topic.name.clone(), *index)));
        let refusal = check(broker, &topic.name).err();
        let partition = |index: &i32| match &refusal {
            Some((code, message)) => {
                PartitionResponse { error_message: Some(message.as_str().into()), ..failed(*index, *code) }
            }
            None => describe(broker, &topic.name, *index).unwrap_or_else(|code| failed(*index, code)),
        };
        let partitions = topic.partition_indexes.iter().map(partition).collect();
        TopicResponse { name: topic.name, partitions }
    };
    DescribeProducersResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..DescribeProducersResponse::default()
    }
}

fn check(broker: &Broker, topic: &str) -> Result<(), Refusal> {
    topic_name::validate(topic).map_err(|message| (ErrorCode::InvalidTopicException, message))?;
    let known = broker.image().topic(topic).is_some();
    let unknown = "This server does not host this topic-partition.";
    known.then_some(()).ok_or_else(|| (ErrorCode::UnknownTopicOrPartition, unknown.to_owned()))
}

fn describe(broker: &Broker, topic: &str, index: i32) -> Result<PartitionResponse, ErrorCode> {
    let producers = broker.partitions.of(topic, PartitionIndex(index))?.producers();
    Ok(PartitionResponse {
        partition_index: index,
        active_producers: producers.into_iter().map(state).collect(),
        ..PartitionResponse::default()
    })
}

fn state(producer: Restored) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id.0,
        producer_epoch: i32::from(producer.epoch.0),
        last_sequence: producer.last_batch.map_or(-1, |batch| batch.last_sequence),
        last_timestamp: producer.last_batch.map_or(-1, |batch| batch.timestamp.0),
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.map_or(-1, |start| start.0),
    }
}

fn failed(partition_index: i32, code: ErrorCode) -> PartitionResponse {
    PartitionResponse { partition_index, error_code: code.code(), ..PartitionResponse::default() }
}
