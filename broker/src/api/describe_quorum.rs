//! DescribeQuorum (key 55, versions 0-2): who leads the metadata quorum, and how far every replica is.
//!
//! - Answered by the leader; NOT_LEADER_OR_FOLLOWER elsewhere.
//! - Version 1 adds when a replica fetched and was caught up last (KIP-836), version 2 directories, messages and the
//!   addresses of the voters (KIP-853).
//! - A topic that is not the metadata log is UNKNOWN_TOPIC_OR_PARTITION.

use std::sync::Arc;

use milena_core::raft::{Progress, QuorumView, VoterSet};
use milena_protocol::ErrorCode;
use milena_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, ReplicaState, ResponsePartitionData,
    ResponseTopicData,
};

use crate::broker::{Broker, RequestContext};
use crate::quorum::wire::METADATA_TOPIC;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let asked = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (&*topic.topic_name, partition.partition_index))
    });
    let is_metadata = asked.eq([(METADATA_TOPIC, 0)]);
    if !is_metadata {
        let topics = request.topics.into_iter().map(unknown).collect();
        return DescribeQuorumResponse { topics, ..DescribeQuorumResponse::default() };
    }
    match broker.quorum.view().await {
        Some((view, voters)) => describe(&view, &voters),
        None => refused(ErrorCode::NotLeaderOrFollower),
    }
}

fn unknown(topic: milena_protocol::messages::describe_quorum::RequestTopicData) -> ResponseTopicData {
    let code = ErrorCode::UnknownTopicOrPartition;
    let partition = |index| ResponsePartitionData { partition_index: index, ..failed(code) };
    let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
    ResponseTopicData { topic_name: topic.topic_name, partitions }
}

fn failed(code: ErrorCode) -> ResponsePartitionData {
    ResponsePartitionData {
        error_code: code.code(),
        error_message: Some(code.to_string().into()),
        ..ResponsePartitionData::default()
    }
}

fn refused(code: ErrorCode) -> DescribeQuorumResponse {
    only(failed(code), Vec::new())
}

fn only(partition: ResponsePartitionData, nodes: Vec<Node>) -> DescribeQuorumResponse {
    let topic = ResponseTopicData { topic_name: METADATA_TOPIC.into(), partitions: vec![partition] };
    DescribeQuorumResponse { topics: vec![topic], nodes, ..DescribeQuorumResponse::default() }
}

fn describe(view: &QuorumView, voters: &VoterSet) -> DescribeQuorumResponse {
    let partition = ResponsePartitionData {
        leader_id: view.leader.0,
        leader_epoch: view.epoch.0,
        high_watermark: view.high_watermark.0,
        current_voters: view.voters.iter().map(state).collect(),
        observers: view.observers.iter().map(state).collect(),
        ..ResponsePartitionData::default()
    };
    let node = |voter: &milena_core::raft::Voter| Node {
        node_id: voter.key.id.0,
        listeners: voter
            .endpoints
            .iter()
            .map(|at| Listener {
                name: at.name.clone(),
                host: at.address.host.clone(),
                port: at.address.port,
            })
            .collect(),
    };
    only(partition, voters.voters.iter().map(node).collect())
}

fn state(progress: &Progress) -> ReplicaState {
    ReplicaState {
        replica_id: progress.key.id.0,
        replica_directory_id: progress.key.directory_id,
        log_end_offset: progress.end.0,
        last_fetch_timestamp: progress.last_fetch.0,
        last_caught_up_timestamp: progress.last_caught_up.0,
    }
}
