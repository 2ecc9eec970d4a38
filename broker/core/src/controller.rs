//! The active controller: decides on every change of cluster metadata.
//!
//! A [`Machine`]: `handle` answers with records and replies and changes nothing; the records come back through
//! `replay` once they are in the metadata log. It starts from the image of whoever was controller before.
//!
//! | request | records |
//! |---|---|
//! | CreateTopics | TopicRecord, ConfigRecord of each value, PartitionRecord of each partition |
//! | DeleteTopics | RemoveTopicRecord |
//! | CreatePartitions | PartitionRecord |
//! | IncrementalAlterConfigs | ConfigRecord |
//! | AlterConfigs | ConfigRecord, of values that the request leaves out too |
//! | UpdateFeatures | FeatureLevelRecord |
//! | AllocateProducerIds | ProducerIdsRecord |
//! | RegisterController | RegisterControllerRecord |
//! | RegisterBroker | PartitionChangeRecord of what it led before, RegisterBrokerRecord |
//! | UnfenceBroker | BrokerRegistrationChangeRecord, PartitionChangeRecord of what it now leads |
//!
//! A topic of a request is refused by itself; the others of the request go on. Source: KIP-500, KIP-631; the
//! `ReplicationControlManager`, `ConfigurationControlManager` and `ClusterControlManager` of Apache Kafka for the order
//! of checks and the messages.

use bytestring::ByteString;
use milena_protocol::messages::alter_configs;
use milena_protocol::messages::create_partitions::CreatePartitionsTopic;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::incremental_alter_configs::AlterConfigsResource;
use milena_protocol::messages::metadata_records::{
    MetadataRecord, RegisterBrokerRecord, RegisterControllerRecord,
};
use milena_protocol::messages::update_features::FeatureUpdateKey;
use milena_protocol::{ErrorCode, NodeId, ProducerId, Timestamp, TopicId};

use crate::machine::{Machine, Outcome, Ticket};
use crate::metadata::MetadataImage;

mod activation;
mod brokers;
mod configs;
mod features;
mod partitions;
mod random;
mod topics;

pub use activation::{bootstrap_records, feature_records};

/// Most records that one request of a client may cause.
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;
/// Producer ids that a broker gets at a time.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

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

/// What the controller is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `node.id`.
    pub node_id: NodeId,
    /// The level of `kraft.version`.
    pub kraft_version: i16,
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
    /// The epoch in the record is decided by the controller, and it starts fenced.
    RegisterBroker(RegisterBrokerRecord),
    UnfenceBroker {
        broker: NodeId,
        broker_epoch: i64,
    },
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
    BrokerRegistered(i64),
    Done(Result<(), Refusal>),
    /// There is no controller to answer.
    Refused(Refusal),
}

/// The state machine of the active controller.
#[derive(Debug, Clone)]
pub struct Controller {
    settings: Settings,
    image: MetadataImage,
    random: random::Random,
}

impl Controller {
    /// A controller that goes on from `image`; `seed` feeds topic ids and placement.
    pub fn new(settings: Settings, image: MetadataImage, seed: u128) -> Self {
        Self { settings, image, random: random::Random::new(seed) }
    }

    /// Moves over a batch that holds no metadata record, such as a control batch.
    pub fn skip_to(&mut self, next_offset: milena_protocol::Offset) {
        self.image.skip_to(next_offset);
    }

    /// The metadata that decisions are based on, uncommitted changes included.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }
}

impl Machine for Controller {
    type Request = ControllerRequest;
    type Record = MetadataRecord;
    type Reply = ControllerReply;

    fn handle(
        &mut self,
        _now: Timestamp,
        ticket: Ticket,
        request: ControllerRequest,
    ) -> Outcome<MetadataRecord, ControllerReply> {
        let (records, reply) = match request {
            ControllerRequest::CreateTopics { topics, validate_only } => {
                self.create_topics(&topics, validate_only)
            }
            ControllerRequest::DeleteTopics { topics } => self.delete_topics(topics),
            ControllerRequest::CreatePartitions { topics, validate_only } => {
                self.create_partitions(&topics, validate_only)
            }
            ControllerRequest::IncrementalAlterConfigs { resources, validate_only } => {
                self.alter_configs(&resources, validate_only)
            }
            ControllerRequest::AlterConfigs { resources, validate_only } => {
                self.replace_configs(&resources, validate_only)
            }
            ControllerRequest::UpdateFeatures { updates, validate_only } => {
                self.update_features(&updates, validate_only)
            }
            ControllerRequest::AllocateProducerIds { broker, broker_epoch } => {
                self.allocate_producer_ids(broker, broker_epoch)
            }
            ControllerRequest::RegisterController(record) => {
                (vec![record.into()], ControllerReply::Done(Ok(())))
            }
            ControllerRequest::RegisterBroker(record) => self.register_broker(record),
            ControllerRequest::UnfenceBroker { broker, broker_epoch } => {
                self.unfence_broker(broker, broker_epoch)
            }
        };
        Outcome { records, replies: vec![(ticket, reply)] }
    }

    fn replay(&mut self, record: &MetadataRecord) {
        let offset = self.image.next_offset();
        self.image.replay(offset, record).expect("the controller replays what it decided itself");
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        // Sessions of other brokers and no-op records have deadlines; a quorum of one has neither.
        None
    }

    fn on_deadline(&mut self, _now: Timestamp) -> Outcome<MetadataRecord, ControllerReply> {
        Outcome::default()
    }
}

/// Records and the reply they go with.
type Decision = (Vec<MetadataRecord>, ControllerReply);

#[cfg(test)]
mod tests;
