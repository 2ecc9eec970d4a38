//! Which resource speaks for which topic, and whether what it says can be done. Pure.
//!
//! The older of two resources for one topic owns it. Among resources of the same second (the API server's clock has no
//! finer one) that is the one which already has the topic, then the first by namespace and name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube::ResourceExt;
use thiserror::Error;

use crate::crd::{DeletionPolicy, KafkaCluster, KafkaTopic};
use crate::names::ClusterKey;

/// Topics of Kafka itself.
const INTERNAL_TOPICS: [&str; 4] =
    ["__cluster_metadata", "__consumer_offsets", "__share_group_state", "__transaction_state"];
/// Set by reassignments while they run; never put back.
const REASSIGNMENT_SUFFIX: &str = ".throttled.replicas";
/// Replicas of a topic whose spec says nothing, where there are that many brokers.
const DEFAULT_REPLICATION_FACTOR: i32 = 3;

/// A topic as its resource wants it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidatedTopic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    /// What the spec says; `None` accepts what an existing topic has.
    pub(crate) replication_factor: Option<i32>,
    /// What a new topic gets.
    pub(crate) initial_replication_factor: i32,
    pub(crate) config: BTreeMap<String, String>,
}

/// Why a topic is not as its resource wants it. The variant's name is the reason in conditions, Events and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error(
        "{0:?} is no name for a topic: 1 to 249 letters, digits, '.', '_' and '-', and neither '.' nor '..'"
    )]
    InvalidName(String),
    #[error("{0} is an internal topic of Kafka")]
    InternalTopic(String),
    #[error("cluster {cluster} does not list the namespace {namespace} in allowedNamespaces")]
    NamespaceNotAllowed { cluster: ClusterKey, namespace: String },
    #[error("topic {topic} belongs to KafkaTopic {owner}, which is older")]
    TopicClaimed { topic: String, owner: String },
    #[error("partitions can grow but never shrink: the topic has {has}, the spec asks for {wants}")]
    PartitionDecrease { has: i32, wants: i32 },
    #[error("replicationFactor: {wants} needs as many brokers, the cluster has {brokers}")]
    NotEnoughBrokers { wants: i32, brokers: i32 },
    #[error(
        "replicationFactor: the topic has {has}, the spec asks for {wants}; one broker has nowhere to move replicas"
    )]
    ReplicationFactorChange { has: i32, wants: i32 },
    #[error("replicationFactor: {wants} needs as many brokers, {active} take part now")]
    BrokersAway { wants: i32, active: usize },
    #[error("config: {0} is set by reassignments alone")]
    OperatorOwnedKey(String),
    #[error("config: {key}: a value is text, a number or a flag")]
    InvalidConfig { key: String },
    #[error("Kafka refuses it: {message}")]
    RefusedByKafka { message: String },
}

impl Refusal {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::InvalidName(_) => "InvalidName",
            Self::InternalTopic(_) => "InternalTopic",
            Self::NamespaceNotAllowed { .. } => "NamespaceNotAllowed",
            Self::TopicClaimed { .. } => "TopicClaimed",
            Self::PartitionDecrease { .. } => "PartitionDecrease",
            Self::NotEnoughBrokers { .. } => "NotEnoughBrokers",
            Self::ReplicationFactorChange { .. } => "ReplicationFactorChange",
            Self::BrokersAway { .. } => "WaitingForBrokers",
            Self::OperatorOwnedKey(_) => "OperatorOwnedKey",
            Self::InvalidConfig { .. } => "InvalidConfig",
            Self::RefusedByKafka { .. } => "RefusedByKafka",
        }
    }
}

impl Refusal {
    /// Whether it goes away without a change of the spec.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::BrokersAway { .. })
    }
}

/// What a resource is to the topic that it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Standing {
    /// The cluster is gone or going: there is nothing to own.
    Orphan,
    /// It has no say in the topic.
    Stranger(Refusal),
    /// It owns the topic, whether or not what it wants can be done.
    Owner(Result<ValidatedTopic, Refusal>),
}

