//! What is asked of the controller, and what it answers.

use bytestring::ByteString;
use milena_protocol::messages::alter_configs;
use milena_protocol::messages::alter_partition::AlterPartitionRequest;
use milena_protocol::messages::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use milena_protocol::messages::assign_replicas_to_dirs::AssignReplicasToDirsRequest;
use milena_protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use milena_protocol::messages::broker_registration::BrokerRegistrationRequest;
use milena_protocol::messages::create_partitions::CreatePartitionsTopic;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::elect_leaders::TopicPartitions;
use milena_protocol::messages::incremental_alter_configs::AlterConfigsResource;
use milena_protocol::messages::metadata_records::RegisterControllerRecord;
use milena_protocol::messages::update_features::FeatureUpdateKey;
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, ProducerId, TopicId, Uuid};

use crate::metadata::PartitionImage;

/// Why something was refused; the message is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's error code.
    pub code: ErrorCode,
    /// More than the code says.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal with a message of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// The message, or else the name of the code: no refusal goes without words.
    pub fn text(self) -> ByteString {
        self.message.unwrap_or_else(|| self.code.to_string()).into()
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

/// How a request names a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicReference {
    /// By name.
    Name(ByteString),
    /// By id.
    Id(TopicId),
}

/// What is asked of the controller.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named as Kafka's requests")]
pub enum ControllerRequest {
    CreateTopics {
        topics: Vec<CreatableTopic>,
        validate_only: bool,
    },
    DeleteTopics {
        topics: Vec<TopicReference>,
    },
    CreatePartitions {
        topics: Vec<CreatePartitionsTopic>,
        validate_only: bool,
    },
    IncrementalAlterConfigs {
        resources: Vec<AlterConfigsResource>,
        validate_only: bool,
    },
    AlterConfigs {
        resources: Vec<alter_configs::AlterConfigsResource>,
        validate_only: bool,
    },
    UpdateFeatures {
        updates: Vec<FeatureUpdateKey>,
        validate_only: bool,
    },
    AllocateProducerIds {
        broker: NodeId,
        broker_epoch: i64,
    },
    RegisterController(RegisterControllerRecord),
    BrokerRegistration {
        request: BrokerRegistrationRequest,
        /// Whether the request says how the former incarnation ended: version 3 on.
        tells_previous_epoch: bool,
    },
    BrokerHeartbeat(BrokerHeartbeatRequest),
    UnregisterBroker {
        broker: NodeId,
    },
    /// Somebody found that the process of this registration has ended.
    ProcessGone {
        broker: NodeId,
        broker_epoch: i64,
    },
    /// With the ISR in `new_isr_with_epochs`, whatever the version.
    AlterPartition(AlterPartitionRequest),
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    ElectLeaders {
        election_type: i8,
        /// `None` for every partition there is.
        topics: Option<Vec<TopicPartitions>>,
    },
    AssignReplicasToDirs(AssignReplicasToDirsRequest),
}

/// A topic that was created, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its new id.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: i32,
    /// Its replication factor.
    pub replication_factor: i16,
}

/// A topic that was deleted, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// As the request named it.
    pub reference: TopicReference,
    /// The other half of its identity, where it exists.
    pub found: Option<(ByteString, TopicId)>,
    /// Whether it is gone.
    pub result: Result<(), Refusal>,
}

/// What a broker learns from its heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// It has seen its own registration.
    pub is_caught_up: bool,
    /// It must not lead, and clients are not told of it.
    pub is_fenced: bool,
    /// It leads nothing any more and may stop.
    pub should_shut_down: bool,
}

/// Results by partition of one topic.
pub type OfTopic<T, E> = (ByteString, Vec<(PartitionIndex, Result<T, E>)>);
/// Results by partition of one topic.
pub type OfTopicId<T, E> = (TopicId, Vec<(PartitionIndex, Result<T, E>)>);

/// Results by topic and partition of one directory.
pub type OfDirectory = (Uuid, Vec<OfTopicId<(), ErrorCode>>);

/// The answer to a [`ControllerRequest`], in the order of the request.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named as the requests")]
pub enum ControllerReply {
    TopicsCreated(Vec<(ByteString, Result<CreatedTopic, Refusal>)>),
    TopicsDeleted(Vec<DeletedTopic>),
    PartitionsCreated(Vec<(ByteString, Result<(), Refusal>)>),
    /// Resource type, name, result.
    ConfigsAltered(Vec<(i8, ByteString, Result<(), Refusal>)>),
    /// The first of [`PRODUCER_ID_BLOCK`] ids.
    ProducerIds(Result<ProducerId, Refusal>),
    /// The epoch of the registration.
    Registration(Result<i64, Refusal>),
    Heartbeat(Result<Heartbeat, Refusal>),
    /// The partitions as they are after the change.
    PartitionsAltered(Result<Vec<OfTopicId<PartitionImage, ErrorCode>>, Refusal>),
    /// The outcome for each partition of AlterPartitionReassignments and ElectLeaders.
    Partitions(Result<Vec<OfTopic<(), Refusal>>, Refusal>),
    /// By directory.
    ReplicasAssigned(Result<Vec<OfDirectory>, Refusal>),
    Done(Result<(), Refusal>),
    /// There is no controller to answer.
    Refused(Refusal),
}
