//! ListGroups (key 16, versions 0-5): the groups that this broker coordinates, and no others.
//!
//! - Clients ask every broker and put the answers together.
//! - While one of the coordinators loads, the answer is COORDINATOR_LOAD_IN_PROGRESS.
//! - Version 4 filters by state (KIP-518), version 5 by type (KIP-848), both in any case; an unknown name matches
//!   nothing.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{ListFilter, Listed, Reply, Request};
use milena_protocol::ErrorCode;
use milena_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let filter = ListFilter { states: request.states_filter, types: request.types_filter };
    let mut groups = Vec::new();
    for reply in broker.coordinators.call_all(&Request::List(filter)).await {
        match reply {
            Ok(Reply::List(listed)) => groups.extend(listed.into_iter().map(respond)),
            // The partition has just moved; its new leader lists the groups.
            Ok(_) | Err(ErrorCode::NotCoordinator) => {}
            Err(error) => return ListGroupsResponse { error_code: error.code(), ..Default::default() },
        }
    }
    ListGroupsResponse { groups, ..Default::default() }
}

fn respond(listed: Listed) -> ListedGroup {
    ListedGroup {
        group_id: listed.group,
        protocol_type: listed.protocol_type,
        group_state: ByteString::from_static(listed.state),
        group_type: ByteString::from_static(listed.group_type),
    }
}
