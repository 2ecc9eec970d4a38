//! `KafkaTopic`: a topic of a cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{ConfigValue, bare};

/// A topic of a Kafka cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kafka.milena.dev",
    version = "v1alpha1",
    kind = "KafkaTopic",
    namespaced,
    status = "TopicStatus",
    derive = "PartialEq",
    doc = "A topic of a Kafka cluster.",
    shortname = "kt",
    shortname = "topic",
    category = "milena",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Topic", type_ = "string", json_path = ".status.topicName", description = "Name of the topic in Kafka"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".spec.partitions", description = "Partitions that the spec asks for"),
    printcolumn(name = "Actual", type_ = "integer", json_path = ".status.partitions", description = "Partitions that the topic has"),
    printcolumn(name = "Replication", type_ = "integer", json_path = ".status.replicationFactor", description = "Replicas that each partition has"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(has(self.spec.topicName) ? self.spec.topicName : self.metadata.name).matches('^[a-zA-Z0-9._-]{1,249}$') && !((has(self.spec.topicName) ? self.spec.topicName : self.metadata.name) in ['.', '..'])")
        .message("a topic's name (spec.topicName, else the resource's name) has 1 to 249 letters, digits, '.', '_' and '-', and is neither '.' nor '..'"),
    validation = Rule::new("!((has(self.spec.topicName) ? self.spec.topicName : self.metadata.name) in ['__consumer_offsets', '__transaction_state', '__cluster_metadata', '__share_group_state'])")
        .message("__consumer_offsets, __transaction_state, __cluster_metadata and __share_group_state are Kafka's internal topics"),
    validation = Rule::new("(has(self.spec.topicName) ? self.spec.topicName : self.metadata.name) == (has(oldSelf.spec.topicName) ? oldSelf.spec.topicName : oldSelf.metadata.name)")
        .message("topicName is immutable")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.partitions >= oldSelf.partitions").message(::kube::core::Message::Expression(
        "'partitions can grow but never shrink: the topic has %d, the change asks for %d'.format([oldSelf.partitions, self.partitions])".into()
    )),
    validation = Rule::new("self.clusterRef == oldSelf.clusterRef").message("clusterRef is immutable")
)]
pub(crate) struct KafkaTopicSpec {
    /// The cluster that has the topic. Immutable.
    pub(crate) cluster_ref: ClusterRef,
    /// Name of the topic in Kafka; the resource's name when absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249))]
    pub(crate) topic_name: Option<String>,
    /// How many partitions. The number can grow but never shrink.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) partitions: i32,
    /// How many replicas each partition has. When absent, a new topic gets 3, or as many as there are brokers, and one that
    /// exists keeps what it has. A change moves replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) replication_factor: Option<i32>,
    /// Topic configuration: Kafka's keys. A key that is not here keeps whatever value it has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    pub(crate) config: BTreeMap<String, ConfigValue>,
    /// What becomes of the topic, and the records in it, when this resource is deleted.
    #[serde(default)]
    pub(crate) deletion_policy: DeletionPolicy,
}

/// A cluster of the same namespace, or of another one that allows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterRef {
    /// Name of the KafkaCluster.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// Its namespace; the topic's own when absent. The cluster's allowedNamespaces must list the topic's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub(crate) namespace: Option<String>,
}

/// What becomes of a topic when its resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) enum DeletionPolicy {
    #[default]
    Delete,
    Retain,
}

/// What is known about the topic.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// Ready, Progressing, Degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        schema_with = "bare::<Vec<Condition>>",
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub(crate) conditions: Vec<Condition>,
    /// Name of the topic in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic_name: Option<String>,
    /// Kafka's id of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic_id: Option<String>,
    /// Partitions that the topic has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partitions: Option<i32>,
    /// Replicas that each partition has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replication_factor: Option<i32>,
    /// Partitions whose replicas are moving.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) partitions_moving: i32,
    /// The keys that this resource has set on the topic: those it takes back when they leave the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) config_keys: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}
