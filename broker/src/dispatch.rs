//! The protocol table: which request goes to which handler, and what ApiVersions advertises.
//!
//! One line per API. A key or version outside the table closes the connection with one log line, as Apache Kafka does;
//! only ApiVersions answers a version it does not know (KIP-511), because that is how clients find out.

use std::ops::RangeInclusive;
use std::sync::Arc;

use futures::future::BoxFuture;
use milena_protocol::frames::{self, RequestFrame};
use milena_protocol::messages::{self, ApiVersionsRequest};
use milena_protocol::{Encoder, Message, Request};

use crate::api;
use crate::broker::{Broker, Origin, RequestContext};
use crate::config::Listener;
use crate::forward::forward;

/// The connection is beyond repair; the reason is its log line, `None` for an ordinary end.
#[derive(Debug)]
pub(crate) struct Close(Option<String>);

impl Close {
    pub(crate) fn because(reason: String) -> Self {
        Self(Some(reason))
    }

    pub(crate) fn from_end(end: Option<String>) -> Self {
        Self(end)
    }

    pub(crate) fn reason(self) -> Option<String> {
        self.0
    }
}

/// What a handler makes of its request. A plain response converts into `Send`.
pub(crate) enum Answer<R> {
    Send(R),
    /// The request asks for no answer.
    Silent,
    /// The connection must end, with this log line.
    Close(String),
}

impl<R> From<R> for Answer<R> {
    fn from(response: R) -> Self {
        Self::Send(response)
    }
}

/// The answer to come: `None` where the request asks for no answer (produce with `acks=0`).
pub(crate) type Response = BoxFuture<'static, Result<Option<Encoder>, Close>>;

/// An API of the table.
#[derive(Debug, Clone)]
pub(crate) struct Advertised {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) reach: Reach,
}

/// Listeners that serve an API: of brokers, of controllers, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Brokers' listeners.
    B,
    /// Controllers' listeners.
    C,
    /// Both; whoever is asked answers.
    BC,
    /// Both; only the active controller answers, to which brokers forward.
    A,
    /// The same, but a broker has a say first: its handler forwards what is left.
    F,
}

impl Reach {
    /// Whether `listener` serves it.
    pub(crate) fn includes(self, listener: &Listener) -> bool {
        match self {
            Self::B => !listener.is_controller,
            Self::C => listener.is_controller,
            Self::BC | Self::A | Self::F => true,
        }
    }

    /// Whether brokers forward it.
    fn is_forwarded(self) -> bool {
        matches!(self, Self::A | Self::F)
    }
}

/// A request of the table, as a call within this process: by the handler that serves the wire.
pub(crate) trait Served: Request + Clone {
    /// The versions that are served.
    const SERVED: RangeInclusive<i16>;
    /// Handles the request. The future does its ordered part in its first poll.
    fn serve(
        self,
        broker: Arc<Broker>,
        context: RequestContext,
    ) -> BoxFuture<'static, Answer<Self::Response>>;
}

/// The answer of the active controller where it alone may answer and is elsewhere, of the handler here otherwise.
macro_rules! answer {
    ($reach:ident, $module:ident, $broker:ident, $context:ident, $request:ident) => {{
        let forwarded = match Reach::$reach {
            Reach::A => forward(&$broker, &$context, &$request).await,
            _ => None,
        };
        match forwarded {
            Some(response) => Answer::Send(response),
            None => Answer::from(api::$module::handle(&$broker, &$context, $request).await),
        }
    }};
}

macro_rules! apis {
    ($($request:ident, $versions:expr, $reach:ident => $module:ident;)*) => {
        /// Every API of the table, by key.
        pub(crate) fn advertised() -> Vec<Advertised> {
            vec![$(Advertised {
                key: <messages::$request>::KEY,
                name: <messages::$request>::NAME.trim_end_matches("Request"),
                versions: $versions,
                reach: Reach::$reach,
            }),*]
        }

        $(impl Served for messages::$request {
            const SERVED: RangeInclusive<i16> = $versions;

            fn serve(self, broker: Arc<Broker>, context: RequestContext) -> BoxFuture<'static, Answer<Self::Response>> {
                Box::pin(async move { answer!($reach, $module, broker, context, self) })
            }
        })*

        fn start(broker: Arc<Broker>, context: RequestContext, frame: RequestFrame) -> Result<Response, Close> {
            match frame.key {
                $(<messages::$request>::KEY if $versions.contains(&frame.version) && Reach::$reach.includes(&context.listener) => {
                    let request: messages::$request = decode(&frame)?;
                    Ok(Box::pin(async move { respond(&frame, answer!($reach, $module, broker, context, request)) }))
                })*
                _ => Err(Close::because(unsupported(&frame))),
            }
        }
    };
}

