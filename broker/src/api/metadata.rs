//! Metadata (key 3, versions 0-13): brokers, topics and partitions as this broker's image has them.
//!
//! - Null topics mean all (in version 0 an empty list does); from version 12 on topics may be named by id.
//! - Unknown topics are created when the broker allows it (`auto.create.topics.enable`) and so does the request
//!   (version 4 on). The answer waits for the creation and carries the new topic. Apache Kafka answers
//!   UNKNOWN_TOPIC_OR_PARTITION at once and creates meanwhile.
//! - Addresses are those of the listener the request came in on. A leader without that listener is
//!   LISTENER_NOT_FOUND (LEADER_NOT_AVAILABLE below version 6).
//! - Version 0 leaves replicas that are not alive out and reports REPLICA_NOT_AVAILABLE; later versions name them as
//!   offline.
//! - The controller named is any alive broker: controllers are not reachable for clients (KIP-590).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::metadata::{BrokerImage, MetadataImage, PartitionImage, TopicImage};
use milena_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId, Uuid};
use rand::seq::IteratorRandom as _;

use crate::api::{authorized_operations, create_topics};
use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: MetadataRequest,
) -> MetadataResponse {
    let topics = match Wanted::of(&request, context.version) {
        Wanted::All => {
            let image = broker.image();
            let view = View { image: &image, context };
            image.topics().map(|topic| view.topic(topic)).collect()
        }
        Wanted::Ids(ids) => {
            let image = broker.image();
            let view = View { image: &image, context };
            ids.into_iter().map(|id| view.topic_by_id(id)).collect()
        }
        Wanted::Names(names) => {
            let may_create = request.allow_auto_topic_creation && broker.config.auto_create_topics_enable();
            let failed =
                if may_create { create_missing(broker, context, &names).await } else { Failed::new() };
            let image = broker.image();
            let view = View { image: &image, context };
            names.iter().map(|name| view.topic_by_name(name, &failed)).collect()
        }
        Wanted::Nonsense => return invalid(&request),
    };
    respond(broker, context, &request, topics)
}

fn respond(
    broker: &Broker,
    context: &RequestContext,
    request: &MetadataRequest,
    mut topics: Vec<MetadataResponseTopic>,
) -> MetadataResponse {
    if request.include_topic_authorized_operations {
        let is_known =
            |topic: &&mut MetadataResponseTopic| topic.error_code != ErrorCode::UnknownTopicId.code();
        for topic in topics.iter_mut().filter(is_known) {
            topic.topic_authorized_operations = authorized_operations::TOPIC;
        }
    }
    let image = broker.image();
    let brokers: Vec<_> = image.brokers().filter_map(|broker| address(broker, context)).collect();
    MetadataResponse {
        controller_id: brokers.iter().choose(&mut rand::rng()).map_or(-1, |broker| broker.node_id),
        brokers,
        cluster_id: Some(broker.cluster_id.clone()),
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            authorized_operations::CLUSTER
        } else {
            authorized_operations::OMITTED
        },
        ..Default::default()
    }
}

fn address(broker: &BrokerImage, context: &RequestContext) -> Option<MetadataResponseBroker> {
    let endpoint = broker.endpoint(&context.listener.name).filter(|_| !broker.fenced)?;
    Some(MetadataResponseBroker {
        node_id: broker.id.0,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
    })
}

/// Which topics a request asks for.
enum Wanted {
    All,
    Names(BTreeSet<ByteString>),
    Ids(BTreeSet<TopicId>),
    /// A null name, or an id before version 12.
    Nonsense,
}

impl Wanted {
    fn of(request: &MetadataRequest, version: i16) -> Self {
        let Some(topics) = request.topics.as_ref().filter(|topics| version > 0 || !topics.is_empty()) else {
            return Self::All;
        };
        let ids: BTreeSet<_> =
            topics.iter().map(|t| TopicId(t.topic_id)).filter(|id| id.0 != Uuid::nil()).collect();
        if !ids.is_empty() {
            return if version < 12 { Self::Nonsense } else { Self::Ids(ids) };
        }
        topics
            .iter()
            .map(|topic| topic.name.clone())
            .collect::<Option<_>>()
            .map_or(Self::Nonsense, Self::Names)
    }
}