/// The standing of each of `topics`, all of which name the cluster `key`.
pub(crate) fn standings(
    key: &ClusterKey,
    cluster: Option<&KafkaCluster>,
    topics: &[Arc<KafkaTopic>],
) -> Vec<Standing> {
    let Some(cluster) = cluster.filter(|cluster| cluster.metadata.deletion_timestamp.is_none()) else {
        return topics.iter().map(|_| Standing::Orphan).collect();
    };
    let mut owners: HashMap<String, &KafkaTopic> = HashMap::new();
    for topic in topics.iter().filter(|topic| may_own(key, cluster, topic).is_ok()) {
        let owner = owners.entry(topic.topic()).or_insert(topic);
        if seniority(topic) < seniority(owner) {
            *owner = topic;
        }
    }
    let standing = |topic: &Arc<KafkaTopic>| match may_own(key, cluster, topic) {
        Err(refusal) => Standing::Stranger(refusal),
        Ok(()) => match owners.get(&topic.topic()) {
            Some(owner) if owner.metadata.uid != topic.metadata.uid => Standing::Stranger(claimed(owner)),
            _ => Standing::Owner(validate(topic, brokers(cluster))),
        },
    };
    topics.iter().map(standing).collect()
}

fn may_own(key: &ClusterKey, cluster: &KafkaCluster, topic: &KafkaTopic) -> Result<(), Refusal> {
    let name = topic.topic();
    if INTERNAL_TOPICS.contains(&name.as_str()) {
        return Err(Refusal::InternalTopic(name));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(legal) {
        return Err(Refusal::InvalidName(name));
    }
    let namespace = topic.namespace().unwrap_or_default();
    let listed = |allowed: &String| *allowed == namespace || allowed == "*";
    if namespace != key.namespace && !cluster.spec.allowed_namespaces.iter().any(listed) {
        return Err(Refusal::NamespaceNotAllowed { cluster: key.clone(), namespace });
    }
    Ok(())
}

/// Smaller is older.
fn seniority(topic: &KafkaTopic) -> impl Ord + use<> {
    let has_topic = topic.status.as_ref().is_some_and(|status| status.topic_id.is_some());
    let created = topic.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (created, !has_topic, topic.namespace(), topic.name_any())
}

fn claimed(owner: &KafkaTopic) -> Refusal {
    let name = format!("{}/{}", owner.namespace().unwrap_or_default(), owner.name_any());
    Refusal::TopicClaimed { topic: owner.topic(), owner: name }
}

fn validate(topic: &KafkaTopic, brokers: i32) -> Result<ValidatedTopic, Refusal> {
    let spec = &topic.spec;
    if let Some(wants) = spec.replication_factor.filter(|wants| *wants > brokers) {
        return Err(Refusal::NotEnoughBrokers { wants, brokers });
    }
    if let Some(key) = spec.config.keys().find(|key| key.ends_with(REASSIGNMENT_SUFFIX)) {
        return Err(Refusal::OperatorOwnedKey(key.clone()));
    }
    let text = |(key, value): (&String, &crate::crd::ConfigValue)| {
        let text = value.text().ok_or_else(|| Refusal::InvalidConfig { key: key.clone() })?;
        Ok((key.clone(), text))
    };
    Ok(ValidatedTopic {
        name: topic.topic(),
        partitions: spec.partitions,
        replication_factor: spec.replication_factor,
        initial_replication_factor: spec
            .replication_factor
            .unwrap_or(DEFAULT_REPLICATION_FACTOR.min(brokers)),
        config: spec.config.iter().map(text).collect::<Result<_, _>>()?,
    })
}

/// Brokers that there are or will be. A cluster does not shrink, whatever its spec says.
fn brokers(cluster: &KafkaCluster) -> i32 {
    let existing = cluster.status.as_ref().map_or(0, |status| status.brokers);
    cluster.spec.brokers.max(existing)
}

/// Whether the cluster is a single node.
pub(crate) fn is_single(cluster: &KafkaCluster) -> bool {
    brokers(cluster) == 1 && cluster.spec.controllers.is_none()
}

/// Whether the resource wants the topic deleted with it.
pub(crate) fn deletes(topic: &KafkaTopic) -> bool {
    topic.spec.deletion_policy == DeletionPolicy::Delete
}

#[cfg(test)]
mod tests;
