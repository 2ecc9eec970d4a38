//! OffsetForLeaderEpoch (key 23, versions 2-4): where a leader epoch ended, so that a reader finds out whether its log
//! parted from the leader's (KIP-101, KIP-279, KIP-320).
//!
//! - Answers the largest epoch at or below the one asked for, with the start of the next one; the newest epoch ends at
//!   the log end. An epoch before every one of the log ended where the first of them began.
//! - Epoch -1, or one that is newer than the leader's, is (-1, -1) without an error.
//! - A client that states its leader epoch is held to it: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
//! - Only the leader answers. `replica_id` (version 3) makes no difference, as in Apache Kafka.

use std::sync::Arc;

use milena_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopic, OffsetForLeaderTopicResult,
};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topic = |topic: OffsetForLeaderTopic| {
        let end = |partition| answer(partition, end_of_epoch(broker, &topic.topic, partition));
        let partitions = topic.partitions.iter().map(end).collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions }
    };
    OffsetForLeaderEpochResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..OffsetForLeaderEpochResponse::default()
    }
}

fn end_of_epoch(
    broker: &Broker,
    topic: &str,
    request: &OffsetForLeaderPartition,
) -> Result<(LeaderEpoch, Offset), ErrorCode> {
    let partition = broker.partitions.of(topic, PartitionIndex(request.partition))?;
    partition.check_leader(LeaderEpoch(request.current_leader_epoch))?;
    Ok(partition.end_of_epoch(LeaderEpoch(request.leader_epoch)))
}

fn answer(
    request: &OffsetForLeaderPartition,
    found: Result<(LeaderEpoch, Offset), ErrorCode>,
) -> EpochEndOffset {
    let nothing = EpochEndOffset { partition: request.partition, ..EpochEndOffset::default() };
    match found {
        Ok((epoch, end)) => EpochEndOffset { leader_epoch: epoch.0, end_offset: end.0, ..nothing },
        Err(code) => EpochEndOffset { error_code: code.code(), ..nothing },
    }
}
