//! Heartbeat (key 12, versions 0-4): a member of a classic group is alive.
//!
//! - During a rebalance the answer is REBALANCE_IN_PROGRESS, which sends the member to JoinGroup; while the leader's
//!   assignment is awaited it is no error.
//! - Another generation is ILLEGAL_GENERATION, somebody unknown UNKNOWN_MEMBER_ID.
//! - While the coordinator loads every heartbeat is welcome: the sessions start when it has loaded.
//!
//! Version 3 brings static members; a replaced one hears FENCED_INSTANCE_ID (KIP-345).

use std::sync::Arc;

use milena_core::group::{Caller, Reply, Request};
use milena_protocol::ErrorCode;
use milena_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let group = request.group_id.clone();
    let caller = Caller {
        group: request.group_id,
        member: request.member_id,
        instance: request.group_instance_id,
        generation: request.generation_id,
    };
    let error = match broker.coordinators.call(broker, &group, Request::Heartbeat(caller)).await {
        Ok(Reply::Heartbeat(Ok(()))) | Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
        Ok(Reply::Heartbeat(Err(error))) | Err(error) => error,
        Ok(_) => ErrorCode::UnknownServerError,
    };
    HeartbeatResponse { error_code: error.code(), ..Default::default() }
}
