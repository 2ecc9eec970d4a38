//! `KafkaCluster`: brokers, their storage and the addresses that clients connect to.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, PodSecurityContext, ResourceRequirements, Toleration,
    TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{ConfigValue, bare};

/// A Kafka cluster of Milena brokers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kafka.milena.dev",
    version = "v1alpha1",
    kind = "KafkaCluster",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    doc = "A Kafka cluster of Milena brokers.",
    shortname = "kc",
    shortname = "kafka",
    category = "milena",
    scale(spec_replicas_path = ".spec.brokers", status_replicas_path = ".status.brokers"),
    printcolumn(name = "Brokers", type_ = "integer", json_path = ".spec.brokers", description = "Brokers that the spec asks for"),
    printcolumn(name = "Ready Brokers", type_ = "integer", json_path = ".status.readyBrokers", description = "Brokers that are ready"),
    printcolumn(name = "Bootstrap", type_ = "string", json_path = ".status.listeners[0].bootstrapServers", description = "Where clients of the first listener connect to"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name of a KafkaCluster becomes part of Service names: at most 40 lower-case letters, digits and '-', beginning with a letter, ending with a letter or a digit")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.storage == oldSelf.storage").message("storage is immutable"),
    validation = Rule::new("has(self.controllers) == has(oldSelf.controllers) && (!has(self.controllers) || self.controllers == oldSelf.controllers)")
        .message("controllers is immutable")
)]
pub(crate) struct KafkaClusterSpec {
    /// How many brokers. The number can grow; it cannot shrink yet.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) brokers: i32,
    /// Controllers in pods of their own. When absent, the first brokers (one of up to two, three of more) form the
    /// metadata quorum. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) controllers: Option<Controllers>,
    /// Whether replicas are moved to brokers that have few of them, such as new ones. Moves copy records over the network.
    #[serde(default)]
    pub(crate) rebalance: bool,
    /// The volume of each broker. Immutable.
    pub(crate) storage: Storage,
    /// Image of the brokers; the operator's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub(crate) image: Option<String>,
    /// Secrets with which the image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bare::<Vec<LocalObjectReference>>")]
    pub(crate) image_pull_secrets: Vec<LocalObjectReference>,
    /// Where clients connect to. Without any there is `plain` on port 9092.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(a, self.exists_one(b, a.port == b.port))").message("two listeners cannot share a port")
    )]
    pub(crate) listeners: Vec<Listener>,
    /// Broker configuration: Kafka's keys. Those that describe the cluster itself (node.id, listeners, log.dirs, ...) are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    pub(crate) config: BTreeMap<String, ConfigValue>,
    /// Processor and memory of each broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bare::<ResourceRequirements>")]
    pub(crate) resources: Option<ResourceRequirements>,
    /// Additions to the broker pods.
    #[serde(default, skip_serializing_if = "PodTemplate::is_empty")]
    pub(crate) pod_template: PodTemplate,
    /// Whether the volumes, and the records on them, are deleted with this resource.
    #[serde(default)]
    pub(crate) delete_claims: bool,
    /// Other namespaces whose topics may name this cluster; "*" stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub(crate) allowed_namespaces: Vec<String>,
}

/// The volume of a broker.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Storage {
    /// Size of the volume, such as 100Gi.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))")
        .message("storage.size must be a positive quantity such as 100Gi"))]
    pub(crate) size: String,
    /// Class of the volume; the Kubernetes cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub(crate) storage_class_name: Option<String>,
}

/// Controllers in pods of their own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Controllers {
    /// How many; an odd number, of which the smaller half may fail.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 9))]
    #[x_kube(validation = Rule::new("self % 2 == 1").message("controllers.replicas must be odd: an even number survives no more failures"))]
    pub(crate) replicas: i32,
    /// The volume of each controller.
    pub(crate) storage: Storage,
}

fn three() -> i32 {
    3
}

/// An address that clients connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listener {
    /// Name of the listener: lower-case letters and digits.
    #[schemars(length(min = 1, max = 15))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z][a-z0-9]*$')").message("a listener's name is made of lower-case letters and digits and begins with a letter"),
        validation = Rule::new("!(self in ['controller', 'replication', 'http'])").message("controller, replication and http are the operator's own listeners")
    )]
    pub(crate) name: String,
    /// Port of the listener.
    #[schemars(range(min = 1024, max = 65535))]
    #[x_kube(validation = Rule::new("!(self in [9091, 9093, 9644])")
        .message("ports 9091 (replication), 9093 (controller) and 9644 (metrics) are the operator's own"))]
    pub(crate) port: i32,
    /// How it is reached: ClusterIP, from inside the Kubernetes cluster.
    #[serde(default, rename = "type")]
    pub(crate) kind: ListenerType,
}

/// How a listener is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) enum ListenerType {
    #[default]
    ClusterIP,
}

/// Additions to the broker pods.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodTemplate {
    /// Labels beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Which nodes and which neighbours the pods want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bare::<Affinity>")]
    pub(crate) affinity: Option<Affinity>,
    /// Labels of the nodes that may run the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bare::<Vec<Toleration>>")]
    pub(crate) tolerations: Vec<Toleration>,
    /// How the pods spread over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bare::<Vec<TopologySpreadConstraint>>")]
    pub(crate) topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Security context of the pods, in place of the operator's (user and group 10001, RuntimeDefault).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bare::<PodSecurityContext>")]
    pub(crate) security_context: Option<PodSecurityContext>,
}

impl PodTemplate {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known about the cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterStatus {
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
    /// Kafka's id of the cluster, kept on the volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_id: Option<String>,
    /// Addresses by listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) listeners: Vec<ListenerStatus>,
    /// Brokers that exist.
    #[serde(default)]
    pub(crate) brokers: i32,
    /// Brokers that are ready.
    #[serde(default)]
    pub(crate) ready_brokers: i32,
}

/// Where the clients of a listener connect to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenerStatus {
    /// Name of the listener.
    pub(crate) name: String,
    /// Value for a client's `bootstrap.servers`.
    pub(crate) bootstrap_servers: String,
}
