//! ElectLeaders (key 43, versions 0-2): leaders are elected anew.
//!
//! - A preferred election makes the first replica the leader, if it is in sync; an unclean one finds a leader for what
//!   nobody leads, with losses if it must be. ELECTION_NOT_NEEDED where the leader is the wanted one.
//! - Without partitions every one there is; those that need no election are not told of.
//! - Version 0 knows preferred elections only. REQUEST_TIMED_OUT after `timeout_ms`.

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_protocol::PartitionIndex;
use milena_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult, TopicPartitions,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let ElectLeadersRequest { election_type, topic_partitions, timeout_ms } = request;
    let named = topic_partitions.clone().unwrap_or_default();
    let request = ControllerRequest::ElectLeaders { election_type, topics: topic_partitions };
    match broker.quorum.submit_within(request, timeout_ms).await {
        ControllerReply::Partitions(Ok(topics)) => {
            let topic = |(topic, partitions): (_, Vec<_>)| ReplicaElectionResult {
                topic,
                partition_result: partitions.into_iter().map(result).collect(),
            };
            ElectLeadersResponse {
                replica_election_results: topics.into_iter().map(topic).collect(),
                ..Default::default()
            }
        }
        ControllerReply::Partitions(Err(refusal)) | ControllerReply::Refused(refusal) => {
            ElectLeadersResponse {
                error_code: refusal.code.code(),
                replica_election_results: named.into_iter().map(|topic| refused(topic, &refusal)).collect(),
                ..Default::default()
            }
        }
        other => unreachable!("ElectLeaders was answered by {other:?}"),
    }
}

/// Version 0 has no error but those of partitions.
fn refused(topic: TopicPartitions, refusal: &Refusal) -> ReplicaElectionResult {
    let refused = |index| result((PartitionIndex(index), Err(refusal.clone())));
    ReplicaElectionResult {
        topic: topic.topic,
        partition_result: topic.partitions.into_iter().map(refused).collect(),
    }
}

fn result((index, result): (PartitionIndex, Result<(), Refusal>)) -> PartitionResult {
    let refusal = result.err();
    PartitionResult {
        partition_id: index.0,
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
        error_message: refusal.map(Refusal::text),
    }
}
