//! Fetch (key 1, versions 4-18): committed batches, at once or when enough have come.
//!
//! - Answers at once with `min_bytes` of records, an error of any partition there is, records that end with their segment
//!   while more follow, or without waiting time; otherwise waits for appends, at most `max_wait_ms` and [`MAX_WAIT`].
//!   A partition that nobody knows holds nothing up and hurries nothing, as long as another is asked for.
//! - Whole batches only. The first batch of the answer comes even above `max_bytes` and `partition_max_bytes`, so that a
//!   reader always moves on; records are never null. `fetch.max.bytes` of the broker bounds an answer too.
//! - Records are slices of segment files until the socket.
//! - Topics are named by id from version 13 on (KIP-516); epochs are checked before offsets (KIP-320); a diverging log
//!   is told where it parts (version 12, KIP-595); version 16 names a new leader (KIP-951).
//! - A reader with a session names only what it asks anew, and is told only what changed (version 7, KIP-227;
//!   `milena_core::session`). A topic of the session that was deleted and made again under its name has
//!   INCONSISTENT_TOPIC_ID. Without a session, every partition asked for is answered.
//! - `read_committed` reads up to the last stable offset and is told the aborted transactions (KIP-98).

use std::sync::Arc;
use std::time::Duration;

use milena_core::config::broker::server;
use milena_core::metadata::MetadataImage;
use milena_core::session::{PartitionKey, Turn, Wanted as Asked};
use milena_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerId, Records};
use tokio::time::Instant;

use crate::broker::{Broker, RequestContext};
use crate::partition::{Partition, Read, ReadRequest};

mod session;
mod wait;

/// The longest a request waits for records, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(5 * 60);
const READ_COMMITTED: i8 = 1;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FetchRequest,
) -> FetchResponse {
    let turn = match session::begin(broker, context, &request) {
        Ok(turn) => turn,
        Err(code) => return FetchResponse { error_code: code.code(), ..FetchResponse::default() },
    };
    let fetch = Fetch::of(broker, context, &request, &turn);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let results = fetch.wait_for_records(Instant::now() + wait).await;
    fetch.count(&results);
    let finished = session::finish(broker, &turn, &results);
    let told = turn.partitions.into_iter().zip(results).zip(finished.is_told);
    let told = told.filter_map(|(answered, is_told)| is_told.then_some(answered));
    FetchResponse {
        error_code: finished.error.code(),
        session_id: finished.session_id,
        ..respond(broker, context, told, request.isolation_level == READ_COMMITTED)
    }
}

/// What is asked of one partition, and the partition if it is here.
struct Wanted {
    found: Result<Arc<Partition>, ErrorCode>,
    read: ReadRequest,
}

/// What is asked in all, in the order of the request.
struct Fetch {
    wanted: Vec<Wanted>,
    bytes_min: usize,
    bytes_max: usize,
}

type Results = Vec<Result<Read, ErrorCode>>;

impl Fetch {
    fn of(broker: &Broker, context: &RequestContext, request: &FetchRequest, turn: &Turn) -> Self {
        let bytes = |value: i32| usize::try_from(value).unwrap_or(0);
        let found = |wanted: &Asked| {
            let PartitionKey { topic, topic_id, partition } = &wanted.key;
            match context.version {
                13.. => {
                    broker.partitions.of_id(*topic_id, *partition).map_err(|code| gone(broker, wanted, code))
                }
                _ => broker.partitions.of(topic, *partition),
            }
        };
        let wanted = turn.partitions.iter();
        let committed_only = request.isolation_level == READ_COMMITTED;
        let bytes_max =
            bytes(request.max_bytes).min(bytes(broker.config.properties.int(&server::FETCH_MAX_BYTES)));
        Self {
            wanted: wanted
                .map(|wanted| Wanted {
                    found: found(wanted),
                    read: read_request(&wanted.asked, committed_only),
                })
                .collect(),
            bytes_min: bytes(request.min_bytes).min(bytes_max),
            bytes_max,
        }
    }

    fn read(&self) -> Results {
        let (mut left, mut is_first) = (self.bytes_max, true);
        let read = |wanted: &Wanted| {
            let partition = wanted.found.as_ref().map_err(|code| *code)?;
            let bytes_max = wanted.read.bytes_max.min(left);
            let read = partition.read(&ReadRequest { bytes_max, at_least_one: is_first, ..wanted.read })?;
            left = left.saturating_sub(read.records.len());
            is_first &= read.records.is_empty();
            Ok(read)
        };
        self.wanted.iter().map(read).collect()
    }

