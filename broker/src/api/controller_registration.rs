//! ControllerRegistration (key 70, version 0, controller listener): a controller process says where it is reached and
//! which feature levels it supports (KIP-919).
//!
//! - The newest registration of a controller replaces the former; UpdateFeatures asks them all.

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_protocol::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use milena_protocol::messages::metadata_records::RegisterControllerRecord;
use milena_protocol::messages::metadata_records::register_controller_record::{
    ControllerEndpoint, ControllerFeature,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: ControllerRegistrationRequest,
) -> ControllerRegistrationResponse {
    match broker.quorum.submit_for_peer(ControllerRequest::RegisterController(record(request))).await {
        ControllerReply::Done(Ok(())) => ControllerRegistrationResponse::default(),
        ControllerReply::Done(Err(refusal)) | ControllerReply::Refused(refusal) => {
            ControllerRegistrationResponse {
                error_code: refusal.code.code(),
                error_message: Some(refusal.text()),
                ..Default::default()
            }
        }
        other => unreachable!("ControllerRegistration was answered by {other:?}"),
    }
}

fn record(request: ControllerRegistrationRequest) -> RegisterControllerRecord {
    let end_points = request.listeners.into_iter().map(|listener| ControllerEndpoint {
        name: listener.name,
        host: listener.host,
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.into_iter().map(|feature| ControllerFeature {
        name: feature.name,
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: false,
        end_points: end_points.collect(),
        features: features.collect(),
    }
}
