//! Limits on connections, as the keys state them. Listeners of the controller have limits of their own, as in Kafka,
//! where they are another server.

use std::net::{IpAddr, ToSocketAddrs};

use anyhow::{Context as _, ensure};
use milena_core::config::broker::server;
use milena_core::config::{Properties, list};
use milena_core::quota::Windows;
use milena_core::quota::connections::{Limits, ListenerLimits};

use super::{Config, listeners};

impl Config {
    /// What `properties` allow on the listeners for clients, or on those of the controller. Host names among the
    /// overrides are looked up, which may take its time; those that are unknown today are left out.
    pub(crate) fn connection_limits(&self, properties: &Properties, of_controller: bool) -> Limits {
        let names = self.listeners.iter().filter(|listener| listener.is_controller == of_controller);
        let names: Vec<&str> = names.map(|listener| listener.name.as_str()).collect();
        let inter_broker = listeners::inter_broker(properties);
        // What a listener does not have of its own it takes from the broker.
        let int =
            |name: &str, key| properties.int_of_listener(name, key).unwrap_or_else(|| properties.int(key));
        let limits = |name: &str| ListenerLimits {
            max: count(int(name, &server::MAX_CONNECTIONS)),
            creation_rate: int(name, &server::MAX_CONNECTION_CREATION_RATE),
            is_protected: names.len() > 1 && name == inter_broker,
        };
        Limits {
            total_max: count(properties.int(&server::MAX_CONNECTIONS)),
            creation_rate: properties.int(&server::MAX_CONNECTION_CREATION_RATE),
            per_ip_max: count(properties.int(&server::MAX_CONNECTIONS_PER_IP)),
            of_ip: overrides(properties).flat_map(addresses).collect(),
            listeners: names.iter().map(|name| ((*name).to_owned(), limits(name))).collect(),
        }
    }

    /// The windows in which new connections are counted.
    pub(crate) fn connection_windows(&self) -> Windows {
        Windows {
            count: count(self.properties.int(&server::QUOTA_WINDOW_NUM)),
            length_ms: i64::from(self.properties.int(&server::QUOTA_WINDOW_SIZE_SECONDS)) * 1_000,
        }
    }
}

/// Refuses limits that cannot be meant.
pub(super) fn check(properties: &Properties) -> anyhow::Result<()> {
    let entries = list(properties.text(&server::MAX_CONNECTIONS_PER_IP_OVERRIDES).unwrap_or_default());
    for entry in entries {
        parse(entry)
            .with_context(|| format!("max.connections.per.ip.overrides: {entry} is not host:number"))?;
    }
    ensure!(
        properties.int(&server::MAX_CONNECTIONS_PER_IP) > 0 || overrides(properties).next().is_some(),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."
    );
    Ok(())
}

fn overrides(properties: &Properties) -> impl Iterator<Item = (&str, usize)> {
    list(properties.text(&server::MAX_CONNECTIONS_PER_IP_OVERRIDES).unwrap_or_default()).filter_map(parse)
}

fn parse(entry: &str) -> Option<(&str, usize)> {
    let (host, number) = entry.rsplit_once(':')?;
    let host = host.trim();
    let number = number.trim().parse::<i32>().ok()?;
    (!host.is_empty()).then(|| (host.trim_matches(['[', ']']), count(number)))
}

/// The first address of a host, as Kafka takes it.
fn addresses((host, number): (&str, usize)) -> Option<(IpAddr, usize)> {
    match (host, 0).to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => Some((address.ip().to_canonical(), number)),
        _ => {
            tracing::warn!(host, "max.connections.per.ip.overrides names a host without an address");
            None
        }
    }
}

fn count(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}
