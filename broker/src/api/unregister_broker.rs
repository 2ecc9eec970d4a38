//! UnregisterBroker (key 64, version 0): a broker that is gone for good is forgotten.
//!
//! - It leaves every ISR; its replicas stay assigned to it. BROKER_ID_NOT_REGISTERED where nobody knows it.

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_protocol::NodeId;
use milena_protocol::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    let request = ControllerRequest::UnregisterBroker { broker: NodeId(request.broker_id) };
    match broker.quorum.submit(request).await {
        ControllerReply::Done(Ok(())) => UnregisterBrokerResponse::default(),
        ControllerReply::Done(Err(refusal)) | ControllerReply::Refused(refusal) => UnregisterBrokerResponse {
            error_code: refusal.code.code(),
            error_message: Some(refusal.text()),
            ..Default::default()
        },
        other => unreachable!("UnregisterBroker was answered by {other:?}"),
    }
}
