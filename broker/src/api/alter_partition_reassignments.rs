//! AlterPartitionReassignments (key 45, versions 0-1): replicas move to other brokers, or stop doing so.
//!
//! - Answers when the reassignment has begun; ListPartitionReassignments tells when it is over. Without replicas a
//!   reassignment that goes on is cancelled, NO_REASSIGNMENT_IN_PROGRESS where none does.
//! - Each partition is accepted or refused by itself, as `core::controller` says. REQUEST_TIMED_OUT after `timeout_ms`.
//! - Version 1 on: a request may forbid that the number of replicas changes (KIP-860).

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_protocol::PartitionIndex;
use milena_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartitionResponse,
    ReassignableTopicResponse,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    if request.topics.is_empty() {
        return AlterPartitionReassignmentsResponse::default();
    }
    let AlterPartitionReassignmentsRequest { timeout_ms, allow_replication_factor_change, .. } = request;
    let empty = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change,
        error_message: None,
        ..Default::default()
    };
    let request = ControllerRequest::AlterPartitionReassignments(request);
    match broker.quorum.submit_within(request, timeout_ms).await {
        ControllerReply::Partitions(Ok(topics)) => {
            let topic = |(name, partitions): (_, Vec<_>)| ReassignableTopicResponse {
                name,
                partitions: partitions.into_iter().map(partition).collect(),
            };
            AlterPartitionReassignmentsResponse {
                responses: topics.into_iter().map(topic).collect(),
                ..empty
            }
        }
        ControllerReply::Partitions(Err(refusal)) | ControllerReply::Refused(refusal) => {
            AlterPartitionReassignmentsResponse {
                error_code: refusal.code.code(),
                error_message: Some(refusal.text()),
                ..empty
            }
        }
        other => unreachable!("AlterPartitionReassignments was answered by {other:?}"),
    }
}

fn partition((index, result): (PartitionIndex, Result<(), Refusal>)) -> ReassignablePartitionResponse {
    let refusal = result.err();
    ReassignablePartitionResponse {
        partition_index: index.0,
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
        error_message: refusal.and_then(|refusal| refusal.message).map(ByteString::from),
    }
}
