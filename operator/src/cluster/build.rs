//! `ValidatedCluster` -> the objects that it consists of. Pure: no client, no clock.

mod config;
mod policies;
mod services;
mod stateful_set;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ApiResource;
use serde_json::{Value, json};

use super::validate::ValidatedCluster;
use crate::crd::{GROUP, ListenerStatus};

/// On every applied object: a hash of what was applied, so that fields which left the plan are noticed.
const APPLIED_ANNOTATION: &str = "kafka.milena.dev/applied";

/// The kinds of objects that a cluster consists of, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    ServiceAccount,
    ConfigMap,
    Service,
    NetworkPolicy,
    PodDisruptionBudget,
    StatefulSet,
}

impl Kind {
    pub(crate) fn resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
        }
    }
}

/// One object as it shall be: the fields that are ours, no others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// What `build` needs to know beyond the cluster's spec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// Kafka's id of the cluster.
    pub(crate) cluster_id: &'a str,
    /// Where the operator's pods are, for the NetworkPolicy.
    pub(crate) operator_namespace: &'a str,
}

/// Every object of the cluster, in the order in which they are applied.
pub(crate) fn build(cluster: &ValidatedCluster, around: Surroundings<'_>) -> Vec<Manifest> {
    let properties = config::server_properties(cluster);
    let mut parts = vec![
        (Kind::ServiceAccount, cluster.key.brokers(), json!({"automountServiceAccountToken": false})),
        (Kind::ConfigMap, cluster.key.brokers(), json!({"data": {config::FILE: properties}})),
        (Kind::Service, cluster.key.headless_service(), services::headless(cluster)),
        (Kind::Service, cluster.key.bootstrap_service(), services::bootstrap(cluster)),
    ];
    for ordinal in 0..cluster.brokers {
        parts.push((Kind::Service, cluster.key.broker(ordinal), services::broker(cluster, ordinal)));
    }
    let pods = stateful_set::stateful_set(cluster, around.cluster_id, &hash_of(&properties));
    parts.push((
        Kind::NetworkPolicy,
        cluster.key.brokers(),
        policies::network(cluster, around.operator_namespace),
    ));
    parts.push((Kind::PodDisruptionBudget, cluster.key.brokers(), policies::disruption_budget(cluster)));
    parts.push((Kind::StatefulSet, cluster.key.brokers(), pods));
    parts.into_iter().map(|(kind, name, body)| manifest(cluster, kind, name, body)).collect()
}

/// Where the clients of each listener begin.
pub(crate) fn bootstrap_servers(cluster: &ValidatedCluster) -> Vec<ListenerStatus> {
    let host = cluster.key.service_host(&cluster.key.bootstrap_service());
    let address = |listener: &crate::crd::Listener| ListenerStatus {
        name: listener.name.clone(),
        bootstrap_servers: format!("{host}:{}", listener.port),
    };
    cluster.listeners.iter().map(address).collect()
}

/// Adds what all objects have: type, name, labels, owner, the hash of the whole.
fn manifest(cluster: &ValidatedCluster, kind: Kind, name: String, mut body: Value) -> Manifest {
    let resource = kind.resource();
    body["apiVersion"] = json!(resource.api_version);
    body["kind"] = json!(resource.kind);
    body["metadata"] = json!({
        "name": name,
        "namespace": cluster.key.namespace,
        "labels": cluster.key.labels(),
        "ownerReferences": [{
            "apiVersion": format!("{GROUP}/v1alpha1"),
            "kind": "KafkaCluster",
            "name": cluster.key.name,
            "uid": cluster.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    });
    body["metadata"]["annotations"] = json!({APPLIED_ANNOTATION: hash_of(&body.to_string())});
    Manifest { kind, name, body }
}

/// A short name of a text (FNV-1a), the same in every version of the operator: a new one would restart every broker.
/// Not a defence: a collision would only miss one update.
fn hash_of(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests;
