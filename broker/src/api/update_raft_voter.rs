//! UpdateRaftVoter (key 82, version 0, controller listener): a voter tells the leader where it is reached, and which levels
//! of `kraft.version` it knows (KIP-853).
//!
//! - What changed is recorded in the metadata log. Of static voters the leader keeps it in mind, for the log to name them when
//!   `kraft.version` is raised.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest, ReplicaKey, Voter};
use milena_protocol::messages::update_raft_voter::{UpdateRaftVoterRequest, UpdateRaftVoterResponse};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: UpdateRaftVoterRequest,
) -> UpdateRaftVoterResponse {
    let failed = |code: ErrorCode| UpdateRaftVoterResponse { error_code: code.code(), ..Default::default() };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(ErrorCode::InconsistentClusterId);
    }
    let levels = request.kraft_version_feature;
    let voter = Voter {
        key: ReplicaKey { id: NodeId(request.voter_id), directory_id: request.voter_directory_id },
        endpoints: wire::from_update(&request.listeners),
        kraft_versions: levels.min_supported_version..=levels.max_supported_version,
    };
    let asked = PeerRequest::UpdateVoter { voter, epoch: LeaderEpoch(request.current_leader_epoch) };
    match broker.quorum.ask_replica(asked).await {
        Some(PeerAnswer::Plain(answer)) => {
            wire::update_response(&answer, &broker.config.controller_listener_name())
        }
        _ => failed(ErrorCode::BrokerNotAvailable),
    }
}
