//! Vote (key 52, versions 0-2, controller listener): one replica of the metadata quorum asks another for its vote.
//!
//! - Granted once an epoch, to a candidate whose log is not behind; what was granted is on the disk before the answer.
//! - Version 1 names the directories of both (KIP-853), version 2 may ask for a pre-vote, which changes nothing (KIP-996).
//! - FENCED_LEADER_EPOCH for an older epoch, INVALID_VOTER_KEY for a request that means another replica.
//!
//! The decision is `milena_core::raft`'s. Source: KIP-595.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest};
use milena_protocol::ErrorCode;
use milena_protocol::messages::vote::{VoteRequest, VoteResponse};

use crate::broker::{Broker, RequestContext};
use crate::dispatch::Answer;
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: VoteRequest,
) -> Answer<VoteResponse> {
    let failed = |code: ErrorCode| VoteResponse { error_code: code.code(), ..VoteResponse::default() };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(ErrorCode::InconsistentClusterId).into();
    }
    let Some(asked) = wire::from_vote_request(request) else {
        return failed(ErrorCode::InvalidRequest).into();
    };
    match broker.quorum.ask_replica(PeerRequest::Vote(asked)).await {
        Some(PeerAnswer::Vote(answer, granted)) => {
            wire::vote_response(&answer, granted, &broker.config.controller_listener_name()).into()
        }
        _ => failed(ErrorCode::BrokerNotAvailable).into(),
    }
}
