//! AddRaftVoter, RemoveRaftVoter and UpdateRaftVoter.

use bytestring::ByteString;
use milena_core::raft::{Answer, PeerAnswer, ReplicaKey, Voter};
use milena_protocol::LeaderEpoch;
use milena_protocol::messages::{
    add_raft_voter as add, remove_raft_voter as remove, update_raft_voter as update,
};

use super::{address, answer, leader_id, to_add, to_update};

pub(in crate::quorum) fn add_request(
    voter: &Voter,
    ack_when_committed: bool,
    timeout_ms: i64,
    cluster_id: &ByteString,
) -> add::AddRaftVoterRequest {
    add::AddRaftVoterRequest {
        cluster_id: Some(cluster_id.clone()),
        timeout_ms: i32::try_from(timeout_ms).unwrap_or(i32::MAX),
        voter_id: voter.key.id.0,
        voter_directory_id: voter.key.directory_id,
        listeners: to_add(&voter.endpoints),
        ack_when_committed,
    }
}

pub(in crate::quorum) fn remove_request(
    key: ReplicaKey,
    cluster_id: &ByteString,
) -> remove::RemoveRaftVoterRequest {
    remove::RemoveRaftVoterRequest {
        cluster_id: Some(cluster_id.clone()),
        voter_id: key.id.0,
        voter_directory_id: key.directory_id,
    }
}

pub(in crate::quorum) fn update_request(
    voter: &Voter,
    epoch: LeaderEpoch,
    cluster_id: &ByteString,
) -> update::UpdateRaftVoterRequest {
    update::UpdateRaftVoterRequest {
        cluster_id: Some(cluster_id.clone()),
        current_leader_epoch: epoch.0,
        voter_id: voter.key.id.0,
        voter_directory_id: voter.key.directory_id,
        listeners: to_update(&voter.endpoints),
        kraft_version_feature: update::KRaftVersionFeature {
            min_supported_version: *voter.kraft_versions.start(),
            max_supported_version: *voter.kraft_versions.end(),
        },
    }
}

pub(crate) fn update_response(answer: &Answer, listener: &str) -> update::UpdateRaftVoterResponse {
    let (host, port) =
        address(answer, listener).map(|(_, at)| (at.host, i32::from(at.port))).unwrap_or_default();
    update::UpdateRaftVoterResponse {
        throttle_time_ms: 0,
        error_code: answer.error.code(),
        current_leader: update::CurrentLeader {
            leader_id: leader_id(answer),
            leader_epoch: answer.epoch.0,
            host,
            port,
        },
    }
}

pub(in crate::quorum) fn from_update_response(
    response: update::UpdateRaftVoterResponse,
    listener: &ByteString,
) -> PeerAnswer {
    let leader = response.current_leader;
    let endpoint = u16::try_from(leader.port).ok().map(|port| (leader.host, port));
    let leads = (leader.leader_id, leader.leader_epoch);
    PeerAnswer::Plain(answer(response.error_code, leads, endpoint, listener))
}
