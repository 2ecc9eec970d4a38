//! SyncGroup (key 14, versions 0-5): the leader brings the assignment of the generation, every member takes its own.
//!
//! - The answer waits for the leader's request and until the assignment is committed.
//! - A rebalance meanwhile is REBALANCE_IN_PROGRESS, another generation ILLEGAL_GENERATION.
//! - A stable group answers at once with the assignment in force.
//!
//! Version 3 brings static members (KIP-345); version 5 requires protocol type and name, and what differs from the
//! group's, or is missing, is INCONSISTENT_GROUP_PROTOCOL (KIP-559).

use std::sync::Arc;

use milena_core::group::{Caller, Reply, Request, SyncGroup};
use milena_protocol::ErrorCode;
use milena_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    if context.version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return refuse(ErrorCode::InconsistentGroupProtocol);
    }
    let group = request.group_id.clone();
    match broker.coordinators.call(broker, &group, Request::Sync(sync(request))).await {
        Ok(Reply::Sync(Ok(synced))) => SyncGroupResponse {
            protocol_type: synced.protocol_type,
            protocol_name: synced.protocol,
            assignment: synced.assignment,
            ..Default::default()
        },
        Ok(Reply::Sync(Err(error))) | Err(error) => refuse(error),
        Ok(_) => refuse(ErrorCode::UnknownServerError),
    }
}

fn sync(request: SyncGroupRequest) -> SyncGroup {
    let assignments = request.assignments.into_iter();
    SyncGroup {
        caller: Caller {
            group: request.group_id,
            member: request.member_id,
            instance: request.group_instance_id,
            generation: request.generation_id,
        },
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: assignments.map(|assigned| (assigned.member_id, assigned.assignment)).collect(),
    }
}

fn refuse(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..Default::default() }
}
