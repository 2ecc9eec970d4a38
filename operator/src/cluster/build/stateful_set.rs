//! The StatefulSets: one of the brokers, one of the controllers where they are dedicated.
//!
//! Pods start in parallel (in order, a quorum would wait for itself) and are replaced by the operator alone
//! (`OnDelete`), which knows when a broker may stop. Neither selector nor claims carry anything that changes with a version.

use serde_json::{Map, Value, json};

use super::super::validate::ValidatedCluster;
use super::Surroundings;
use super::config::{FILE, VOLUME, listener_name};
use crate::names::{
    CLUSTER_ID_ANNOTATION, CONTROLLER_PORT, HTTP_PORT, INITIAL_CONTROLLERS_ANNOTATION, REPLICATION_PORT,
    Role, ZONE_LABEL,
};

/// User and group of the brokers.
const USER: i64 = 10001;
/// How long a broker may take to stop in order.
const GRACE_SECONDS: i64 = 60;
/// How long a broker that stops goes on answering: a probe of its readiness finds out, and kube-proxy after that.
const LINGER_MS: u32 = 2000;
/// How long recovery after a crash may take before the pod is started again.
const START_SECONDS_MAX: i32 = 3600;
/// Where the configuration is mounted.
const CONFIG_FOLDER: &str = "/etc/milena";
/// The pods' annotation that makes a change of the configuration a new revision.
const CONFIG_ANNOTATION: &str = "kafka.milena.dev/config";

/// The variable in which Kubernetes puts the pod's ordinal, which is the node id.
const NODE_ID: &str = "$(KAFKA_NODE_ID)";

pub(super) fn stateful_set(
    cluster: &ValidatedCluster,
    role: Role,
    around: Surroundings<'_>,
    config_hash: &str,
) -> Value {
    let when_deleted = if cluster.delete_claims { "Delete" } else { "Retain" };
    let mut set = json!({"spec": {
        "replicas": cluster.replicas(role),
        "serviceName": cluster.key.headless_service(role),
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted, "whenScaled": "Retain"},
        "selector": {"matchLabels": cluster.key.selector(role)},
        "template": {
            "metadata": pod_metadata(cluster, role, config_hash),
            "spec": pod(cluster, role, around),
        },
        "volumeClaimTemplates": [claim(cluster, role, around)],
    }});
    if role.first_id() > 0 {
        set["spec"]["ordinals"] = json!({"start": role.first_id()});
    }
    set
}

/// The spec's labels and annotations beside ours; ours win.
fn pod_metadata(cluster: &ValidatedCluster, role: Role, config_hash: &str) -> Value {
    let mut labels = cluster.template.labels.clone();
    labels.extend(cluster.key.labels(role));
    let mut annotations = cluster.template.annotations.clone();
    annotations.insert(CONFIG_ANNOTATION.to_owned(), config_hash.to_owned());
    json!({"labels": labels, "annotations": annotations})
}

fn pod(cluster: &ValidatedCluster, role: Role, around: Surroundings<'_>) -> Value {
    let template = &cluster.template;
    let mut pod = json!({
        "serviceAccountName": cluster.key.brokers(),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": security_context(cluster),
        "containers": [container(cluster, role, around)],
        "volumes": [{"name": "config", "configMap": {"name": cluster.key.pods(role)}}],
    });
    set(&mut pod, "imagePullSecrets", json!(cluster.image_pull_secrets));
    set(&mut pod, "affinity", affinity(cluster, role));
    set(&mut pod, "nodeSelector", json!(template.node_selector));
    set(&mut pod, "tolerations", json!(template.tolerations));
    set(&mut pod, "topologySpreadConstraints", spread(cluster, role));
    pod
}

/// Nodes of their own, where the spec says nothing else and the nodes suffice.
fn affinity(cluster: &ValidatedCluster, role: Role) -> Value {
    if cluster.template.affinity.is_some() || cluster.replicas(role) < 2 {
        return json!(cluster.template.affinity);
    }
    let term = json!({
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": cluster.key.selector(role)},
    });
    json!({"podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}],
    }})
}

/// Evenly over zones, where the spec says nothing else and the nodes are in any.
fn spread(cluster: &ValidatedCluster, role: Role) -> Value {
    let constraints = &cluster.template.topology_spread_constraints;
    if !constraints.is_empty() || cluster.replicas(role) < 2 {
        return json!(constraints);
    }
    json!([{
        "maxSkew": 1,
        "topologyKey": ZONE_LABEL,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": cluster.key.selector(role)},
    }])
}

fn container(cluster: &ValidatedCluster, role: Role, around: Surroundings<'_>) -> Value {
    let mut container = json!({
        "name": "broker",
        "image": cluster.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/milena-broker"],
        "args": [format!("{CONFIG_FOLDER}/{FILE}")],
        "env": environment(cluster, role, around),
        "ports": ports(cluster, role),
        "startupProbe": probe("/livez", 1, START_SECONDS_MAX),
        "livenessProbe": probe("/livez", 10, 6),
        "readinessProbe": probe("/readyz", 1, 1),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": VOLUME},
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": true},
        ],
    });
    if role == Role::Broker {
        set(&mut container, "resources", json!(cluster.resources));
    }
    container
}

