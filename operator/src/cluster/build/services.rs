//! The Services: headless ones (peers), bootstrap (a port for each listener) and one for each broker.

use serde_json::{Value, json};

use super::super::validate::ValidatedCluster;
use crate::names::{CONTROLLER_PORT, REPLICATION_PORT, Role};

/// Peers and controllers find each other here, ready or not: a quorum forms before anybody is ready.
pub(super) fn headless(cluster: &ValidatedCluster, role: Role) -> Value {
    let mut ports = vec![port("controller", CONTROLLER_PORT)];
    if role == Role::Broker {
        ports.insert(0, port("replication", REPLICATION_PORT));
    }
    json!({"spec": {
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": cluster.key.selector(role),
        "ports": ports,
    }})
}

/// One stable address for the cluster and each of its listeners: any ready broker answers.
pub(super) fn bootstrap(cluster: &ValidatedCluster) -> Value {
    json!({"spec": {
        "type": "ClusterIP",
        "selector": cluster.key.selector(Role::Broker),
        "ports": client_ports(cluster),
    }})
}

/// One stable address for a broker. While it is not ready, connections are refused at once: one that is forwarded to an
/// address whose pod is gone would hang for as long as its client has patience, with the broker back long before.
pub(super) fn broker(cluster: &ValidatedCluster, ordinal: i32) -> Value {
    let mut selector = cluster.key.selector(Role::Broker);
    selector.insert("statefulset.kubernetes.io/pod-name".to_owned(), cluster.key.broker(ordinal));
    json!({"spec": {
        "type": "ClusterIP",
        "selector": selector,
        "ports": client_ports(cluster),
    }})
}

fn client_ports(cluster: &ValidatedCluster) -> Vec<Value> {
    cluster.listeners.iter().map(|listener| port(&listener.name, listener.port)).collect()
}

fn port(name: &str, number: i32) -> Value {
    json!({"name": name, "port": number, "targetPort": number, "protocol": "TCP"})
}
