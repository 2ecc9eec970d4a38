//! InitProducerId (key 22, versions 0-5): an id for an idempotent producer.
//!
//! - Without a transactional id every request gets a new id with epoch 0 (KIP-98), also one that names the id it had
//!   (version 3 on, KIP-360): the producer begins anew.
//! - Ids come from the controller in blocks of 1000; while there is no controller the answer is
//!   COORDINATOR_LOAD_IN_PROGRESS, which clients retry.
//! - A transactional id gets a fixed, final error: transactions are not built. An empty one is INVALID_REQUEST.
//!
//! Version 6 (KIP-939) is not stable in Apache Kafka and not advertised.

use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::api::unbuilt;
use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused = |code: ErrorCode| InitProducerIdResponse {
        error_code: code.code(),
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    match request.transactional_id {
        Some(id) if id.is_empty() => return refused(ErrorCode::InvalidRequest),
        Some(_) => return refused(unbuilt::TRANSACTION),
        // Both are known to a producer, or neither.
        None if (request.producer_id == -1) != (request.producer_epoch == -1) => {
            return refused(ErrorCode::InvalidRequest);
        }
        None => {}
    }
    match broker.partitions.next_producer_id(&broker.controller, broker.lifecycle.epoch()).await {
        Ok(id) => InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..Default::default() },
        Err(code) => refused(code),
    }
}
