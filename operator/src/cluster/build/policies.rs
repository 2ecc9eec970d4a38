//! Who may connect to the brokers, and how many of them may be stopped at once.

use serde_json::{Value, json};

use super::super::validate::ValidatedCluster;
use crate::names::{COMPONENT_LABEL, CONTROLLER_PORT, HTTP_PORT, REPLICATION_PORT, Role};

/// Clients reach the listeners and everybody the metrics; the inner listeners are for peers and the operator.
pub(super) fn network(cluster: &ValidatedCluster, role: Role, operator_namespace: &str) -> Value {
    let mut open: Vec<_> = match role {
        Role::Broker => cluster.listeners.iter().map(|listener| port(listener.port)).collect(),
        Role::Controller => Vec::new(),
    };
    open.push(port(HTTP_PORT));
    let peers: Vec<_> = cluster
        .roles()
        .map(|role| json!({"podSelector": {"matchLabels": cluster.key.selector(role)}}))
        .collect();
    let mut ingress = vec![
        json!({"ports": open}),
        json!({"from": peers, "ports": [port(REPLICATION_PORT), port(CONTROLLER_PORT)]}),
    ];
    if role == Role::Broker {
        let operator = json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}},
            "podSelector": {"matchLabels": {COMPONENT_LABEL: "operator"}},
        });
        ingress.push(json!({"from": [operator], "ports": [port(REPLICATION_PORT)]}));
    }
    json!({"spec": {
        "podSelector": {"matchLabels": cluster.key.selector(role)},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }})
}

/// How many healthy pods may be stopped by whom it may concern. One that is not healthy anyway may always be evicted, so
/// that it cannot block a drain.
pub(super) fn disruption_budget(cluster: &ValidatedCluster, role: Role, unavailable_max: usize) -> Value {
    json!({"spec": {
        "maxUnavailable": unavailable_max,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": cluster.key.selector(role)},
    }})
}

fn port(number: i32) -> Value {
    json!({"port": number, "protocol": "TCP"})
}
