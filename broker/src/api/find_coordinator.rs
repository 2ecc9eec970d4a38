//! FindCoordinator (key 10, versions 0-6): which broker coordinates a group.
//!
//! - Up to version 3 one key, from version 4 on a list of keys with an answer each (KIP-699).
//! - The first look-up creates `__consumer_offsets`; until its partition has a leader the answer is
//!   COORDINATOR_NOT_AVAILABLE, which clients retry.
//! - Transactional ids (key type 1) and share groups (key type 2) have no coordinator: a fixed, final error, so that
//!   no client waits for one. Unknown key types are INVALID_REQUEST.

use std::sync::Arc;

use bytestring::ByteString;
use milena_protocol::ErrorCode;
use milena_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};

use crate::api::unbuilt;
use crate::broker::{Broker, RequestContext};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let keys = if context.version >= 4 { request.coordinator_keys } else { vec![request.key] };
    let mut coordinators = Vec::with_capacity(keys.len());
    for key in keys {
        coordinators.push(find(broker, context, request.key_type, key).await);
    }
    if context.version >= 4 {
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let only = coordinators.pop().unwrap_or_default();
    FindCoordinatorResponse {
        error_code: only.error_code,
        error_message: only.error_message,
        node_id: only.node_id,
        host: only.host,
        port: only.port,
        ..Default::default()
    }
}

async fn find(broker: &Arc<Broker>, context: &RequestContext, key_type: i8, key: ByteString) -> Coordinator {
    let error = match key_type {
        GROUP => match group_coordinator(broker, context, &key).await {
            Ok((node_id, host, port)) => {
                return Coordinator { key, node_id, host, port, ..Default::default() };
            }
            Err(error) => error,
        },
        TRANSACTION => unbuilt::TRANSACTION,
        SHARE if context.version >= 6 => unbuilt::SHARE_GROUP,
        _ => ErrorCode::InvalidRequest,
    };
    Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code: error.code(),
        error_message: Some(ByteString::from_static(error.name())),
        ..Default::default()
    }
}

async fn group_coordinator(
    broker: &Arc<Broker>,
    context: &RequestContext,
    group: &str,
) -> Result<(i32, ByteString, i32), ErrorCode> {
    let partition = broker.coordinators.partition_for(broker, context, group).await?;
    let image = broker.image();
    let leader = image
        .leader(crate::coordinator::OFFSETS_TOPIC, partition)
        .ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let endpoint =
        image.endpoint(leader, &context.listener.name).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((leader.0, endpoint.host.clone(), i32::from(endpoint.port)))
}
