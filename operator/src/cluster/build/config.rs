//! `server.properties`: one file for all pods of a role. What differs between them is in their environment.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::validate::ValidatedCluster;
use crate::names::{CONTROLLER_PORT, REPLICATION_PORT, Role};

/// Key in the ConfigMap and file in the pods.
pub(super) const FILE: &str = "server.properties";
/// Where the volume is mounted. Logs lie one level below: the root of a volume holds `lost+found`.
pub(super) const VOLUME: &str = "/var/lib/milena";
/// Brokers have as many replicas of what they create themselves as Kafka's documentation advises, where there are that many.
const REPLICATION_FACTOR: i32 = 3;
/// Replicas that must have a record before `acks=all` is answered, where there are three.
const MIN_IN_SYNC: i32 = 2;

/// Name of a client listener inside Kafka.
pub(super) fn listener_name(name: &str) -> String {
    name.to_ascii_uppercase()
}

pub(super) fn server_properties(cluster: &ValidatedCluster, role: Role) -> String {
    let mut keys = defaults(cluster.brokers);
    keys.extend(cluster.config.iter().map(|(key, value)| (key.clone(), value.clone())));
    keys.extend(owned(cluster, role));
    let mut text = String::from("# Written by the Milena operator from the KafkaCluster resource.\n");
    for (key, value) in keys {
        let _ = writeln!(text, "{key}={}", escape(&value));
    }
    text
}

/// What the spec's `config` may override. It changes only while there are fewer than three brokers.
fn defaults(brokers: i32) -> BTreeMap<String, String> {
    let replicas = REPLICATION_FACTOR.min(brokers).to_string();
    let in_sync = MIN_IN_SYNC.min(brokers - 1).max(1);
    let mut keys: BTreeMap<_, _> = [
        "default.replication.factor",
        "offsets.topic.replication.factor",
        "share.coordinator.state.topic.replication.factor",
        "transaction.state.log.replication.factor",
    ]
    .map(|key| (key.to_owned(), replicas.clone()))
    .into();
    let mut keys_in_sync = vec!["share.coordinator.state.topic.min.isr", "transaction.state.log.min.isr"];
    // 1 is Kafka's own default.
    if in_sync > 1 {
        keys_in_sync.push("min.insync.replicas");
    }
    keys.extend(keys_in_sync.into_iter().map(|key| (key.to_owned(), in_sync.to_string())));
    keys
}

/// What describes the cluster that the other objects build.
fn owned(cluster: &ValidatedCluster, role: Role) -> Vec<(String, String)> {
    let mut listeners = Vec::new();
    let mut protocols = vec!["REPLICATION:PLAINTEXT".to_owned(), "CONTROLLER:PLAINTEXT".to_owned()];
    protocols.extend(cluster.listeners.iter().map(|it| format!("{}:PLAINTEXT", listener_name(&it.name))));
    if role == Role::Broker {
        listeners.push(format!("REPLICATION://:{REPLICATION_PORT}"));
    }
    if role == cluster.voting_role() {
        listeners.push(format!("CONTROLLER://:{CONTROLLER_PORT}"));
    }
    if role == Role::Broker {
        let outer = cluster.listeners.iter();
        listeners.extend(outer.map(|it| format!("{}://:{}", listener_name(&it.name), it.port)));
    }
    let voters = cluster.voting_role();
    let quorum = cluster.voters().map(|id| format!("{}:{CONTROLLER_PORT}", cluster.key.pod_host(voters, id)));
    [
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("controller.quorum.bootstrap.servers", quorum.collect::<Vec<_>>().join(",")),
        ("inter.broker.listener.name", "REPLICATION".to_owned()),
        ("listener.security.protocol.map", protocols.join(",")),
        ("listeners", listeners.join(",")),
        ("log.dirs", format!("{VOLUME}/data")),
        ("process.roles", process_roles(cluster, role).to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Where no controllers are dedicated, all brokers are fit to be one: which of them vote, the quorum itself knows.
fn process_roles(cluster: &ValidatedCluster, role: Role) -> &'static str {
    match (role, &cluster.controllers) {
        (Role::Broker, None) => "broker,controller",
        (Role::Broker, Some(_)) => "broker",
        (Role::Controller, _) => "controller",
    }
}

/// A value as a properties file writes it: ASCII, backslashes and leading spaces escaped.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, unit) in value.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            Some('\\') => text.push_str("\\\\"),
            Some(' ') if at == 0 => text.push_str("\\ "),
            Some(c) if c == ' ' || c.is_ascii_graphic() => text.push(c),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn values_survive_a_properties_reader() {
        assert_eq!(escape("60000"), "60000");
        assert_eq!(escape(" a\\b c"), "\\ a\\\\b c");
        assert_eq!(escape("ä\t😀"), "\\u00e4\\u0009\\ud83d\\ude00");
    }
}
