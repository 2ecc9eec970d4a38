//! AlterPartition (key 56, versions 2-3, controller listener): the leader of partitions changes their ISRs.
//!
//! - Each partition is changed or refused by itself; the answer has it as it is afterwards. The refusals are those of
//!   `core::controller`. A registration that is not the current one is STALE_BROKER_EPOCH.
//! - Version 3 on: the epoch of each broker in the ISR, so that one that has restarted since is refused (KIP-903).

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest, OfTopicId};
use milena_core::metadata::PartitionImage;
use milena_protocol::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, BrokerState, ResponsePartitionData, ResponseTopicData,
};
use milena_protocol::{ErrorCode, PartitionIndex};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    mut request: AlterPartitionRequest,
) -> AlterPartitionResponse {
    for partition in request.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        let unknown_epochs =
            partition.new_isr.iter().map(|id| BrokerState { broker_id: *id, broker_epoch: -1 });
        partition.new_isr_with_epochs.extend(unknown_epochs);
    }
    match broker.quorum.submit_for_peer(ControllerRequest::AlterPartition(request)).await {
        ControllerReply::PartitionsAltered(Ok(topics)) => {
            AlterPartitionResponse { topics: topics.into_iter().map(topic).collect(), ..Default::default() }
        }
        ControllerReply::PartitionsAltered(Err(refusal)) | ControllerReply::Refused(refusal) => {
            AlterPartitionResponse { error_code: refusal.code.code(), ..Default::default() }
        }
        other => unreachable!("AlterPartition was answered by {other:?}"),
    }
}

fn topic((id, partitions): OfTopicId<PartitionImage, ErrorCode>) -> ResponseTopicData {
    ResponseTopicData { topic_id: id.0, partitions: partitions.into_iter().map(partition).collect() }
}

fn partition((index, result): (PartitionIndex, Result<PartitionImage, ErrorCode>)) -> ResponsePartitionData {
    let empty = ResponsePartitionData { partition_index: index.0, ..Default::default() };
    match result {
        Ok(partition) => ResponsePartitionData {
            leader_id: partition.leader.0,
            leader_epoch: partition.leader_epoch.0,
            isr: partition.isr.iter().map(|node| node.0).collect(),
            leader_recovery_state: partition.leader_recovery_state,
            partition_epoch: partition.partition_epoch,
            ..empty
        },
        Err(code) => ResponsePartitionData { error_code: code.code(), ..empty },
    }
}
