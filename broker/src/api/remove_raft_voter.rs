//! RemoveRaftVoter (key 81, version 0): makes a voter of the metadata quorum an observer (KIP-853).
//!
//! - Answered when the new set is committed. A leader that is removed gives up then.
//! - VOTER_NOT_FOUND for a replica that does not vote; the only voter stays.

use std::sync::Arc;

use milena_core::raft::{PeerRequest, ReplicaKey};
use milena_protocol::NodeId;
use milena_protocol::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

use super::add_raft_voter::change_voters;
use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: RemoveRaftVoterRequest,
) -> RemoveRaftVoterResponse {
    let key = ReplicaKey { id: NodeId(request.voter_id), directory_id: request.voter_directory_id };
    let asked = PeerRequest::RemoveVoter(key);
    let (error_code, error_message) = change_voters(broker, request.cluster_id.as_deref(), asked).await;
    RemoveRaftVoterResponse { error_code, error_message, ..Default::default() }
}
