//! JoinGroup (key 11, versions 0-9): become a member of a classic group, or stay one through a rebalance.
//!
//! - The answer waits until every member has joined or is out of time; an empty group waits
//!   `group.initial.rebalance.delay.ms` for more members first.
//! - The leader is told all members, the others none.
//! - Session timeouts outside `group.min.session.timeout.ms` and `group.max.session.timeout.ms` are
//!   INVALID_SESSION_TIMEOUT, members beyond `group.max.size` GROUP_MAX_SIZE_REACHED.
//! - While the coordinator loads the answer is NOT_COORDINATOR, where Apache Kafka says COORDINATOR_LOAD_IN_PROGRESS:
//!   sarama retries only the former.
//!
//! Version 1 brings the rebalance timeout. From version 4 on new members come back with the id they are given
//! (KIP-394), from 5 on there are static members (KIP-345), 8 brings a reason (KIP-800), 9 may tell a static leader to
//! keep the assignment (KIP-814).

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{JoinGroup, JoinRefused, Joined, Protocol, Reply, Request};
use milena_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use milena_protocol::{ErrorCode, Uuid};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let (group, member) = (request.group_id.clone(), request.member_id.clone());
    let request = Request::Join(join(context, request));
    let result = match broker.coordinators.call(broker, &group, request).await {
        Ok(Reply::Join(result)) => result,
        Ok(_) => Err(JoinRefused { error: ErrorCode::UnknownServerError, member }),
        Err(ErrorCode::CoordinatorLoadInProgress) => {
            Err(JoinRefused { error: ErrorCode::NotCoordinator, member })
        }
        Err(error) => Err(JoinRefused { error, member }),
    };
    match result {
        Ok(joined) => respond(joined),
        Err(JoinRefused { error, member }) => JoinGroupResponse {
            error_code: error.code(),
            // Null where the version knows it, as Kafka has it for every refusal.
            protocol_name: None,
            member_id: member,
            ..Default::default()
        },
    }
}

fn join(context: &RequestContext, request: JoinGroupRequest) -> JoinGroup {
    let protocols = request.protocols.into_iter();
    JoinGroup {
        group: request.group_id,
        member: request.member_id,
        instance: request.group_instance_id,
        client_id: context.client_id.clone(),
        // As Java prints an address without a name.
        client_host: ByteString::from(format!("/{}", context.peer.ip().to_canonical())),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match context.version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: request.protocol_type,
        protocols: protocols
            .map(|protocol| Protocol { name: protocol.name, metadata: protocol.metadata })
            .collect(),
        requires_known_member: context.version >= 4,
        may_skip_assignment: context.version >= 9,
        random: Uuid::new_v4(),
    }
}

fn respond(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: member.member,
        group_instance_id: member.instance,
        metadata: member.metadata,
    });
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: joined.protocol_type,
        protocol_name: joined.protocol,
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member,
        members: members.collect(),
        ..Default::default()
    }
}
