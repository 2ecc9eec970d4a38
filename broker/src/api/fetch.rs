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
//! - A replica id makes the reader a follower: it reads up to the log end, the offset it asks for says what it has (once,
//!   when the request comes), and `fetch.max.bytes` does not bound it. Its epoch comes with version 15 (KIP-903).
//! - Followers answer consumers from version 11 on, up to their own high watermark. With
//!   `replica.selector.class=...RackAwareReplicaSelector` a leader sends a consumer to a replica in its rack (KIP-392).

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

use crate::api::fetch_metadata;
use crate::broker::{Broker, RequestContext};
use crate::partition::{FollowerId, Isolation, Partition, Read, ReadRequest};

mod preferred;
mod session;
mod wait;

use preferred::Selector;

/// The longest a request waits for records, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(5 * 60);
const READ_COMMITTED: i8 = 1;
const CONSUMER: i32 = -1;
/// From this version on consumers may read from followers (KIP-392).
const VERSION_ANY_REPLICA: i16 = 11;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FetchRequest,
) -> FetchResponse {
    if context.listener.is_controller {
        return fetch_metadata::handle(broker, context, request).await;
    }
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
    /// Of a follower: where its log starts.
    log_start: Offset,
}

/// Who asks.
enum Reader {
    Consumer(Option<Selector>),
    Follower(FollowerId),
}

/// What is asked in all, in the order of the request.
struct Fetch<'a> {
    broker: &'a Broker,
    reader: Reader,
    wanted: Vec<Wanted>,
    bytes_min: usize,
    bytes_max: usize,
}

type Results = Vec<Result<Read, ErrorCode>>;

impl<'a> Fetch<'a> {
    fn of(broker: &'a Broker, context: &RequestContext, request: &FetchRequest, turn: &Turn) -> Self {
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
        let replica_id = session::replica_id(context.version, request);
        let is_follower = replica_id >= 0;
        let isolation = match request.isolation_level {
            _ if is_follower => Isolation::LogEnd,
            READ_COMMITTED => Isolation::Committed,
            _ => Isolation::Uncommitted,
        };
        let leader_only = is_follower || replica_id == CONSUMER && context.version < VERSION_ANY_REPLICA;
        let limit =
            if is_follower { i32::MAX } else { broker.config.properties.int(&server::FETCH_MAX_BYTES) };
        let bytes_max = bytes(request.max_bytes).min(bytes(limit));
        let broker_epoch = request.replica_state.replica_epoch;
        Self {
            broker,
            reader: if is_follower {
                Reader::Follower(FollowerId { node: NodeId(replica_id), broker_epoch })
            } else {
                Reader::Consumer(Selector::of(broker, context, &request.rack_id))
            },
            wanted: wanted
                .map(|wanted| Wanted {
                    found: found(wanted),
                    read: ReadRequest { isolation, leader_only, ..read_request(&wanted.asked) },
                    log_start: Offset(wanted.asked.log_start_offset),
                })
                .collect(),
            bytes_min: bytes(request.min_bytes).min(bytes_max),
            bytes_max,
        }
    }

    /// `is_new` as long as nobody was told yet what a follower has.
    fn read(&self, is_new: bool) -> Results {
        let (mut left, mut is_first) = (self.bytes_max, true);
        let read = |wanted: &Wanted| {
            let partition = wanted.found.as_ref().map_err(|code| *code)?;
            let is_held = self.is_held(partition);
            let bytes_max = if is_held { 0 } else { wanted.read.bytes_max.min(left) };
            let request = ReadRequest { bytes_max, at_least_one: is_first && !is_held, ..wanted.read };
            let read = match &self.reader {
                Reader::Follower(follower) if is_new => {
                    self.read_for(*follower, partition, &request, wanted.log_start)?
                }
                Reader::Consumer(Some(selector)) => selector.read(partition, &request)?,
                _ => partition.read(&request)?,
            };
            left = left.saturating_sub(read.records.len());
            is_first &= read.records.is_empty();
            Ok(read)
        };
        self.wanted.iter().map(read).collect()
    }

    fn read_for(
        &self,
        follower: FollowerId,
        partition: &Arc<Partition>,
        request: &ReadRequest,
        log_start: Offset,
    ) -> Result<Read, ErrorCode> {
        let (read, proposal) = partition.read_for_follower(request, follower, log_start)?;
        if let Some(proposal) = proposal {
            self.broker.isr_changes.submit(partition.clone(), proposal);
        }
        Ok(read)
    }

    /// A follower that is behind, of a throttled partition, waits while too much is sent.
    fn is_held(&self, partition: &Partition) -> bool {
        let Reader::Follower(follower) = &self.reader else { return false };
        partition.is_throttled_leader()
            && self.broker.throttles.leader.is_exceeded()
            && !partition.is_in_sync(follower.node)
    }

    fn count(&self, results: &Results) {
        let is_follower = matches!(self.reader, Reader::Follower(_));
        for (wanted, result) in self.wanted.iter().zip(results) {
            let Ok(partition) = &wanted.found else { continue };
            if is_follower {
                if partition.is_throttled_leader() {
                    self.broker.throttles.leader.record(result.as_ref().map_or(0, |read| read.records.len()));
                }
            } else {
                partition.traffic.fetched(result.as_ref().ok().map(|read| read.records.len()));
            }
        }
    }
}

fn read_request(partition: &FetchPartition) -> ReadRequest {
    ReadRequest {
        offset: Offset(partition.fetch_offset),
        // Any negative epoch says that the reader knows none.
        current_leader_epoch: LeaderEpoch(partition.current_leader_epoch.max(LeaderEpoch::NONE.0)),
        last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
        bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
        at_least_one: false,
        isolation: Isolation::Uncommitted,
        leader_only: true,
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
        let moved = name.and_then(|name| image.partition(&name, partition));
        if let Some(moved) = moved.filter(|moved| moved.leader != NodeId::NONE) {
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
            preferred_read_replica: read.preferred.unwrap_or(NodeId::NONE).0,
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
