//! The StatefulSet of the brokers.
//!
//! Pods start in parallel (in order, a quorum would wait for itself) and are replaced by the operator alone
//! (`OnDelete`), which knows when a broker may stop. Neither selector nor claims carry anything that changes with a version.

use serde_json::{Map, Value, json};

use super::super::validate::ValidatedCluster;
use super::config::{FILE, VOLUME, listener_name};
use crate::names::{CLUSTER_ID_ANNOTATION, CONTROLLER_PORT, HTTP_PORT, REPLICATION_PORT};

/// User and group of the brokers.
const USER: i64 = 10001;
/// How long a broker may take to stop in order.
const GRACE_SECONDS: i64 = 60;
/// How long recovery after a crash may take before the pod is started again.
const START_SECONDS_MAX: i32 = 3600;
/// Where the configuration is mounted.
const CONFIG_FOLDER: &str = "/etc/milena";
/// The pods' annotation that makes a change of the configuration a new revision.
const CONFIG_ANNOTATION: &str = "kafka.milena.dev/config";

pub(super) fn stateful_set(cluster: &ValidatedCluster, cluster_id: &str, config_hash: &str) -> Value {
    let when_deleted = if cluster.delete_claims { "Delete" } else { "Retain" };
    json!({"spec": {
        "replicas": cluster.brokers,
        "serviceName": cluster.key.headless_service(),
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted, "whenScaled": "Retain"},
        "selector": {"matchLabels": cluster.key.selector()},
        "template": {
            "metadata": pod_metadata(cluster, config_hash),
            "spec": pod(cluster, cluster_id),
        },
        "volumeClaimTemplates": [claim(cluster, cluster_id)],
    }})
}

/// The spec's labels and annotations beside ours; ours win.
fn pod_metadata(cluster: &ValidatedCluster, config_hash: &str) -> Value {
    let mut labels = cluster.template.labels.clone();
    labels.extend(cluster.key.labels());
    let mut annotations = cluster.template.annotations.clone();
    annotations.insert(CONFIG_ANNOTATION.to_owned(), config_hash.to_owned());
    json!({"labels": labels, "annotations": annotations})
}

fn pod(cluster: &ValidatedCluster, cluster_id: &str) -> Value {
    let template = &cluster.template;
    let mut pod = json!({
        "serviceAccountName": cluster.key.brokers(),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": security_context(cluster),
        "containers": [container(cluster, cluster_id)],
        "volumes": [{"name": "config", "configMap": {"name": cluster.key.brokers()}}],
    });
    set(&mut pod, "imagePullSecrets", json!(cluster.image_pull_secrets));
    set(&mut pod, "affinity", json!(template.affinity));
    set(&mut pod, "nodeSelector", json!(template.node_selector));
    set(&mut pod, "tolerations", json!(template.tolerations));
    set(&mut pod, "topologySpreadConstraints", json!(template.topology_spread_constraints));
    pod
}

fn container(cluster: &ValidatedCluster, cluster_id: &str) -> Value {
    let mut container = json!({
        "name": "broker",
        "image": cluster.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/milena-broker"],
        "args": [format!("{CONFIG_FOLDER}/{FILE}")],
        "env": environment(cluster, cluster_id),
        "ports": ports(cluster),
        "startupProbe": probe("/livez", 1, START_SECONDS_MAX),
        "livenessProbe": probe("/livez", 10, 6),
        "readinessProbe": probe("/readyz", 1, 3),
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
    set(&mut container, "resources", json!(cluster.resources));
    container
}

/// What differs from broker to broker: Kubernetes puts the pod's index into the addresses.
fn environment(cluster: &ValidatedCluster, cluster_id: &str) -> Value {
    let ordinal = "$(KAFKA_NODE_ID)";
    let mut advertised = vec![format!("REPLICATION://{}:{REPLICATION_PORT}", cluster.key.pod_host(ordinal))];
    let service = cluster.key.service_host(&cluster.key.broker(ordinal));
    for listener in &cluster.listeners {
        advertised.push(format!("{}://{service}:{}", listener_name(&listener.name), listener.port));
    }
    let index = json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}});
    json!([
        {"name": "KAFKA_NODE_ID", "valueFrom": index},
        {"name": "KAFKA_ADVERTISED_LISTENERS", "value": advertised.join(",")},
        {"name": "CLUSTER_ID", "value": cluster_id},
        {"name": "MILENA_HTTP_LISTEN", "value": format!("0.0.0.0:{HTTP_PORT}")},
        {"name": "MILENA_LOG_FORMAT", "value": "json"},
    ])
}

fn ports(cluster: &ValidatedCluster) -> Vec<Value> {
    let inner = [("http", HTTP_PORT), ("replication", REPLICATION_PORT), ("controller", CONTROLLER_PORT)];
    let outer = cluster.listeners.iter().map(|listener| (listener.name.as_str(), listener.port));
    let port = |(name, number)| json!({"name": name, "containerPort": number, "protocol": "TCP"});
    inner.into_iter().chain(outer).map(port).collect()
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

fn claim(cluster: &ValidatedCluster, cluster_id: &str) -> Value {
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": cluster.storage.size}},
    });
    set(&mut spec, "storageClassName", json!(cluster.storage.storage_class_name));
    json!({
        "metadata": {
            "name": "data",
            "labels": cluster.key.labels(),
            "annotations": {CLUSTER_ID_ANNOTATION: cluster_id},
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
