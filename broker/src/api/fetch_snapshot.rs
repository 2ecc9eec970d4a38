//! FetchSnapshot (key 59, versions 0-1, controller listener): a piece of a snapshot of the metadata log.
//!
//! - Only the leader serves it. A snapshot that is gone is SNAPSHOT_NOT_FOUND, a position behind its end
//!   POSITION_OUT_OF_RANGE; the one that only names the first voters is fetched by nobody.
//! - Pieces are at most `max_bytes` and `controller.quorum.fetch.snapshot.max.bytes` long, and begin and end anywhere.
//!
//! Source: KIP-630.

use std::sync::Arc;

use milena_core::raft::{PeerAnswer, PeerRequest};
use milena_protocol::ErrorCode;
use milena_protocol::messages::fetch_snapshot::{FetchSnapshotRequest, FetchSnapshotResponse};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: FetchSnapshotRequest,
) -> FetchSnapshotResponse {
    let failed = |code: ErrorCode| FetchSnapshotResponse { error_code: code.code(), ..Default::default() };
    if !broker.is_this_cluster(request.cluster_id.as_deref()) {
        return failed(ErrorCode::InconsistentClusterId);
    }
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let ((replica, epoch), id, position) = match wire::from_snapshot_request(request) {
        Ok(asked) => asked,
        Err(code) => return failed(code),
    };
    let asked = PeerRequest::FetchSnapshot { replica, epoch, id, position };
    match broker.quorum.ask_replica(asked).await {
        Some(PeerAnswer::Snapshot(answer, mut chunk)) => {
            if let Some(chunk) = &mut chunk {
                chunk.bytes.truncate(bytes_max);
            }
            wire::snapshot_response(&answer, chunk, &broker.config.controller_listener_name())
        }
        _ => failed(ErrorCode::BrokerNotAvailable),
    }
}
