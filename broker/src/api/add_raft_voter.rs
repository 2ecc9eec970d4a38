//! AddRaftVoter (key 80, versions 0-1): makes an observer of the metadata quorum one of its voters (KIP-853).
//!
//! - The leader asks the new voter which levels of `kraft.version` it knows, and adds it if it has the log:
//!   REQUEST_TIMED_OUT while it lags behind, DUPLICATE_VOTER if the node votes already.
//! - Answered when the new set is committed; version 1 may ask for an answer as soon as it is appended.
//! - UNSUPPORTED_VERSION where the configuration names the voters.

use std::sync::Arc;

use bytestring::ByteString;
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
    let (error_code, error_message) = change_voters(broker, request.cluster_id.as_deref(), asked).await;
    AddRaftVoterResponse { error_code, error_message, ..Default::default() }
}

/// Asks the leader of the quorum for other voters; an error code, and what it says.
pub(super) async fn change_voters(
    broker: &Broker,
    named_cluster: Option<&str>,
    change: PeerRequest,
) -> (i16, Option<ByteString>) {
    if !broker.is_this_cluster(named_cluster) {
        return (ErrorCode::InconsistentClusterId.code(), Some(broker.other_cluster(named_cluster).into()));
    }
    match broker.quorum.ask_replica(change).await {
        Some(PeerAnswer::Membership { error, message }) => (error.code(), message.map(Into::into)),
        _ => (ErrorCode::BrokerNotAvailable.code(), None),
    }
}