    fn count(&self, results: &Results) {
        for (wanted, result) in self.wanted.iter().zip(results) {
            if let Ok(partition) = &wanted.found {
                partition.traffic.fetched(result.as_ref().ok().map(|read| read.records.len()));
            }
        }
    }
}

fn read_request(partition: &FetchPartition, committed_only: bool) -> ReadRequest {
    ReadRequest {
        offset: Offset(partition.fetch_offset),
        // Any negative epoch says that the reader knows none.
        current_leader_epoch: LeaderEpoch(partition.current_leader_epoch.max(LeaderEpoch::NONE.0)),
        last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
        bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
        at_least_one: false,
        committed_only,
    }
}

/// A topic whose name the session knows, unlike the image its id: it was deleted, and perhaps made again.
fn gone(broker: &Broker, wanted: &Asked, code: ErrorCode) -> ErrorCode {
    match &wanted.name {
        Some(name) if code == ErrorCode::UnknownTopicId => match broker.image().topic(name) {
            Some(topic) if topic.partition(wanted.key.partition).is_some() => ErrorCode::InconsistentTopicId,
            _ => ErrorCode::UnknownTopicOrPartition,
        },
        _ => code,
    }
}

/// The answers of the partitions, in order; neighbours of one topic share an entry.
fn respond(
    broker: &Broker,
    context: &RequestContext,
    told: impl Iterator<Item = (Asked, Result<Read, ErrorCode>)>,
    read_committed: bool,
) -> FetchResponse {
    let image = broker.image();
    let (mut leaders, mut responses) = (Vec::new(), Vec::<FetchableTopicResponse>::new());
    for (wanted, result) in told {
        let PartitionKey { topic, topic_id, partition } = wanted.key;
        let mut data = answer(partition, result, read_committed);
        let name = wanted.name.filter(|_| is_moved(data.error_code));
        if let Some(moved) = name.and_then(|name| image.partition(&name, partition)) {
            leaders.push(moved.leader);
            let (leader_id, leader_epoch) = (moved.leader.0, moved.leader_epoch.0);
            data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
        }
        match responses.last_mut() {
            Some(last) if last.topic == topic && last.topic_id == topic_id.0 => last.partitions.push(data),
            _ => {
                let (topic_id, partitions) = (topic_id.0, vec![data]);
                responses.push(FetchableTopicResponse { topic, topic_id, partitions });
            }
        }
    }
    let node_endpoints = endpoints(&image, context, leaders);
    FetchResponse { responses, node_endpoints, ..FetchResponse::default() }
}

fn endpoints(image: &MetadataImage, context: &RequestContext, mut leaders: Vec<NodeId>) -> Vec<NodeEndpoint> {
    leaders.sort_unstable();
    leaders.dedup();
    let endpoint = |leader| {
        let leader = image.broker(leader)?;
        let endpoint = leader.endpoint(&context.listener.name)?;
        let (host, port) = (endpoint.host.clone(), i32::from(endpoint.port));
        Some(NodeEndpoint { node_id: leader.id.0, host, port, rack: leader.rack.clone() })
    };
    leaders.into_iter().filter_map(endpoint).collect()
}

fn aborted((producer_id, first_offset): (ProducerId, Offset)) -> AbortedTransaction {
    AbortedTransaction { producer_id: producer_id.0, first_offset: first_offset.0 }
}

fn is_unknown(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
}

fn is_moved(code: i16) -> bool {
    code == ErrorCode::NotLeaderOrFollower.code() || code == ErrorCode::FencedLeaderEpoch.code()
}

fn answer(partition: PartitionIndex, result: Result<Read, ErrorCode>, read_committed: bool) -> PartitionData {
    let data = PartitionData { partition_index: partition.0, ..PartitionData::default() };
    match result {
        Ok(read) => PartitionData {
            aborted_transactions: read_committed.then(|| read.aborted.into_iter().map(aborted).collect()),
            high_watermark: read.high_watermark.0,
            last_stable_offset: read.last_stable_offset.0,
            log_start_offset: read.log_start_offset.0,
            diverging_epoch: read.diverged.map_or_else(EpochEndOffset::default, |diverged| EpochEndOffset {
                epoch: diverged.epoch.0,
                end_offset: diverged.end_offset.0,
            }),
            records: Some(read.records),
            ..data
        },
        Err(code) => PartitionData {
            error_code: code.code(),
            high_watermark: -1,
            // Empty where the partition is not known, null where it could not be read.
            aborted_transactions: is_unknown(code).then(Vec::new),
            records: Some(Records::EMPTY),
            ..data
        },
    }
}
