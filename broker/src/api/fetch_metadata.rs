//! Fetch (key 1) on the controller listener: the metadata log, for the other replicas of the quorum and for observers.
//!
//! - Only the leader serves it: NOT_LEADER_OR_FOLLOWER with the leader's address elsewhere.
//! - Flushed batches beyond the end of the asking log, committed or not; without any, the answer waits until there are some,
//!   or until the high watermark is beyond the one the replica knows (version 18, KIP-1166), at most `max_wait_ms`.
//! - A log that parts from the leader's is told where (KIP-595), one that ends before it which snapshot to fetch (KIP-630).
//! - What a replica asks for says what it has on its disk: the leader counts by it what is committed.

use std::sync::Arc;

use milena_core::raft::{FetchContent, PeerAnswer, PeerRequest};
use milena_protocol::messages::fetch::{FetchRequest, FetchResponse};
use milena_protocol::{ErrorCode, Offset};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FetchRequest,
) -> FetchResponse {
    let failed = |code: ErrorCode| FetchResponse { error_code: code.code(), ..FetchResponse::default() };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(ErrorCode::InconsistentClusterId);
    }
    let Some(asked) = wire::from_fetch_request(request, context.version) else {
        return failed(ErrorCode::InvalidRequest);
    };
    let listener = broker.config.controller_listener_name();
    match broker.quorum.ask_replica(PeerRequest::Fetch(asked)).await {
        Some(PeerAnswer::Fetch { answer, high_watermark, content }) => {
            wire::fetch_response(&answer, high_watermark, content, (Offset::NONE, &listener))
        }
        Some(PeerAnswer::Plain(answer)) => {
            let nothing = FetchContent::Records(bytes::Bytes::new());
            wire::fetch_response(&answer, Offset::NONE, nothing, (Offset::NONE, &listener))
        }
        _ => failed(ErrorCode::BrokerNotAvailable),
    }
}