/// What differs from pod to pod: Kubernetes puts the ordinal into the addresses.
fn environment(cluster: &ValidatedCluster, role: Role, around: Surroundings<'_>) -> Value {
    let label = |name: &str| json!({"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{name}']")}});
    let value = |name: &str, value: String| json!({"name": name, "value": value});
    let mut variables = vec![
        json!({"name": "KAFKA_NODE_ID", "valueFrom": label("apps.kubernetes.io/pod-index")}),
        value("KAFKA_ADVERTISED_LISTENERS", advertised(cluster, role).join(",")),
        value("CLUSTER_ID", around.cluster_id.to_owned()),
    ];
    if role == Role::Broker {
        variables.push(json!({"name": "KAFKA_BROKER_RACK", "valueFrom": label(ZONE_LABEL)}));
        variables.push(value("MILENA_LINGER_MS", LINGER_MS.to_string()));
    }
    variables.push(value("MILENA_INITIAL_CONTROLLERS", initial_controllers(cluster, around)));
    variables.push(value("MILENA_HTTP_LISTEN", format!("0.0.0.0:{HTTP_PORT}")));
    variables.push(value("MILENA_LOG_FORMAT", "json".to_owned()));
    Value::Array(variables)
}

/// Peers and controllers are told the pod itself, clients its Service.
fn advertised(cluster: &ValidatedCluster, role: Role) -> Vec<String> {
    let pod = cluster.key.pod_host(role, NODE_ID);
    let mut advertised = Vec::new();
    if role == Role::Broker {
        advertised.push(format!("REPLICATION://{pod}:{REPLICATION_PORT}"));
        let service = cluster.key.service_host(&cluster.key.broker(NODE_ID));
        for listener in &cluster.listeners {
            advertised.push(format!("{}://{service}:{}", listener_name(&listener.name), listener.port));
        }
    }
    if role == cluster.voting_role() {
        advertised.push(format!("CONTROLLER://{pod}:{CONTROLLER_PORT}"));
    }
    advertised
}

/// The voters that a volume without data is formatted with: those that the quorum began with, however many there are now.
fn initial_controllers(cluster: &ValidatedCluster, around: Surroundings<'_>) -> String {
    let role = cluster.voting_role();
    let voter = |id: i32| format!("{id}@{}:{CONTROLLER_PORT}", cluster.key.pod_host(role, id));
    let ids = role.first_id()..role.first_id() + around.initial_controllers;
    ids.map(voter).collect::<Vec<_>>().join(",")
}

fn ports(cluster: &ValidatedCluster, role: Role) -> Vec<Value> {
    let mut ports = vec![("http", HTTP_PORT)];
    if role == Role::Broker {
        ports.push(("replication", REPLICATION_PORT));
    }
    if role == cluster.voting_role() {
        ports.push(("controller", CONTROLLER_PORT));
    }
    if role == Role::Broker {
        ports.extend(cluster.listeners.iter().map(|listener| (listener.name.as_str(), listener.port)));
    }
    let port = |(name, number)| json!({"name": name, "containerPort": number, "protocol": "TCP"});
    ports.into_iter().map(port).collect()
}

fn probe(path: &str, period_seconds: i32, failures_max: i32) -> Value {
    json!({
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures_max,
    })
}

fn security_context(cluster: &ValidatedCluster) -> Value {
    match &cluster.template.security_context {
        Some(context) => json!(context),
        None => json!({
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }),
    }
}

/// The volume tells which cluster it belongs to, and what its quorum began with, to whoever takes it up later.
fn claim(cluster: &ValidatedCluster, role: Role, around: Surroundings<'_>) -> Value {
    let storage = match (role, &cluster.controllers) {
        (Role::Controller, Some(controllers)) => &controllers.storage,
        _ => &cluster.storage,
    };
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    });
    set(&mut spec, "storageClassName", json!(storage.storage_class_name));
    let mut annotations = json!({CLUSTER_ID_ANNOTATION: around.cluster_id});
    if role == cluster.voting_role() && around.initial_controllers > 1 {
        annotations[INITIAL_CONTROLLERS_ANNOTATION] = json!(around.initial_controllers.to_string());
    }
    json!({
        "metadata": {
            "name": "data",
            "labels": cluster.key.labels(role),
            "annotations": annotations,
        },
        "spec": spec,
    })
}

/// Sets a field that is not empty: an empty one would be applied, kept by nobody, and differ for ever.
fn set(object: &mut Value, field: &str, value: Value) {
    let is_empty = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields == &Map::new(),
        _ => false,
    };
    if !is_empty {
        object[field] = value;
    }
}
