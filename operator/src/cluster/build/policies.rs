//! Who may connect to the brokers, and how many of them may be stopped at once.

use serde_json::{Value, json};

use super::super::validate::ValidatedCluster;
use crate::names::{COMPONENT_LABEL, CONTROLLER_PORT, HTTP_PORT, REPLICATION_PORT};

/// Clients reach the listeners and everybody the metrics; the inner listeners are for peers and the operator.
pub(super) fn network(cluster: &ValidatedCluster, operator_namespace: &str) -> Value {
    let mut open: Vec<_> = cluster.listeners.iter().map(|listener| port(listener.port)).collect();
    open.push(port(HTTP_PORT));
    let peers = json!({"podSelector": {"matchLabels": cluster.key.selector()}});
    let operator = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}},
        "podSelector": {"matchLabels": {COMPONENT_LABEL: "operator"}},
    });
    json!({"spec": {
        "podSelector": {"matchLabels": cluster.key.selector()},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"ports": open},
            {"from": [peers], "ports": [port(REPLICATION_PORT), port(CONTROLLER_PORT)]},
            {"from": [operator], "ports": [port(REPLICATION_PORT)]},
        ],
    }})
}

/// One broker at a time. A broker that is not healthy anyway may always be evicted, so that it cannot block a drain.
pub(super) fn disruption_budget(cluster: &ValidatedCluster) -> Value {
    json!({"spec": {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": cluster.key.selector()},
    }})
}

fn port(number: i32) -> Value {
    json!({"port": number, "protocol": "TCP"})
}
