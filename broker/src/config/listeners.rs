//! Listeners: where the process binds and what others are told to dial.
//!
//! `listeners` binds, `advertised.listeners` replaces what is told, name by name. A listener whose name stands in
//! `controller.listener.names` carries the traffic of the quorum. Names are compared in upper case.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use milena_core::config::Properties;
use milena_core::config::broker::{quorum, security, server};

/// One address to bind and the one to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) name: String,
    /// Empty for every interface.
    pub(crate) bind_host: String,
    /// 0 until the system has chosen one.
    pub(crate) port: u16,
    pub(crate) advertised_host: String,
    /// 0 for the bound one.
    pub(crate) advertised_port: u16,
    pub(crate) is_controller: bool,
}

impl Listener {
    /// Records the port that was bound.
    pub(crate) fn bound_to(&mut self, port: u16) {
        self.port = port;
        if self.advertised_port == 0 {
            self.advertised_port = port;
        }
    }
}

/// A `NAME://host:port` entry.
struct Address<'a> {
    name: String,
    host: &'a str,
    port: u16,
}

/// `as_voter` is where the configuration says that this node is reached by other voters: the first controller listener
/// is told so if nothing else says where it is.
pub(super) fn parse(
    properties: &Properties,
    as_voter: Option<(&str, u16)>,
    is_sample: bool,
) -> anyhow::Result<Vec<Listener>> {
    let controllers = controller_names(properties);
    ensure!(
        !controllers.is_empty(),
        "Missing required configuration \"controller.listener.names\" which has no default value."
    );
    let bound = addresses(&properties.list(&server::LISTENERS), "listeners")?;
    let mut advertised = BTreeMap::new();
    for address in addresses(&properties.list(&server::ADVERTISED_LISTENERS), "advertised.listeners")? {
        ensure!(
            address.host != "0.0.0.0",
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."
        );
        advertised.insert(address.name.clone(), address);
    }
    let has_advertised = !advertised.is_empty();
    let mut listeners: Vec<Listener> = Vec::with_capacity(bound.len());
    for address in bound {
        protocol(properties, &address.name, &controllers)?;
        ensure!(
            listeners.iter().all(|other| other.name != address.name),
            "listeners: each listener must have a different name, {} is there twice",
            address.name
        );
        let is_controller = controllers.contains(&address.name);
        let told = advertised.remove(&address.name).or_else(|| {
            let (host, port) = as_voter.filter(|_| controllers.first() == Some(&address.name))?;
            is_anywhere(address.host).then(|| Address { name: address.name.clone(), host, port })
        });
        if has_advertised && told.is_none() && !is_controller {
            tracing::warn!(
                listener = address.name,
                "advertised.listeners leaves this listener out, telling where it is bound"
            );
        }
        listeners.push(listener(&address, told.as_ref(), is_controller, is_sample));
    }
    if let Some(name) = advertised.keys().next() {
        bail!("advertised.listeners names {name}, which is not in listeners");
    }
    Ok(listeners)
}

fn listener(
    bound: &Address<'_>,
    told: Option<&Address<'_>>,
    is_controller: bool,
    is_sample: bool,
) -> Listener {
    let told_host = told.map_or(bound.host, |told| told.host);
    let advertised_host = match told_host {
        host if is_anywhere(host) && is_sample => "localhost".to_owned(),
        host if is_anywhere(host) => host_name(),
        host => host.to_owned(),
    };
    Listener {
        name: bound.name.clone(),
        bind_host: bound.host.to_owned(),
        port: bound.port,
        advertised_host,
        advertised_port: told.map_or(bound.port, |told| told.port),
        is_controller,
    }
}

/// Whether a listener is bound to every interface.
fn is_anywhere(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::")
}

/// The name of the listener that brokers use among themselves.
pub(super) fn inter_broker(properties: &Properties) -> String {
    let explicit = properties.text(&server::INTER_BROKER_LISTENER_NAME);
    let name = explicit.or(properties.text(&security::SECURITY_INTER_BROKER_PROTOCOL));
    name.unwrap_or("PLAINTEXT").to_uppercase()
}

/// Brokers must have a listener among themselves.
pub(super) fn check_inter_broker(properties: &Properties, listeners: &[Listener]) -> anyhow::Result<()> {
    let name = inter_broker(properties);
    let brokers: Vec<_> = listeners.iter().filter(|l| !l.is_controller).map(|l| l.name.as_str()).collect();
    ensure!(
        !brokers.is_empty(),
        "There must be at least one broker advertised listener. Perhaps all listeners appear in \
         controller.listener.names?"
    );
    ensure!(
        brokers.contains(&name.as_str()),
        "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on \
         currently configured listeners are {}",
        brokers.join(",")
    );
    Ok(())
}

/// A process that is no controller must know the protocol of the controllers' listeners all the same.
pub(super) fn check_controller_protocol(
    properties: &Properties,
    name: &str,
    controllers: &[String],
) -> anyhow::Result<()> {
    protocol(properties, name, controllers).with_context(|| {
        format!(
            "Controller listener with name {name} defined in controller.listener.names not found in \
             listener.security.protocol.map"
        )
    })
}

/// Only PLAINTEXT is built; every listener must map to it.
fn protocol(properties: &Properties, listener: &str, controllers: &[String]) -> anyhow::Result<()> {
    let map = properties.text(&server::LISTENER_SECURITY_PROTOCOL_MAP).unwrap_or_default();
    let is_explicit = properties.explicit(&server::LISTENER_SECURITY_PROTOCOL_MAP).is_some();
    let mapped = map.split(',').filter_map(|pair| pair.split_once(':'));
    let mapped = mapped.map(|(name, protocol)| (name.trim().to_uppercase(), protocol.trim().to_uppercase()));
    let protocol = mapped.filter(|(name, _)| name == listener).map(|(_, protocol)| protocol).next();
    match protocol.as_deref() {
        Some("PLAINTEXT") => Ok(()),
        Some(protocol @ ("SSL" | "SASL_PLAINTEXT" | "SASL_SSL")) => {
            bail!("listener {listener} asks for {protocol}: security is not built yet, only PLAINTEXT is")
        }
        Some(other) => bail!("listener.security.protocol.map: {other} is not a security protocol"),
        // Kafka's convenience: without an explicit map, controller listeners are PLAINTEXT.
        None if !is_explicit && controllers.iter().any(|name| name == listener) => Ok(()),
        None => bail!("No security protocol defined for listener {listener}"),
    }
}

fn addresses<'a>(entries: &[&'a str], key: &str) -> anyhow::Result<Vec<Address<'a>>> {
    entries
        .iter()
        .map(|entry| address(entry).with_context(|| format!("{key}: {entry} is not NAME://host:port")))
        .collect()
}

fn address(entry: &str) -> Option<Address<'_>> {
    let (name, address) = entry.split_once("://").filter(|(name, _)| !name.is_empty())?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(Address { name: name.to_uppercase(), host, port: port.parse().ok()? })
}

/// `controller.listener.names`; brokers reach controllers by the first of them.
pub(super) fn controller_names(properties: &Properties) -> Vec<String> {
    let names = properties.list(&quorum::CONTROLLER_LISTENER_NAMES);
    names.into_iter().map(str::to_uppercase).collect()
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}
