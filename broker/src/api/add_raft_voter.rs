//! AddRaftVoter (key 80, versions 0-1): makes an observer of the metadata quorum one of its voters (KIP-853).
//!
//! - The leader asks the new voter which levels of `kraft.version` it knows, and adds it if it has the log:
//!   REQUEST_TIMED_OUT while it lags behind, DUPLICATE_VOTER if the node votes already.
//! - Answered when the new set is committed; version 1 may ask for an answer as soon as it is appended.
//! - UNSUPPORTED_VERSION where the configuration names the voters.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest, ReplicaKey, Voter};
use milena_protocol::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
use milena_protocol::{ErrorCode, NodeId};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AddRaftVoterRequest,
) -> AddRaftVoterResponse {
    let failed = |code: ErrorCode, message: Option<String>| AddRaftVoterResponse {
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
    let voter = Voter {
        key: ReplicaKey { id: NodeId(request.voter_id), directory_id: request.voter_directory_id },
        endpoints: wire::from_add(&request.listeners),
        kraft_versions: 0..=0,
    };
    let asked = PeerRequest::AddVoter {
        voter,
        ack_when_committed: request.ack_when_committed,
        timeout_ms: i64::from(request.timeout_ms),
    };
    match broker.quorum.ask_replica(asked).await {
        Some(PeerAnswer::Membership { error, message }) => failed(error, message),
        _ => failed(ErrorCode::BrokerNotAvailable, None),
    }
}
