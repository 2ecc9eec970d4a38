//! BeginQuorumEpoch (key 53, versions 0-1, controller listener): a new leader of the metadata quorum tells the voters.
//!
//! - The receiver follows it, unless it has seen a later epoch: FENCED_LEADER_EPOCH.
//! - Version 1 says where the leader is reached, and whom it takes the receiver for (KIP-853).
//!
//! Source: KIP-595.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest};
use milena_protocol::ErrorCode;
use milena_protocol::messages::begin_quorum_epoch::{BeginQuorumEpochRequest, BeginQuorumEpochResponse};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: BeginQuorumEpochRequest,
) -> BeginQuorumEpochResponse {
    let failed = |code: ErrorCode| BeginQuorumEpochResponse { error_code: code.code(), ..Default::default() };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(ErrorCode::InconsistentClusterId);
    }
    let Some((leader, epoch, voter, endpoints)) = wire::from_begin_request(request) else {
        return failed(ErrorCode::InvalidRequest);
    };
    let asked = PeerRequest::BeginEpoch { leader, epoch, voter, endpoints };
    match broker.quorum.ask_replica(asked).await {
        Some(PeerAnswer::Plain(answer)) => {
            wire::begin_response(&answer, &broker.config.controller_listener_name())
        }
        _ => failed(ErrorCode::BrokerNotAvailable),
    }
}
