//! AllocateProducerIds (key 67, version 0): a broker gets a block of producer ids.
//!
//! - Asked by brokers, of the active controller; another answers NOT_CONTROLLER.
//! - The block is in the metadata log before it is given, so that no two brokers ever have the same (KIP-730).
//! - STALE_BROKER_EPOCH where the broker is not the one that was registered.

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest, PRODUCER_ID_BLOCK};
use milena_protocol::NodeId;
use milena_protocol::messages::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AllocateProducerIdsRequest,
) -> AllocateProducerIdsResponse {
    let AllocateProducerIdsRequest { broker_id, broker_epoch } = request;
    let request = ControllerRequest::AllocateProducerIds { broker: NodeId(broker_id), broker_epoch };
    match broker.quorum.submit_for_peer(request).await {
        ControllerReply::ProducerIds(Ok(first)) => AllocateProducerIdsResponse {
            producer_id_start: first.0,
            producer_id_len: i32::try_from(PRODUCER_ID_BLOCK).unwrap_or(i32::MAX),
            ..Default::default()
        },
        ControllerReply::ProducerIds(Err(refusal)) | ControllerReply::Refused(refusal) => {
            AllocateProducerIdsResponse { error_code: refusal.code.code(), ..Default::default() }
        }
        other => unreachable!("AllocateProducerIds was answered by {other:?}"),
    }
}
