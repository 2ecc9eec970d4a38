//! The requests and answers of the quorum in Kafka's messages, from both sides.
//!
//! There is one log, `__cluster_metadata-0`: a request for another, or for more than one, is none.

use bytes::Bytes;
use bytestring::ByteString;
use milena_core::raft::{
    Address, Answer, Endpoint, FetchContent, FetchRequest, LogEnd, PeerAnswer, ReplicaKey, SnapshotChunk,
};
use milena_protocol::messages::{
    add_raft_voter as add, begin_quorum_epoch as begin, end_quorum_epoch as end, fetch,
    fetch_snapshot as snapshot, update_raft_voter as update,
};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Records, Uuid};

mod election;
mod membership;

pub(super) use election::{
    begin_request, end_request, from_begin_response, from_end_response, from_vote_response, vote_request,
};
pub(crate) use election::{
    begin_response, end_response, from_begin_request, from_end_request, from_vote_request, vote_response,
};
pub(crate) use membership::update_response;
pub(super) use membership::{add_request, from_update_response, remove_request, update_request};

/// The topic of the metadata log.
pub(crate) const METADATA_TOPIC: &str = "__cluster_metadata";
/// Its id.
pub(crate) const METADATA_TOPIC_ID: Uuid = Uuid::from_u128(1);
/// Nobody, on the wire.
const NOBODY: i32 = -1;

macro_rules! endpoints {
    ($from:ident, $into:ident, $type:path) => {
        /// Listeners as the quorum knows them.
        pub(crate) fn $from(endpoints: &[$type]) -> Vec<Endpoint> {
            let endpoint = |at: &$type| Endpoint {
                name: at.name.clone(),
                address: Address { host: at.host.clone(), port: at.port },
            };
            endpoints.iter().map(endpoint).collect()
        }

        fn $into(endpoints: &[Endpoint]) -> Vec<$type> {
            let endpoint = |at: &Endpoint| {
                let mut listener = <$type>::default();
                (listener.name, listener.host, listener.port) =
                    (at.name.clone(), at.address.host.clone(), at.address.port);
                listener
            };
            endpoints.iter().map(endpoint).collect()
        }
    };
}

endpoints!(from_begin, to_begin, begin::LeaderEndpoint);
endpoints!(from_end, to_end, end::LeaderEndpoint);
endpoints!(from_add, to_add, add::Listener);
endpoints!(from_update, to_update, update::Listener);

/// A message that names one partition of one topic, the metadata log.
fn only<T>(mut items: Vec<T>) -> Option<T> {
    let item = items.pop();
    item.filter(|_| items.is_empty())
}

fn replica(id: i32, directory_id: Uuid) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory_id }
}

fn named(id: i32, directory_id: Uuid) -> Option<ReplicaKey> {
    (id >= 0).then(|| replica(id, directory_id))
}

fn leader_id(answer: &Answer) -> i32 {
    answer.leader.map_or(NOBODY, |leader| leader.0)
}

/// The leader's address in answers: by the listener that replicas use.
fn address(answer: &Answer, listener: &str) -> Option<(i32, Address)> {
    let leader = answer.leader?;
    let endpoint = answer.endpoints.iter().find(|endpoint| endpoint.name == listener)?;
    Some((leader.0, endpoint.address.clone()))
}

/// What an answer says of the leader.
fn answer(
    error: i16,
    (leader, epoch): (i32, i32),
    endpoint: Option<(ByteString, u16)>,
    listener: &ByteString,
) -> Answer {
    let at = |(host, port): (ByteString, u16)| Endpoint {
        name: listener.clone(),
        address: Address { host, port },
    };
    Answer {
        error: ErrorCode::from(error),
        leader: (leader >= 0).then_some(NodeId(leader)),
        epoch: LeaderEpoch(epoch),
        endpoints: endpoint.filter(|(host, _)| !host.is_empty()).map(at).into_iter().collect(),
    }
}

/// A request that fails as a whole says nothing of the leader.
fn failed(error: i16, listener: &ByteString) -> Answer {
    answer(error, (NOBODY, -1), None, listener)
}

pub(super) fn fetch_request(
    request: &FetchRequest,
    cluster_id: &ByteString,
    bytes_max: i32,
) -> fetch::FetchRequest {
    let partition = fetch::FetchPartition {
        partition: 0,
        current_leader_epoch: request.epoch.0,
        fetch_offset: request.log_end.offset.0,
        last_fetched_epoch: request.log_end.epoch.0,
        log_start_offset: -1,
        partition_max_bytes: bytes_max,
        replica_directory_id: request.replica.directory_id,
        high_watermark: request.high_watermark.0,
    };
    let topic = fetch::FetchTopic {
        topic: METADATA_TOPIC.into(),
        topic_id: METADATA_TOPIC_ID,
        partitions: vec![partition],
    };
    fetch::FetchRequest {
        cluster_id: Some(cluster_id.clone()),
        replica_id: request.replica.id.0,
        replica_state: fetch::ReplicaState { replica_id: request.replica.id.0, replica_epoch: -1 },
        max_wait_ms: i32::try_from(request.wait_ms_max).unwrap_or(i32::MAX),
        min_bytes: 0,
        max_bytes: bytes_max,
        isolation_level: 0,
        session_id: 0,
        session_epoch: -1,
        topics: vec![topic],
        forgotten_topics_data: Vec::new(),
        rack_id: ByteString::new(),
    }
}

