//! `server.properties`: one file for all brokers of a cluster. What differs between them is in the pods' environment.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::validate::ValidatedCluster;
use crate::names::{CONTROLLER_PORT, REPLICATION_PORT};

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

pub(super) fn server_properties(cluster: &ValidatedCluster) -> String {
    let mut keys = defaults(cluster.brokers);
    keys.extend(cluster.config.iter().map(|(key, value)| (key.clone(), value.clone())));
    keys.extend(owned(cluster));
    let mut text = String::from("# Written by the Milena operator from the KafkaCluster resource.\n");
    for (key, value) in keys {
        let _ = writeln!(text, "{key}={}", escape(&value));
    }
    text
}

/// What the spec's `config` may override.
fn defaults(brokers: i32) -> BTreeMap<String, String> {
    let replicas = REPLICATION_FACTOR.min(brokers).to_string();
    let in_sync = MIN_IN_SYNC.min(brokers - 1).max(1).to_string();
    [
        ("default.replication.factor", &replicas),
        ("offsets.topic.replication.factor", &replicas),
        ("share.coordinator.state.topic.replication.factor", &replicas),
        ("share.coordinator.state.topic.min.isr", &in_sync),
        ("transaction.state.log.replication.factor", &replicas),
        ("transaction.state.log.min.isr", &in_sync),
    ]
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .into()
}

/// What describes the cluster that the other objects build.
fn owned(cluster: &ValidatedCluster) -> Vec<(String, String)> {
    let mut listeners =
        vec![format!("REPLICATION://:{REPLICATION_PORT}"), format!("CONTROLLER://:{CONTROLLER_PORT}")];
    let mut protocols = vec!["REPLICATION:PLAINTEXT".to_owned(), "CONTROLLER:PLAINTEXT".to_owned()];
    for listener in &cluster.listeners {
        let name = listener_name(&listener.name);
        listeners.push(format!("{name}://:{}", listener.port));
        protocols.push(format!("{name}:PLAINTEXT"));
    }
    let quorum: Vec<_> =
        (0..cluster.brokers).map(|id| format!("{}:{CONTROLLER_PORT}", cluster.key.pod_host(id))).collect();
    [
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("controller.quorum.bootstrap.servers", quorum.join(",")),
        ("inter.broker.listener.name", "REPLICATION".to_owned()),
        ("listener.security.protocol.map", protocols.join(",")),
        ("listeners", listeners.join(",")),
        ("log.dirs", format!("{VOLUME}/data")),
        ("process.roles", "broker,controller".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
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