apis! {
    ProduceRequest, 0..=13, B => produce;
    FetchRequest, 4..=18, BC => fetch;
    ListOffsetsRequest, 1..=11, B => list_offsets;
    MetadataRequest, 0..=13, B => metadata;
    OffsetCommitRequest, 2..=10, B => offset_commit;
    OffsetFetchRequest, 1..=10, B => offset_fetch;
    FindCoordinatorRequest, 0..=6, B => find_coordinator;
    JoinGroupRequest, 0..=9, B => join_group;
    HeartbeatRequest, 0..=4, B => heartbeat;
    LeaveGroupRequest, 0..=5, B => leave_group;
    SyncGroupRequest, 0..=5, B => sync_group;
    DescribeGroupsRequest, 0..=6, B => describe_groups;
    ListGroupsRequest, 0..=5, B => list_groups;
    ApiVersionsRequest, 0..=4, BC => api_versions;
    CreateTopicsRequest, 2..=7, A => create_topics;
    DeleteTopicsRequest, 1..=6, A => delete_topics;
    DeleteRecordsRequest, 0..=2, B => delete_records;
    InitProducerIdRequest, 0..=5, B => init_producer_id;
    OffsetForLeaderEpochRequest, 2..=4, B => offset_for_leader_epoch;
    DescribeConfigsRequest, 1..=4, BC => describe_configs;
    AlterConfigsRequest, 0..=2, F => alter_configs;
    AlterReplicaLogDirsRequest, 1..=2, B => alter_replica_log_dirs;
    DescribeLogDirsRequest, 1..=5, B => describe_log_dirs;
    CreatePartitionsRequest, 0..=3, A => create_partitions;
    DeleteGroupsRequest, 0..=2, B => delete_groups;
    IncrementalAlterConfigsRequest, 0..=1, F => incremental_alter_configs;
    OffsetDeleteRequest, 0..=0, B => offset_delete;
    VoteRequest, 0..=2, C => vote;
    BeginQuorumEpochRequest, 0..=1, C => begin_quorum_epoch;
    EndQuorumEpochRequest, 0..=1, C => end_quorum_epoch;
    DescribeQuorumRequest, 0..=2, A => describe_quorum;
    UpdateFeaturesRequest, 0..=2, A => update_features;
    FetchSnapshotRequest, 0..=1, C => fetch_snapshot;
    DescribeClusterRequest, 0..=2, BC => describe_cluster;
    BrokerRegistrationRequest, 0..=4, C => broker_registration;
    BrokerHeartbeatRequest, 0..=2, C => broker_heartbeat;
    UnregisterBrokerRequest, 0..=0, A => unregister_broker;
    ControllerRegistrationRequest, 0..=0, C => controller_registration;
    AlterPartitionRequest, 2..=3, C => alter_partition;
    AssignReplicasToDirsRequest, 0..=0, C => assign_replicas_to_dirs;
    AlterPartitionReassignmentsRequest, 0..=1, A => alter_partition_reassignments;
    ListPartitionReassignmentsRequest, 0..=0, A => list_partition_reassignments;
    ElectLeadersRequest, 0..=2, A => elect_leaders;
    ListConfigResourcesRequest, 0..=1, B => list_config_resources;
    DescribeProducersRequest, 0..=0, B => describe_producers;
    EnvelopeRequest, 0..=0, C => envelope;
    AllocateProducerIdsRequest, 0..=0, C => allocate_producer_ids;
    DescribeTopicPartitionsRequest, 0..=0, B => describe_topic_partitions;
    AddRaftVoterRequest, 0..=1, A => add_raft_voter;
    RemoveRaftVoterRequest, 0..=0, A => remove_raft_voter;
    UpdateRaftVoterRequest, 0..=0, C => update_raft_voter;
}

/// Whether brokers forward requests of `key` to the active controller.
pub(crate) fn is_forwarded(key: i16) -> bool {
    advertised().iter().any(|api| api.key == key && api.reach.is_forwarded())
}

/// Starts the handler of `frame`. The future does its ordered part in its first poll.
pub(crate) fn dispatch(
    broker: &Arc<Broker>,
    origin: &Origin,
    frame: RequestFrame,
) -> Result<Response, Close> {
    if frame.key == ApiVersionsRequest::KEY && !(0..=4).contains(&frame.version) {
        let frame = RequestFrame { version: 0, ..frame };
        let response = respond(&frame, Answer::Send(api::api_versions::unknown_version(origin)));
        return Ok(Box::pin(std::future::ready(response)));
    }
    let context = RequestContext {
        version: frame.version,
        client_id: frame.client_id.clone().unwrap_or_default(),
        peer: origin.peer,
        listener: origin.listener.clone(),
        heard: origin.heard.clone(),
    };
    start(broker.clone(), context, frame)
}

fn decode<R: Request>(frame: &RequestFrame) -> Result<R, Close> {
    frames::decode_request(frame)
        .map_err(|error| Close::because(format!("{} version {}: {error}", R::NAME, frame.version)))
}

fn respond<R: Message>(frame: &RequestFrame, answer: Answer<R>) -> Result<Option<Encoder>, Close> {
    match answer {
        Answer::Send(response) => Ok(Some(frames::response_frame(frame, &response))),
        Answer::Silent => Ok(None),
        Answer::Close(reason) => Err(Close::because(reason)),
    }
}

fn unsupported(frame: &RequestFrame) -> String {
    format!("request of key {} version {} is not served on this listener", frame.key, frame.version)
}
