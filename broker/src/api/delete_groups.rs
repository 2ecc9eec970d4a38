//! DeleteGroups (key 42, versions 0-2): remove groups without members, their offsets included.
//!
//! - A group with members is NON_EMPTY_GROUP, an unknown one GROUP_ID_NOT_FOUND, each by itself.
//! - A group that is named twice is answered once.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::group::{Reply, Request};
use milena_protocol::ErrorCode;
use milena_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut seen = BTreeSet::new();
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        if seen.insert(group_id.clone()) {
            let error_code = delete(broker, &group_id).await.code();
            results.push(DeletableGroupResult { group_id, error_code });
        }
    }
    DeleteGroupsResponse { results, ..Default::default() }
}

async fn delete(broker: &Arc<Broker>, id: &ByteString) -> ErrorCode {
    match broker.coordinators.call(broker, id, Request::Delete(vec![id.clone()])).await {
        Ok(Reply::Delete(results)) => {
            results.first().map_or(ErrorCode::UnknownServerError, |(_, error)| *error)
        }
        Ok(_) => ErrorCode::UnknownServerError,
        Err(error) => error,
    }
}