/// Nothing but errors, as Apache Kafka answers.
fn invalid(request: &MetadataRequest) -> MetadataResponse {
    let answer = |topic: &milena_protocol::messages::metadata::MetadataRequestTopic| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    };
    let topics = request.topics.iter().flatten().map(answer).collect();
    MetadataResponse { topics, ..Default::default() }
}

/// Topics that could not be created, with the reason.
type Failed = BTreeMap<ByteString, ErrorCode>;

/// Creates the topics of `names` that do not exist and yields those that could not be created, with the reason.
async fn create_missing(
    broker: &Arc<Broker>,
    context: &RequestContext,
    names: &BTreeSet<ByteString>,
) -> Failed {
    let image = broker.image();
    let missing: Vec<_> = names.iter().filter(|name| image.topic(name).is_none()).cloned().collect();
    drop(image);
    if missing.is_empty() {
        return Failed::new();
    }
    create_topics::auto_create(broker, context, missing).await.into_iter().collect()
}

/// The image as one listener's clients see it.
struct View<'a> {
    image: &'a MetadataImage,
    context: &'a RequestContext,
}

impl View<'_> {
    fn topic_by_name(&self, name: &ByteString, failed: &Failed) -> MetadataResponseTopic {
        if let Some(topic) = self.image.topic(name) {
            return self.topic(topic);
        }
        let error = match failed.get(name) {
            Some(error) => *error,
            None if milena_core::metadata::topic_name::validate(name).is_err() => {
                ErrorCode::InvalidTopicException
            }
            None => ErrorCode::UnknownTopicOrPartition,
        };
        MetadataResponseTopic { error_code: error.code(), name: Some(name.clone()), ..Default::default() }
    }

    fn topic_by_id(&self, id: TopicId) -> MetadataResponseTopic {
        match self.image.topic_by_id(id) {
            Some(topic) => self.topic(topic),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UnknownTopicId.code(),
                name: None,
                topic_id: id.0,
                ..Default::default()
            },
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        MetadataResponseTopic {
            name: Some(topic.name.clone()),
            topic_id: topic.id.0,
            is_internal: topic.is_internal(),
            partitions: topic
                .partitions()
                .map(|(index, partition)| self.partition(index, partition))
                .collect(),
            ..Default::default()
        }
    }

    fn partition(&self, index: PartitionIndex, partition: &PartitionImage) -> MetadataResponsePartition {
        let leader = self.image.broker(partition.leader);
        let reachable = leader.is_some_and(|leader| leader.endpoint(&self.context.listener.name).is_some());
        let replicas = self.listed(&partition.replicas);
        let isr = self.listed(&partition.isr);
        let error = if !reachable {
            match leader {
                Some(_) if self.context.version >= 6 => ErrorCode::ListenerNotFound,
                _ => ErrorCode::LeaderNotAvailable,
            }
        } else if replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len() {
            ErrorCode::ReplicaNotAvailable
        } else {
            ErrorCode::None
        };
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index.0,
            leader_id: if reachable { partition.leader.0 } else { -1 },
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: replicas,
            isr_nodes: isr,
            offline_replicas: partition
                .replicas
                .iter()
                .filter(|id| !self.is_alive(**id))
                .map(|id| id.0)
                .collect(),
        }
    }

    /// Version 0 leaves out what is not alive.
    fn listed(&self, replicas: &[NodeId]) -> Vec<i32> {
        replicas.iter().filter(|id| self.context.version > 0 || self.is_alive(**id)).map(|id| id.0).collect()
    }

    fn is_alive(&self, id: NodeId) -> bool {
        let alive =
            |broker: &BrokerImage| !broker.fenced && broker.endpoint(&self.context.listener.name).is_some();
        self.image.broker(id).is_some_and(alive)
    }
}
