//! The image: brokers, topics, configurations, features, producer ids at one offset of the metadata log.

use bytestring::ByteString;
use imbl::{HashMap, OrdMap};
use milena_protocol::messages::metadata_records::RegisterControllerRecord;
use milena_protocol::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, Uuid};

use super::{kept::Kept, topic_name};
use crate::config::effective::{Layers, TopicConfig, Values};
use crate::config::{Properties, effective};

/// Cluster metadata at one offset. Cloning shares everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetadataImage {
    pub(super) next_offset: Offset,
    pub(super) brokers: OrdMap<NodeId, BrokerImage>,
    pub(super) controllers: OrdMap<NodeId, RegisterControllerRecord>,
    pub(super) topics: OrdMap<ByteString, TopicImage>,
    pub(super) topic_names: HashMap<TopicId, ByteString>,
    pub(super) configs: OrdMap<ConfigResource, Values>,
    pub(super) features: OrdMap<ByteString, i16>,
    pub(super) features_epoch: i64,
    pub(super) next_producer_id: i64,
    pub(super) kept: Kept,
}

/// A registered broker.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerImage {
    /// Its node id.
    pub id: NodeId,
    /// The offset of its registration.
    pub epoch: i64,
    /// Changes with every start of the process.
    pub incarnation_id: Uuid,
    /// Where each of its listeners is reached.
    pub endpoints: Vec<Endpoint>,
    /// Feature, lowest and highest supported level.
    pub features: Vec<(ByteString, i16, i16)>,
    /// Its rack or zone.
    pub rack: Option<ByteString>,
    /// Whether it must not lead nor be told to clients.
    pub fenced: bool,
    /// Whether it is on its way out.
    pub in_controlled_shutdown: bool,
    /// Ids of its log directories.
    pub log_dirs: Vec<Uuid>,
    /// Ids of its log directories that get no new replicas; `None` until it has said so.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl BrokerImage {
    /// Where its listener called `listener` is reached.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }
}

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: ByteString,
    /// Host to dial.
    pub host: ByteString,
    /// Port to dial.
    pub port: u16,
    /// 0 is PLAINTEXT.
    pub security_protocol: i16,
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicImage {
    /// Its name.
    pub name: ByteString,
    /// Its id; a topic created again under the same name has another one.
    pub id: TopicId,
    pub(super) partitions: OrdMap<PartitionIndex, PartitionImage>,
}

impl TopicImage {
    /// Whether clients are told that it is internal.
    pub fn is_internal(&self) -> bool {
        topic_name::is_internal(&self.name)
    }

    /// Its partitions by index.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionIndex, &PartitionImage)> {
        self.partitions.iter().map(|(index, partition)| (*index, partition))
    }

    /// One of its partitions.
    pub fn partition(&self, index: PartitionIndex) -> Option<&PartitionImage> {
        self.partitions.get(&index)
    }

    /// How many there are.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// The number of replicas of its first partition.
    pub fn replication_factor(&self) -> i16 {
        let first = self.partitions.values().next();
        first.and_then(|partition| i16::try_from(partition.replicas.len()).ok()).unwrap_or(-1)
    }
}

/// A partition's replicas and who leads it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionImage {
    /// Brokers that have a replica, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Replicas that are in sync.
    pub isr: Vec<NodeId>,
    /// Replicas on their way out of a reassignment.
    pub removing_replicas: Vec<NodeId>,
    /// Replicas on their way in.
    pub adding_replicas: Vec<NodeId>,
    /// Replicas that may still become leader without losing records (KIP-966).
    pub eligible_leader_replicas: Vec<NodeId>,
    /// The last replicas known to have been eligible.
    pub last_known_elr: Vec<NodeId>,
    /// Log directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    /// Who leads; -1 for nobody.
    pub leader: NodeId,
    /// 1 while a leader recovers from an unclean election.
    pub leader_recovery_state: i8,
    /// Grows with every leader.
    pub leader_epoch: LeaderEpoch,
    /// Grows with every change.
    pub partition_epoch: i32,
}

/// What a configuration belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// The kind.
    pub resource_type: ResourceType,
    /// The topic, the broker's id or the group; empty for all brokers.
    pub name: ByteString,
}

