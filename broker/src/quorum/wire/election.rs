//! Vote, BeginQuorumEpoch and EndQuorumEpoch.

use bytestring::ByteString;
use milena_core::raft::{Address, Answer, Endpoint, LogEnd, PeerAnswer, ReplicaKey, VoteRequest};
use milena_protocol::messages::{begin_quorum_epoch as begin, end_quorum_epoch as end, vote};
use milena_protocol::{LeaderEpoch, NodeId, Offset, Uuid};

use super::{
    METADATA_TOPIC, NOBODY, address, answer, failed, from_begin, from_end, leader_id, named, only, replica,
    to_begin, to_end,
};

pub(in crate::quorum) fn vote_request(request: &VoteRequest, cluster_id: &ByteString) -> vote::VoteRequest {
    let voter = request.voter.unwrap_or(replica(NOBODY, Uuid::nil()));
    let partition = vote::RequestPartitionData {
        partition_index: 0,
        replica_epoch: request.epoch.0,
        replica_id: request.candidate.id.0,
        replica_directory_id: request.candidate.directory_id,
        voter_directory_id: voter.directory_id,
        last_offset_epoch: request.log_end.epoch.0,
        last_offset: request.log_end.offset.0,
        pre_vote: request.pre_vote,
    };
    vote::VoteRequest {
        cluster_id: Some(cluster_id.clone()),
        voter_id: voter.id.0,
        topics: vec![vote::RequestTopicData {
            topic_name: METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
    }
}

pub(crate) fn from_vote_request(request: vote::VoteRequest) -> Option<VoteRequest> {
    let topic = only(request.topics).filter(|topic| topic.topic_name == METADATA_TOPIC)?;
    let partition = only(topic.partitions).filter(|partition| partition.partition_index == 0)?;
    Some(VoteRequest {
        candidate: replica(partition.replica_id, partition.replica_directory_id),
        epoch: LeaderEpoch(partition.replica_epoch),
        voter: named(request.voter_id, partition.voter_directory_id),
        log_end: LogEnd {
            offset: Offset(partition.last_offset),
            epoch: LeaderEpoch(partition.last_offset_epoch),
        },
        pre_vote: partition.pre_vote,
    })
}

pub(crate) fn vote_response(answer: &Answer, granted: bool, listener: &str) -> vote::VoteResponse {
    let partition = vote::ResponsePartitionData {
        partition_index: 0,
        error_code: answer.error.code(),
        leader_id: leader_id(answer),
        leader_epoch: answer.epoch.0,
        vote_granted: granted,
    };
    let endpoint =
        |(node_id, at): (i32, Address)| vote::NodeEndpoint { node_id, host: at.host, port: at.port };
    vote::VoteResponse {
        error_code: 0,
        topics: vec![vote::ResponseTopicData {
            topic_name: METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
        node_endpoints: address(answer, listener).map(endpoint).into_iter().collect(),
    }
}

pub(in crate::quorum) fn from_vote_response(
    response: vote::VoteResponse,
    listener: &ByteString,
) -> PeerAnswer {
    let partition = only(response.topics).and_then(|topic| only(topic.partitions));
    let Some(partition) = partition.filter(|_| response.error_code == 0) else {
        return PeerAnswer::Vote(failed(response.error_code, listener), false);
    };
    let endpoint = response.node_endpoints.into_iter().find(|at| at.node_id == partition.leader_id);
    let leads = (partition.leader_id, partition.leader_epoch);
    let answer = answer(partition.error_code, leads, endpoint.map(|at| (at.host, at.port)), listener);
    PeerAnswer::Vote(answer, partition.vote_granted)
}

pub(in crate::quorum) fn begin_request(
    (leader, epoch): (NodeId, LeaderEpoch),
    voter: Option<ReplicaKey>,
    endpoints: &[Endpoint],
    cluster_id: &ByteString,
) -> begin::BeginQuorumEpochRequest {
    let voter = voter.unwrap_or(replica(NOBODY, Uuid::nil()));
    let partition = begin::RequestPartitionData {
        partition_index: 0,
        voter_directory_id: voter.directory_id,
        leader_id: leader.0,
        leader_epoch: epoch.0,
    };
    begin::BeginQuorumEpochRequest {
        cluster_id: Some(cluster_id.clone()),
        voter_id: voter.id.0,
        topics: vec![begin::RequestTopicData {
            topic_name: METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
        leader_endpoints: to_begin(endpoints),
    }
}

/// Leader, epoch, whom it takes the receiver for, where it is reached.
pub(crate) type Begun = (NodeId, LeaderEpoch, Option<ReplicaKey>, Vec<Endpoint>);

pub(crate) fn from_begin_request(request: begin::BeginQuorumEpochRequest) -> Option<Begun> {
    let topic = only(request.topics).filter(|topic| topic.topic_name == METADATA_TOPIC)?;
    let partition = only(topic.partitions).filter(|partition| partition.partition_index == 0)?;
    let voter = named(request.voter_id, partition.voter_directory_id);
    let endpoints = from_begin(&request.leader_endpoints);
    Some((NodeId(partition.leader_id), LeaderEpoch(partition.leader_epoch), voter, endpoints))
}

pub(in crate::quorum) fn end_request(
    (leader, epoch): (NodeId, LeaderEpoch),
    successors: &[ReplicaKey],
    endpoints: &[Endpoint],
    cluster_id: &ByteString,
) -> end::EndQuorumEpochRequest {
    let candidate = |key: &ReplicaKey| end::ReplicaInfo {
        candidate_id: key.id.0,
        candidate_directory_id: key.directory_id,
    };
    let partition = end::RequestPartitionData {
        partition_index: 0,
        leader_id: leader.0,
        leader_epoch: epoch.0,
        preferred_successors: successors.iter().map(|key| key.id.0).collect(),
        preferred_candidates: successors.iter().map(candidate).collect(),
    };
    end::EndQuorumEpochRequest {
        cluster_id: Some(cluster_id.clone()),
        topics: vec![end::RequestTopicData {
            topic_name: METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
        leader_endpoints: to_end(endpoints),
    }
}

/// Leader, epoch, who should follow it, where it is reached.
pub(crate) type Ended = (NodeId, LeaderEpoch, Vec<ReplicaKey>, Vec<Endpoint>);

pub(crate) fn from_end_request(request: end::EndQuorumEpochRequest) -> Option<Ended> {
    let topic = only(request.topics).filter(|topic| topic.topic_name == METADATA_TOPIC)?;
    let partition = only(topic.partitions).filter(|partition| partition.partition_index == 0)?;
    let candidates = partition.preferred_candidates.iter();
    let mut successors: Vec<_> =
        candidates.map(|it| replica(it.candidate_id, it.candidate_directory_id)).collect();
    if successors.is_empty() {
        successors = partition.preferred_successors.iter().map(|id| replica(*id, Uuid::nil())).collect();
    }
    let endpoints = from_end(&request.leader_endpoints);
    Some((NodeId(partition.leader_id), LeaderEpoch(partition.leader_epoch), successors, endpoints))
}

macro_rules! plain_answers {
    ($respond:ident, $read:ident, $module:ident, $response:ident) => {
        pub(crate) fn $respond(answer: &Answer, listener: &str) -> $module::$response {
            let partition = $module::ResponsePartitionData {
                partition_index: 0,
                error_code: answer.error.code(),
                leader_id: leader_id(answer),
                leader_epoch: answer.epoch.0,
            };
            let endpoint = |(node_id, at): (i32, Address)| $module::NodeEndpoint {
                node_id,
                host: at.host,
                port: at.port,
            };
            $module::$response {
                error_code: 0,
                topics: vec![$module::ResponseTopicData {
                    topic_name: METADATA_TOPIC.into(),
                    partitions: vec![partition],
                }],
                node_endpoints: address(answer, listener).map(endpoint).into_iter().collect(),
            }
        }

        pub(in crate::quorum) fn $read(response: $module::$response, listener: &ByteString) -> PeerAnswer {
            let partition = only(response.topics).and_then(|topic| only(topic.partitions));
            let Some(partition) = partition.filter(|_| response.error_code == 0) else {
                return PeerAnswer::Plain(failed(response.error_code, listener));
            };
            let endpoint = response.node_endpoints.into_iter().find(|at| at.node_id == partition.leader_id);
            let leads = (partition.leader_id, partition.leader_epoch);
            PeerAnswer::Plain(answer(
                partition.error_code,
                leads,
                endpoint.map(|at| (at.host, at.port)),
                listener,
            ))
        }
    };
}

plain_answers!(begin_response, from_begin_response, begin, BeginQuorumEpochResponse);
plain_answers!(end_response, from_end_response, end, EndQuorumEpochResponse);
