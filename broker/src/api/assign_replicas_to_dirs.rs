//! AssignReplicasToDirs (key 73, version 0, controller listener): a broker says in which log directories replicas are.
//!
//! - Each partition is accepted or refused by itself, as `core::controller` says (KIP-858). A registration that is not
//!   the current one is STALE_BROKER_EPOCH.

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest, OfTopicId};
use milena_protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, ResponseDirectoryData, ResponsePartitionData,
    ResponseTopicData,
};
use milena_protocol::{ErrorCode, PartitionIndex};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AssignReplicasToDirsRequest,
) -> AssignReplicasToDirsResponse {
    match broker.quorum.submit_for_peer(ControllerRequest::AssignReplicasToDirs(request)).await {
        ControllerReply::ReplicasAssigned(Ok(directories)) => {
            let directory = |(id, topics): (_, Vec<_>)| ResponseDirectoryData {
                id,
                topics: topics.into_iter().map(topic).collect(),
            };
            AssignReplicasToDirsResponse {
                directories: directories.into_iter().map(directory).collect(),
                ..Default::default()
            }
        }
        ControllerReply::ReplicasAssigned(Err(refusal)) | ControllerReply::Refused(refusal) => {
            AssignReplicasToDirsResponse { error_code: refusal.code.code(), ..Default::default() }
        }
        other => unreachable!("AssignReplicasToDirs was answered by {other:?}"),
    }
}

fn topic((id, partitions): OfTopicId<(), ErrorCode>) -> ResponseTopicData {
    let partition = |(index, result): (PartitionIndex, Result<(), ErrorCode>)| ResponsePartitionData {
        partition_index: index.0,
        error_code: result.err().map_or(0, ErrorCode::code),
    };
    ResponseTopicData { topic_id: id.0, partitions: partitions.into_iter().map(partition).collect() }
}