/// Kinds of resources that have configurations, with their numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceType {
    /// A topic.
    Topic = 2,
    /// A broker, or all of them.
    Broker = 4,
    /// The log levels of a broker.
    BrokerLogger = 8,
    /// A subscription to client metrics.
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

impl ResourceType {
    /// The kind of the number `code`.
    pub fn from_code(code: i8) -> Option<Self> {
        [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group]
            .into_iter()
            .find(|kind| *kind as i8 == code)
    }
}

impl ConfigResource {
    /// The resource of a kind and a name.
    pub fn new(resource_type: ResourceType, name: impl Into<ByteString>) -> Self {
        Self { resource_type, name: name.into() }
    }
}

impl MetadataImage {
    /// The offset after the last record in this image.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Every registered broker by id, fenced ones too.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerImage> {
        self.brokers.values()
    }

    /// The broker `id`.
    pub fn broker(&self, id: NodeId) -> Option<&BrokerImage> {
        self.brokers.get(&id)
    }

    /// Every registered controller by id.
    pub fn controllers(&self) -> impl Iterator<Item = &RegisterControllerRecord> {
        self.controllers.values()
    }

    /// Every topic by name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> {
        self.topics.values()
    }

    /// Every topic whose name is `name` or sorts after it.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &TopicImage> {
        self.topics
            .range::<_, str>((std::ops::Bound::Included(name), std::ops::Bound::Unbounded))
            .map(|(_, topic)| topic)
    }

    /// The topic called `name`.
    pub fn topic(&self, name: &str) -> Option<&TopicImage> {
        self.topics.get(name)
    }

    /// The topic of `id`.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&TopicImage> {
        self.topic_names.get(&id).and_then(|name| self.topics.get(name))
    }

    /// A partition by its topic's name.
    pub fn partition(&self, topic: &str, index: PartitionIndex) -> Option<&PartitionImage> {
        self.topic(topic)?.partition(index)
    }

    /// Who leads a partition, if anybody does.
    pub fn leader(&self, topic: &str, index: PartitionIndex) -> Option<NodeId> {
        self.partition(topic, index).map(|partition| partition.leader).filter(|leader| leader.0 >= 0)
    }

    /// Where a broker that may be told to clients is reached.
    pub fn endpoint(&self, node: NodeId, listener: &str) -> Option<&Endpoint> {
        self.broker(node).filter(|broker| !broker.fenced)?.endpoint(listener)
    }

    /// The values set on `resource`.
    pub fn config(&self, resource: &ConfigResource) -> Option<&Values> {
        self.configs.get(resource)
    }

    /// Every resource that has values.
    pub fn configs(&self) -> impl Iterator<Item = (&ConfigResource, &Values)> {
        self.configs.iter()
    }

    /// What is configured for `resource` as seen by the broker `node`.
    pub fn layers<'a>(
        &'a self,
        node: NodeId,
        resource: Option<&ConfigResource>,
        file: &'a Properties,
    ) -> Layers<'a> {
        let broker = ConfigResource::new(ResourceType::Broker, node.0.to_string());
        Layers {
            own: resource.and_then(|resource| self.config(resource)),
            broker: self.config(&broker),
            cluster: self.config(&ConfigResource::new(ResourceType::Broker, "")),
            file,
        }
    }

    /// Everything the topic called `name` is configured with on the broker `node`.
    pub fn topic_config(&self, node: NodeId, name: &str, file: &Properties) -> TopicConfig {
        let topic = ConfigResource::new(ResourceType::Topic, name);
        effective::TopicConfig::resolve(&self.layers(node, Some(&topic), file))
    }

    /// The finalized level of each feature.
    pub fn features(&self) -> &OrdMap<ByteString, i16> {
        &self.features
    }

    /// Grows with every change of a feature level; -1 while there is none.
    pub fn features_epoch(&self) -> i64 {
        if self.features.is_empty() { -1 } else { self.features_epoch }
    }

    /// The type of a record that protects something (an ACL, a credential, a token), if there is one.
    pub fn security_record(&self) -> Option<&'static str> {
        self.kept.security_record()
    }

    /// The first producer id that no broker has been given.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }
}
