//! RemoveRaftVoter (key 81, version 0): makes a voter of the metadata quorum an observer (KIP-853).
//!
//! - Answered when the new set is committed. A leader that is removed gives up then.
//! - VOTER_NOT_FOUND for a replica that does not vote; the only voter stays.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest, ReplicaKey};
use milena_protocol::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use milena_protocol::{ErrorCode, NodeId};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: RemoveRaftVoterRequest,
) -> RemoveRaftVoterResponse {
    let failed = |code: ErrorCode, message: Option<String>| RemoveRaftVoterResponse {
        error_code: code.code(),
        error_message: message.map(Into::into),
        ..Default::default()
    };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(
            ErrorCode::InconsistentClusterId,
            Some(broker.other_cluster(request.cluster_id.as_deref())),
        );
    }
    let key = ReplicaKey { id: NodeId(request.voter_id), directory_id: request.voter_directory_id };
    match broker.quorum.ask_replica(PeerRequest::RemoveVoter(key)).await {
        Some(PeerAnswer::Membership { error, message }) => failed(error, message),
        _ => failed(ErrorCode::BrokerNotAvailable, None),
    }
}
