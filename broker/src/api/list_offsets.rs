//! ListOffsets (key 2, versions 1-11): the offset at a time, or at an end of the log.
//!
//! - A timestamp finds the first record that is not older, exact inside a batch; none is (-1, -1).
//! - Special timestamps and the version each came with: -1 latest and -2 earliest (1), -3 largest timestamp (7,
//!   KIP-734), -4 earliest local (8, KIP-405), -5 latest tiered (9, KIP-1005), -6 earliest pending upload (11,
//!   KIP-1023). A negative one that the version does not know is UNSUPPORTED_VERSION.
//! - All data is local: -4 is the log start; -5 and -6 answer -1.
//! - The same partition twice in a request is INVALID_REQUEST, told once, as in Apache Kafka.
//! - Answers stop at the high watermark, for `read_committed` at the last stable offset (KIP-98), for a replica at the log
//!   end. A leader whose high watermark has not reached the beginning of its epoch yet does not know the first two:
//!   OFFSET_NOT_AVAILABLE (KIP-207).
//! - The leader answers alone, but for the replica id -2, which debuggers use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytestring::ByteString;
use milena_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use milena_protocol::{ErrorCode, LeaderEpoch, PartitionIndex, Timestamp};

use crate::broker::{Broker, RequestContext};
use crate::partition::{Found, Isolation, Partition};

const READ_COMMITTED: i8 = 1;
const CONSUMER: i32 = -1;
const DEBUGGER: i32 = -2;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// Each special timestamp and the first version that knows it.
const SINCE: [(i64, i16); 6] = [
    (LATEST, 1),
    (EARLIEST, 1),
    (MAX_TIMESTAMP, 7),
    (EARLIEST_LOCAL, 8),
    (LATEST_TIERED, 9),
    (EARLIEST_PENDING_UPLOAD, 11),
];

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let mut seen = BTreeMap::<_, u32>::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *seen.entry((topic.name.clone(), partition.partition_index)).or_default() += 1;
        }
    }
    let is_twice =
        |name: &ByteString, index| seen.get(&(name.clone(), index)).is_some_and(|count| *count > 1);
    let mut told = BTreeSet::new();
    let isolation = match (request.replica_id, request.isolation_level) {
        (CONSUMER, READ_COMMITTED) => Isolation::Committed,
        (CONSUMER, _) => Isolation::Uncommitted,
        _ => Isolation::LogEnd,
    };
    let asked = Asked { version: context.version, isolation, leader_only: request.replica_id != DEBUGGER };
    let topic = |topic: ListOffsetsTopic| {
        let mut partition = |partition: &ListOffsetsPartition| {
            let index = partition.partition_index;
            let found = if !is_twice(&topic.name, index) {
                find(broker, asked, &topic.name, partition)
            } else if told.insert((topic.name.clone(), index)) {
                Err(ErrorCode::InvalidRequest)
            } else {
                return None;
            };
            Some(answer(index, found))
        };
        let partitions = topic.partitions.iter().filter_map(&mut partition).collect();
        ListOffsetsTopicResponse { name: topic.name, partitions }
    };
    ListOffsetsResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..ListOffsetsResponse::default()
    }
}

/// What holds for the whole request.
#[derive(Clone, Copy)]
struct Asked {
    version: i16,
    isolation: Isolation,
    leader_only: bool,
}

fn find(
    broker: &Broker,
    asked: Asked,
    topic: &str,
    request: &ListOffsetsPartition,
) -> Result<Option<Found>, ErrorCode> {
    let is_known =
        |(timestamp, since): &(i64, i16)| *timestamp == request.timestamp && asked.version >= *since;
    if request.timestamp < 0 && !SINCE.iter().any(is_known) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let partition = broker.partitions.of(topic, PartitionIndex(request.partition_index))?;
    partition.check_reader(LeaderEpoch(request.current_leader_epoch), asked.leader_only)?;
    look_up(&partition, request.timestamp, asked.isolation)
}

fn look_up(partition: &Partition, timestamp: i64, isolation: Isolation) -> Result<Option<Found>, ErrorCode> {
    let (latest, known) = partition.latest(isolation);
    let found = match timestamp {
        LATEST => return known.map(|()| Some(latest)),
        EARLIEST | EARLIEST_LOCAL => return Ok(Some(partition.earliest())),
        MAX_TIMESTAMP => partition.offset_of_max_timestamp(latest.offset)?,
        timestamp if timestamp < 0 => return Ok(None),
        timestamp => partition.offset_for_timestamp(Timestamp(timestamp), latest.offset)?,
    };
    match found {
        Some(found) => Ok(Some(found)),
        None => known.map(|()| None),
    }
}

fn answer(partition_index: i32, found: Result<Option<Found>, ErrorCode>) -> ListOffsetsPartitionResponse {
    let nothing = ListOffsetsPartitionResponse { partition_index, ..ListOffsetsPartitionResponse::default() };
    match found {
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            timestamp: found.timestamp.0,
            offset: found.offset.0,
            leader_epoch: found.leader_epoch.0,
            ..nothing
        },
        Ok(None) => nothing,
        Err(code) => ListOffsetsPartitionResponse { error_code: code.code(), ..nothing },
    }
}