pub(crate) fn from_fetch_request(request: fetch::FetchRequest, version: i16) -> Option<FetchRequest> {
    let topic = only(request.topics).filter(|topic| {
        if version >= 13 { topic.topic_id == METADATA_TOPIC_ID } else { topic.topic == METADATA_TOPIC }
    })?;
    let partition = only(topic.partitions).filter(|partition| partition.partition == 0)?;
    let id = if version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    Some(FetchRequest {
        replica: replica(id, partition.replica_directory_id),
        epoch: LeaderEpoch(partition.current_leader_epoch),
        log_end: LogEnd {
            offset: Offset(partition.fetch_offset),
            epoch: LeaderEpoch(partition.last_fetched_epoch),
        },
        // Before version 18 nobody says what it knows, and nobody is hurried.
        high_watermark: if version >= 18 { Offset(partition.high_watermark) } else { Offset(i64::MAX) },
        wait_ms_max: i64::from(request.max_wait_ms),
    })
}

pub(crate) fn fetch_response(
    answer: &Answer,
    high_watermark: Offset,
    content: FetchContent,
    (log_start, listener): (Offset, &str),
) -> fetch::FetchResponse {
    let mut partition = fetch::PartitionData {
        partition_index: 0,
        error_code: answer.error.code(),
        high_watermark: high_watermark.0,
        log_start_offset: log_start.0,
        current_leader: fetch::LeaderIdAndEpoch {
            leader_id: leader_id(answer),
            leader_epoch: answer.epoch.0,
        },
        records: Some(Records::EMPTY),
        ..fetch::PartitionData::default()
    };
    match content {
        FetchContent::Records(bytes) => partition.records = Some(Records::Bytes(bytes)),
        FetchContent::Diverging(end) => {
            partition.diverging_epoch =
                fetch::EpochEndOffset { epoch: end.epoch.0, end_offset: end.offset.0 };
        }
        FetchContent::Snapshot(id) => {
            partition.snapshot_id = fetch::SnapshotId { end_offset: id.offset.0, epoch: id.epoch.0 };
        }
        FetchContent::ReadFrom(_) => {}
    }
    let endpoint = |(node_id, at): (i32, Address)| fetch::NodeEndpoint {
        node_id,
        host: at.host,
        port: i32::from(at.port),
        rack: None,
    };
    fetch::FetchResponse {
        responses: vec![fetch::FetchableTopicResponse {
            topic: METADATA_TOPIC.into(),
            topic_id: METADATA_TOPIC_ID,
            partitions: vec![partition],
        }],
        node_endpoints: address(answer, listener).map(endpoint).into_iter().collect(),
        ..fetch::FetchResponse::default()
    }
}

pub(super) fn from_fetch_response(response: fetch::FetchResponse, listener: &ByteString) -> PeerAnswer {
    let nothing = |answer| PeerAnswer::Fetch {
        answer,
        high_watermark: Offset::NONE,
        content: FetchContent::Records(Bytes::new()),
    };
    let partition = only(response.responses).and_then(|topic| only(topic.partitions));
    let Some(partition) = partition.filter(|_| response.error_code == 0) else {
        return nothing(failed(response.error_code, listener));
    };
    let leader = partition.current_leader;
    let endpoint = response.node_endpoints.into_iter().find(|at| at.node_id == leader.leader_id);
    let endpoint = endpoint.and_then(|at| Some((at.host, u16::try_from(at.port).ok()?)));
    let answer = answer(partition.error_code, (leader.leader_id, leader.leader_epoch), endpoint, listener);
    let (diverging, id) = (partition.diverging_epoch, partition.snapshot_id);
    let content = if diverging.epoch >= 0 {
        let end = LogEnd { offset: Offset(diverging.end_offset), epoch: LeaderEpoch(diverging.epoch) };
        FetchContent::Diverging(end)
    } else if id.epoch >= 0 || id.end_offset >= 0 {
        FetchContent::Snapshot(LogEnd { offset: Offset(id.end_offset), epoch: LeaderEpoch(id.epoch) })
    } else {
        match partition.records {
            Some(Records::Bytes(bytes)) => FetchContent::Records(bytes),
            _ => FetchContent::Records(Bytes::new()),
        }
    };
    PeerAnswer::Fetch { answer, high_watermark: Offset(partition.high_watermark), content }
}

