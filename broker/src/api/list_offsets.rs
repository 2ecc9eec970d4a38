//! ListOffsets (key 2, versions 1-11): the offset at a time, or at an end of the log.
//!
//! - A timestamp finds the first record that is not older, exact inside a batch; none is (-1, -1).
//! - Special timestamps and the version each came with: -1 latest and -2 earliest (1), -3 largest timestamp (7,
//!   KIP-734), -4 earliest local (8, KIP-405), -5 latest tiered (9, KIP-1005), -6 earliest pending upload (11,
//!   KIP-1023). A negative one that the version does not know is UNSUPPORTED_VERSION.
//! - All data is local: -4 is the log start; -5 and -6 answer -1.
//! - The same partition twice in a request is INVALID_REQUEST, told once, as in Apache Kafka.
//! - Answers stop at the high watermark, for `read_committed` at the last stable offset (KIP-98).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytestring::ByteString;
use milena_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use milena_protocol::{ErrorCode, LeaderEpoch, PartitionIndex, Timestamp};

use crate::broker::{Broker, RequestContext};
use crate::partition::{Found, Partition};

const READ_COMMITTED: i8 = 1;
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
    let committed_only = request.isolation_level == READ_COMMITTED;
    let topic = |topic: ListOffsetsTopic| {
        let mut partition = |partition: &ListOffsetsPartition| {
            let index = partition.partition_index;
            let found = if !is_twice(&topic.name, index) {
                find(broker, (context.version, committed_only), &topic.name, partition)
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

fn find(
    broker: &Broker,
    (version, committed_only): (i16, bool),
    topic: &str,
    request: &ListOffsetsPartition,
) -> Result<Option<Found>, ErrorCode> {
    let is_known = |(timestamp, since): &(i64, i16)| *timestamp == request.timestamp && version >= *since;
    if request.timestamp < 0 && !SINCE.iter().any(is_known) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let partition = broker.partitions.of(topic, PartitionIndex(request.partition_index))?;
    partition.check_leader(LeaderEpoch(request.current_leader_epoch))?;
    look_up(&partition, request.timestamp, committed_only)
}

fn look_up(partition: &Partition, timestamp: i64, committed_only: bool) -> Result<Option<Found>, ErrorCode> {
    let latest = partition.latest(committed_only);
    match timestamp {
        LATEST => Ok(Some(latest)),
        EARLIEST | EARLIEST_LOCAL => Ok(Some(partition.earliest())),
        MAX_TIMESTAMP => partition.offset_of_max_timestamp(latest.offset),
        timestamp if timestamp < 0 => Ok(None),
        timestamp => partition.offset_for_timestamp(Timestamp(timestamp), latest.offset),
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
