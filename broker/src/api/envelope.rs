//! Envelope (key 58, version 0, controller listener): a request that a client sent to a broker (KIP-590).
//!
//! - Holds the whole request, header included, the client's principal and its address; the answer holds the whole response.
//! - NOT_CONTROLLER where this process is not the active controller: the broker asks the next one.
//! - INVALID_REQUEST for an API that brokers do not forward and for an address that is none,
//!   PRINCIPAL_DESERIALIZATION_FAILURE for a principal that cannot be read, UNSUPPORTED_VERSION for a request that cannot.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::messages::client_data::DefaultPrincipalData;
use milena_protocol::messages::envelope::{EnvelopeRequest, EnvelopeResponse};
use milena_protocol::{ErrorCode, Message as _, frames};

use crate::broker::{Broker, Origin, RequestContext};
use crate::dispatch;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: EnvelopeRequest,
) -> EnvelopeResponse {
    match answer(broker, context, request).await {
        Ok(response) => EnvelopeResponse { response_data: Some(response), error_code: 0 },
        Err(code) => EnvelopeResponse { response_data: None, error_code: code.code() },
    }
}

async fn answer(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: EnvelopeRequest,
) -> Result<Bytes, ErrorCode> {
    if !broker.quorum.leader().borrow().is_local {
        return Err(ErrorCode::NotController);
    }
    let principal = request.request_principal.ok_or(ErrorCode::PrincipalDeserializationFailure)?;
    DefaultPrincipalData::from_versioned_bytes(principal)
        .map_err(|_| ErrorCode::PrincipalDeserializationFailure)?;
    let address = address(&request.client_host_address).ok_or(ErrorCode::InvalidRequest)?;
    let frame = frames::parse_request(request.request_data).map_err(|_| ErrorCode::UnsupportedVersion)?;
    if !dispatch::is_forwarded(frame.key) {
        return Err(ErrorCode::InvalidRequest);
    }
    let (listener, heard) = (context.listener.clone(), context.heard.clone());
    let origin = Origin { peer: SocketAddr::new(address, 0), listener, heard };
    let response = dispatch::dispatch(broker, &origin, frame).map_err(|_| ErrorCode::UnsupportedVersion)?;
    let response = response.await.ok().flatten().ok_or(ErrorCode::UnknownServerError)?;
    let framed = response.into_bytes().map_err(|_| ErrorCode::UnknownServerError)?;
    Ok(framed.slice(size_of::<i32>()..))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok();
    v4().or_else(v6)
}