pub(super) fn snapshot_request(
    (key, epoch): (ReplicaKey, LeaderEpoch),
    id: LogEnd,
    position: u64,
    (cluster_id, bytes_max): (&ByteString, i32),
) -> snapshot::FetchSnapshotRequest {
    let partition = snapshot::RequestPartitionSnapshot {
        partition: 0,
        current_leader_epoch: epoch.0,
        snapshot_id: snapshot::RequestSnapshotId { end_offset: id.offset.0, epoch: id.epoch.0 },
        position: i64::try_from(position).unwrap_or(i64::MAX),
        replica_directory_id: key.directory_id,
    };
    snapshot::FetchSnapshotRequest {
        cluster_id: Some(cluster_id.clone()),
        replica_id: key.id.0,
        max_bytes: bytes_max,
        topics: vec![snapshot::RequestTopicSnapshot {
            name: METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
    }
}

/// Who asks in which epoch, for which snapshot, from which byte on.
pub(crate) type SnapshotAsked = ((ReplicaKey, LeaderEpoch), LogEnd, u64);

/// `Err` names what is wrong with the request: INVALID_REQUEST as a whole, or a partition that is not there.
pub(crate) fn from_snapshot_request(
    request: snapshot::FetchSnapshotRequest,
) -> Result<SnapshotAsked, ErrorCode> {
    let topic = only(request.topics).ok_or(ErrorCode::InvalidRequest)?;
    let is_metadata = topic.name == METADATA_TOPIC;
    let partition = only(topic.partitions).ok_or(ErrorCode::InvalidRequest)?;
    if !is_metadata || partition.partition != 0 {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let id = LogEnd {
        offset: Offset(partition.snapshot_id.end_offset),
        epoch: LeaderEpoch(partition.snapshot_id.epoch),
    };
    let position = u64::try_from(partition.position).unwrap_or(u64::MAX);
    let key = replica(request.replica_id, partition.replica_directory_id);
    Ok(((key, LeaderEpoch(partition.current_leader_epoch)), id, position))
}

pub(crate) fn snapshot_response(
    answer: &Answer,
    chunk: Option<SnapshotChunk>,
    listener: &str,
) -> snapshot::FetchSnapshotResponse {
    let at = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (id, size, position, bytes) = match chunk {
        Some(chunk) => {
            let id = snapshot::ResponseSnapshotId { end_offset: chunk.id.offset.0, epoch: chunk.id.epoch.0 };
            (id, at(chunk.size), at(chunk.position), chunk.bytes)
        }
        None => (snapshot::ResponseSnapshotId::default(), 0, 0, Bytes::new()),
    };
    let partition = snapshot::ResponsePartitionSnapshot {
        index: 0,
        error_code: answer.error.code(),
        snapshot_id: id,
        current_leader: snapshot::LeaderIdAndEpoch {
            leader_id: leader_id(answer),
            leader_epoch: answer.epoch.0,
        },
        size,
        position,
        unaligned_records: Records::Bytes(bytes),
    };
    let endpoint =
        |(node_id, at): (i32, Address)| snapshot::NodeEndpoint { node_id, host: at.host, port: at.port };
    snapshot::FetchSnapshotResponse {
        throttle_time_ms: 0,
        error_code: 0,
        topics: vec![snapshot::ResponseTopicSnapshot {
            name: METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
        node_endpoints: address(answer, listener).map(endpoint).into_iter().collect(),
    }
}

pub(super) fn from_snapshot_response(
    response: snapshot::FetchSnapshotResponse,
    listener: &ByteString,
) -> PeerAnswer {
    let partition = only(response.topics).and_then(|topic| only(topic.partitions));
    let Some(partition) = partition.filter(|_| response.error_code == 0) else {
        return PeerAnswer::Snapshot(failed(response.error_code, listener), None);
    };
    let leader = partition.current_leader;
    let endpoint = response.node_endpoints.into_iter().find(|at| at.node_id == leader.leader_id);
    let leads = (leader.leader_id, leader.leader_epoch);
    let answer = answer(partition.error_code, leads, endpoint.map(|at| (at.host, at.port)), listener);
    let sizes = u64::try_from(partition.size).ok().zip(u64::try_from(partition.position).ok());
    let chunk = match (sizes, partition.unaligned_records) {
        (Some((size, position)), Records::Bytes(bytes)) if answer.error == ErrorCode::None => {
            let id = LogEnd {
                offset: Offset(partition.snapshot_id.end_offset),
                epoch: LeaderEpoch(partition.snapshot_id.epoch),
            };
            Some(SnapshotChunk { id, position, size, bytes })
        }
        _ => None,
    };
    PeerAnswer::Snapshot(answer, chunk)
}
