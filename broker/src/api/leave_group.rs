//! LeaveGroup (key 13, versions 0-5): members go at once instead of when their session ends.
//!
//! - A static member may be removed by its instance id alone, which is how administrators do it.
//! - What remains of the group rebalances.
//! - Members that are not known are UNKNOWN_MEMBER_ID, replaced static ones FENCED_INSTANCE_ID, each by itself.
//!
//! Up to version 2 there is one member and its error is the answer's; from version 3 on there is a list (KIP-345);
//! version 5 brings a reason (KIP-800).

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{LeaveGroup, Left, Reply, Request};
use milena_protocol::ErrorCode;
use milena_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    if request.group_id.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let members = members(context, &request);
    let leave = Request::Leave(LeaveGroup { group: request.group_id.clone(), members });
    match broker.coordinators.call(broker, &request.group_id, leave).await {
        Ok(Reply::Leave(left)) if context.version >= 3 => {
            LeaveGroupResponse { members: left.into_iter().map(respond).collect(), ..Default::default() }
        }
        Ok(Reply::Leave(left)) => refuse(left.first().map_or(ErrorCode::UnknownMemberId, |left| left.error)),
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(error),
    }
}

fn members(context: &RequestContext, request: &LeaveGroupRequest) -> Vec<(ByteString, Option<ByteString>)> {
    if context.version < 3 {
        return vec![(request.member_id.clone(), None)];
    }
    let members = request.members.iter();
    members.map(|member| (member.member_id.clone(), member.group_instance_id.clone())).collect()
}

fn respond(left: Left) -> MemberResponse {
    MemberResponse { member_id: left.member, group_instance_id: left.instance, error_code: left.error.code() }
}

fn refuse(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.code(), ..Default::default() }
}
