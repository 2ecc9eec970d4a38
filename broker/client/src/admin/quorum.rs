//! The metadata quorum: who leads it, who votes, who lags; and a further voter (KIP-595, KIP-853).

use bytestring::ByteString;
use milena_protocol::messages::add_raft_voter::Listener;
use milena_protocol::messages::describe_quorum::{
    ReplicaState, RequestPartitionData, RequestTopicData, ResponsePartitionData,
};
use milena_protocol::messages::{AddRaftVoterRequest, DescribeQuorumRequest};
use milena_protocol::{ErrorCode, NodeId, Uuid};

use super::{Admin, change_timeout_ms, text};
use crate::{ClientError, Refused};

/// The topic of the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum as its leader sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuorumDescription {
    /// Who leads it, which is the active controller.
    pub leader: Option<NodeId>,
    /// Everything below this offset is committed.
    pub high_watermark: i64,
    /// Those whose majority commits.
    pub voters: Vec<QuorumReplica>,
    /// Those that read along.
    pub observers: Vec<QuorumReplica>,
}

/// A replica of the metadata log.
#[derive(Debug, Clone, PartialEq)]
pub struct QuorumReplica {
    /// Its node id.
    pub id: NodeId,
    /// The directory that holds its log; zero where the broker speaks a version below 2.
    pub directory: Uuid,
    /// Where its log ends, as far as the leader knows; -1 where it does not.
    pub log_end_offset: i64,
    /// When it last had all that the leader had, in milliseconds since 1970; -1 where the leader does not know.
    pub last_caught_up_ms: i64,
}

/// A voter to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVoter {
    /// Its node id.
    pub id: NodeId,
    /// The directory that holds its metadata log.
    pub directory: Uuid,
    /// Name of its controller listener.
    pub listener: String,
    /// Host of its controller listener.
    pub host: String,
    /// Port of its controller listener.
    pub port: u16,
}

impl Admin {
    /// Describes the metadata quorum. The answer is the leader's: the broker that is asked passes the question on.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, ClientError> {
        let topic = RequestTopicData {
            topic_name: ByteString::from_static(METADATA_TOPIC),
            partitions: vec![RequestPartitionData { partition_index: 0 }],
        };
        let request = DescribeQuorumRequest { topics: vec![topic] };
        let response = self.connection().await?.send(&request).await?;
        Refused::check(response.error_code, response.error_message.as_ref())?;
        let partition = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(partition) = partition else {
            return Err(Refused { code: ErrorCode::UnknownTopicOrPartition, message: None }.into());
        };
        Refused::check(partition.error_code, partition.error_message.as_ref())?;
        Ok(partition.into())
    }

    /// Makes an observer a voter, and waits until that is committed. `cluster_id` guards against the wrong cluster.
    pub async fn add_raft_voter(&self, cluster_id: &str, voter: &NewVoter) -> Result<(), ClientError> {
        let listener = Listener { name: text(&voter.listener), host: text(&voter.host), port: voter.port };
        let request = AddRaftVoterRequest {
            cluster_id: Some(text(cluster_id)),
            timeout_ms: change_timeout_ms(),
            voter_id: voter.id.0,
            voter_directory_id: voter.directory,
            listeners: vec![listener],
            ack_when_committed: true,
        };
        let response = self.connection().await?.send(&request).await?;
        Ok(Refused::check(response.error_code, response.error_message.as_ref())?)
    }
}

impl From<ResponsePartitionData> for QuorumDescription {
    fn from(partition: ResponsePartitionData) -> Self {
        let replicas = |states: Vec<ReplicaState>| states.into_iter().map(QuorumReplica::from).collect();
        Self {
            leader: (partition.leader_id >= 0).then_some(NodeId(partition.leader_id)),
            high_watermark: partition.high_watermark,
            voters: replicas(partition.current_voters),
            observers: replicas(partition.observers),
        }
    }
}

impl From<ReplicaState> for QuorumReplica {
    fn from(state: ReplicaState) -> Self {
        Self {
            id: NodeId(state.replica_id),
            directory: state.replica_directory_id,
            log_end_offset: state.log_end_offset,
            last_caught_up_ms: state.last_caught_up_timestamp,
        }
    }
}
