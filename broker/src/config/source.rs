//! The three sources of keys and how they are laid over each other: file, environment, overrides.
//!
//! Environment names follow the public container images: `KAFKA_` is dropped, then `___` is `-`, `__` is `_` and
//! `_` is `.`. `CLUSTER_ID` is the cluster id, `MILENA_INITIAL_CONTROLLERS` (`id@host:port,...`) the first voters of a new
//! quorum.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use bytestring::ByteString;
use milena_core::config::file::entries;
use milena_core::config::{Properties, broker};
use milena_protocol::NodeId;

use super::{unbuilt, voters};

/// The key, in files and overrides, of what containers call `CLUSTER_ID`.
const CLUSTER_ID: &str = "cluster.id";
/// The key, in files and overrides, of what containers call `MILENA_INITIAL_CONTROLLERS`.
const INITIAL_CONTROLLERS: &str = "initial.controllers";
/// What makes an environment a configuration of its own, so that the sample does not lie beneath it.
const IDENTITY: [&str; 5] = [
    "process.roles",
    "node.id",
    "broker.id",
    "controller.quorum.voters",
    "controller.quorum.bootstrap.servers",
];
/// The configuration of a process that was given none, as Kafka's own sample file has it.
const SAMPLE: [(&str, &str); 11] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("log.dirs", "./data"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// What was given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) properties: Properties,
    pub(super) cluster_id: Option<ByteString>,
    pub(super) initial_controllers: Vec<(NodeId, ByteString, u16)>,
    /// Whether the sample lies beneath.
    pub(super) is_sample: bool,
}

impl Given {
    fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        if name == CLUSTER_ID {
            self.cluster_id = Some(ByteString::from(value.trim())).filter(|id| !id.is_empty());
            return Ok(());
        }
        if name == INITIAL_CONTROLLERS {
            let entries = value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            self.initial_controllers =
                entries.map(|entry| voters::voter(name, entry)).collect::<anyhow::Result<_>>()?;
            return Ok(());
        }
        if unbuilt::is_security(name) && broker::key(name).is_none() {
            bail!("{name} is a security key that this version does not enforce");
        }
        Ok(self.properties.set(name, value)?)
    }
}

pub(super) fn read(
    file: Option<&Path>,
    overrides: &[String],
    environment: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<Given> {
    let environment = known(environment);
    let is_sample = file.is_none() && !IDENTITY.iter().any(|name| environment.contains_key(*name));
    let mut given = Given {
        properties: Properties::default(),
        cluster_id: None,
        initial_controllers: Vec::new(),
        is_sample,
    };
    for (name, value) in SAMPLE.iter().filter(|_| is_sample) {
        given.set(name, value)?;
    }
    if let Some(file) = file {
        let path = file.display();
        for (name, value) in properties_of(file)? {
            given.set(&name, &value).with_context(|| format!("{path}: {name}"))?;
        }
    }
    for (name, (variable, value)) in &environment {
        given.set(name, value).with_context(|| format!("environment variable {variable}"))?;
    }
    for entry in overrides {
        let (name, value) =
            entry.split_once('=').with_context(|| format!("--override {entry} is not key=value"))?;
        given.set(name.trim(), value).with_context(|| format!("--override {entry}"))?;
    }
    Ok(given)
}

fn properties_of(file: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let contents = std::fs::read(file).with_context(|| format!("open {}", file.display()))?;
    entries(&contents).with_context(|| format!("read {}", file.display()))
}

/// Key to (variable, value) of every variable that names a key; warns of `KAFKA_` variables that do not.
fn known(environment: impl Iterator<Item = (String, String)>) -> BTreeMap<String, (String, String)> {
    let mut known = BTreeMap::new();
    for (variable, value) in environment {
        let Some(name) = key_of(&variable) else { continue };
        let is_key = broker::key(&name).is_some() || broker::listener_key(&name).is_some();
        if name == CLUSTER_ID || name == INITIAL_CONTROLLERS || is_key || unbuilt::is_security(&name) {
            known.insert(name, (variable, value));
        } else {
            tracing::warn!(variable, "ignoring an environment variable that is no broker key");
        }
    }
    known
}

fn key_of(variable: &str) -> Option<String> {
    if variable == "CLUSTER_ID" {
        return Some(CLUSTER_ID.to_owned());
    }
    if variable == "MILENA_INITIAL_CONTROLLERS" {
        return Some(INITIAL_CONTROLLERS.to_owned());
    }
    let name = variable.strip_prefix("KAFKA_")?.to_lowercase();
    // The longest runs first; control characters stand in for what is replaced already.
    Some(
        name.replace("___", "\u{1}")
            .replace("__", "\u{2}")
            .replace('_', ".")
            .replace('\u{1}', "-")
            .replace('\u{2}', "_"),
    )
}
