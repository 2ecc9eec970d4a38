//! DescribeGroups (key 15, versions 0-6): state, members and assignments of groups.
//!
//! - Metadata of members and the protocol are shown while the group is stable, the assignment always.
//! - An unknown group, and one of another type, is Dead, from version 6 on with GROUP_ID_NOT_FOUND (KIP-1043).
//! - Version 3 may ask for the operations allowed on each group (KIP-430), version 4 shows group instance ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{Described, DescribedMember, Description, Reply, Request};
use milena_protocol::ErrorCode;
use milena_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use crate::api::authorized_operations;
use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    // A few bytes of request ask for many of response, so what is asked twice is answered once.
    let mut seen = BTreeSet::new();
    for id in request.groups.into_iter().filter(|id| seen.insert(id.clone())) {
        let mut group = describe(broker, context, id).await;
        if request.include_authorized_operations && group.error_code == ErrorCode::None.code() {
            group.authorized_operations = authorized_operations::GROUP;
        }
        groups.push(group);
    }
    DescribeGroupsResponse { groups, ..Default::default() }
}

async fn describe(broker: &Arc<Broker>, context: &RequestContext, id: ByteString) -> DescribedGroup {
    let request = Request::Describe(vec![id.clone()]);
    let error = match broker.coordinators.call(broker, &id, request).await {
        Ok(Reply::Describe(mut found)) => match found.pop() {
            Some((_, Described::Group(description))) => return respond(id, description),
            Some((_, Described::OfAnotherType)) => return unknown(context, id, "is not a classic group"),
            _ => return unknown(context, id, "not found"),
        },
        Ok(_) => ErrorCode::UnknownServerError,
        Err(error) => error,
    };
    DescribedGroup { group_id: id, error_code: error.code(), ..Default::default() }
}

fn unknown(context: &RequestContext, id: ByteString, why: &str) -> DescribedGroup {
    let message = ByteString::from(format!("Group {id} {why}."));
    let dead =
        DescribedGroup { group_id: id, group_state: ByteString::from_static("Dead"), ..Default::default() };
    if context.version < 6 {
        return dead;
    }
    DescribedGroup { error_code: ErrorCode::GroupIdNotFound.code(), error_message: Some(message), ..dead }
}

fn respond(id: ByteString, description: Description) -> DescribedGroup {
    DescribedGroup {
        group_id: id,
        group_state: ByteString::from_static(description.state),
        protocol_type: description.protocol_type,
        protocol_data: description.protocol,
        members: description.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: member.member,
        group_instance_id: member.instance,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}
