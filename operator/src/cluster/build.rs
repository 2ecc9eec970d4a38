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
use crate::names::Role;

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
    /// How many controllers the metadata quorum began with.
    pub(crate) initial_controllers: i32,
    /// How many healthy pods of each role may be stopped now.
    pub(crate) budget: Budget,
    /// Where the operator's pods are, for the NetworkPolicy.
    pub(crate) operator_namespace: &'a str,
}

/// How many healthy pods may be unavailable at once, by what the cluster says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) brokers: usize,
    pub(crate) controllers: usize,
}

impl Budget {
    fn of(self, role: Role) -> usize {
        match role {
            Role::Broker => self.brokers,
            Role::Controller => self.controllers,
        }
    }
}

/// Every object of the cluster, in the order in which they are applied.
pub(crate) fn build(cluster: &ValidatedCluster, around: Surroundings<'_>) -> Vec<Manifest> {
    let key = &cluster.key;
    let account = json!({"automountServiceAccountToken": false});
    let mut parts = vec![(Kind::ServiceAccount, Role::Broker, key.brokers(), account)];
    let mut pods = Vec::new();
    for role in cluster.roles() {
        let properties = config::server_properties(cluster, role);
        parts.push((Kind::ConfigMap, role, key.pods(role), json!({"data": {config::FILE: properties}})));
        parts.push((Kind::Service, role, key.headless_service(role), services::headless(cluster, role)));
        let policy = policies::network(cluster, role, around.operator_namespace);
        let budget = policies::disruption_budget(cluster, role, around.budget.of(role));
        let set = stateful_set::stateful_set(cluster, role, around, &hash_of(&properties));
        pods.push((Kind::NetworkPolicy, role, key.pods(role), policy));
        pods.push((Kind::PodDisruptionBudget, role, key.pods(role), budget));
        pods.push((Kind::StatefulSet, role, key.pods(role), set));
    }
    parts.push((Kind::Service, Role::Broker, key.bootstrap_service(), services::bootstrap(cluster)));
    for id in cluster.ids(Role::Broker) {
        parts.push((Kind::Service, Role::Broker, key.broker(id), services::broker(cluster, id)));
    }
    parts.extend(pods);
    parts.into_iter().map(|(kind, role, name, body)| manifest(cluster, kind, (role, name), body)).collect()
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
fn manifest(
    cluster: &ValidatedCluster,
    kind: Kind,
    (role, name): (Role, String),
    mut body: Value,
) -> Manifest {
    let resource = kind.resource();
    body["apiVersion"] = json!(resource.api_version);
    body["kind"] = json!(resource.kind);
    body["metadata"] = json!({
        "name": name,
        "namespace": cluster.key.namespace,
        "labels": cluster.key.labels(role),
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
