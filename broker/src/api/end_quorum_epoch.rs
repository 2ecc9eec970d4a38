//! EndQuorumEpoch (key 54, versions 0-1, controller listener): the leader of the metadata quorum gives up, and says who
//! should follow it.
//!
//! - The first of those it names stands at once, the others later and later.
//! - Version 1 names directories, and where the leader is reached (KIP-853).
//!
//! Source: KIP-595.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest};
use milena_protocol::ErrorCode;
use milena_protocol::messages::end_quorum_epoch::{EndQuorumEpochRequest, EndQuorumEpochResponse};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: EndQuorumEpochRequest,
) -> EndQuorumEpochResponse {
    let failed = |code: ErrorCode| EndQuorumEpochResponse { error_code: code.code(), ..Default::default() };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(ErrorCode::InconsistentClusterId);
    }
    let Some((leader, epoch, successors, endpoints)) = wire::from_end_request(request) else {
        return failed(ErrorCode::InvalidRequest);
    };
    let asked = PeerRequest::EndEpoch { leader, epoch, successors, endpoints };
    match broker.quorum.ask_replica(asked).await {
        Some(PeerAnswer::Plain(answer)) => {
            wire::end_response(&answer, &broker.config.controller_listener_name())
        }
        _ => failed(ErrorCode::BrokerNotAvailable),
    }
}
