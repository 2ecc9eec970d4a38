//! Spec -> `ValidatedCluster`, or the reason why not. Pure: what the API server's own rules let through ends here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use kube::ResourceExt;
use milena_core::config::{Properties, broker as registry};
use thiserror::Error;

use crate::crd::{KafkaCluster, Listener, ListenerType, PodTemplate, Storage};
use crate::names::{CONTROLLER_PORT, ClusterKey, HTTP_PORT, REPLICATION_PORT};

/// Brokers beyond this need replication between brokers.
const BROKERS_MAX: i32 = 1;
/// The listener of a cluster that names none.
const DEFAULT_LISTENER: (&str, i32) = ("plain", 9092);
const RESERVED_LISTENERS: [&str; 3] = ["controller", "replication", "http"];
const RESERVED_PORTS: [i32; 3] = [REPLICATION_PORT, CONTROLLER_PORT, HTTP_PORT];
/// Broker keys that the operator writes itself, because they describe the cluster that it builds.
const OWNED_KEYS: [&str; 17] = [
    "advertised.listeners",
    "broker.id",
    "broker.id.generation.enable",
    "broker.rack",
    "cluster.id",
    "control.plane.listener.name",
    "controller.listener.names",
    "early.start.listeners",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "process.roles",
    "security.inter.broker.protocol",
];
const OWNED_PREFIX: &str = "controller.quorum.";

/// Everything that `build` needs, checked once; no step after this one sees the raw spec.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidatedCluster {
    pub(crate) key: ClusterKey,
    pub(crate) uid: String,
    pub(crate) brokers: i32,
    pub(crate) image: String,
    pub(crate) image_pull_secrets: Vec<LocalObjectReference>,
    pub(crate) storage: Storage,
    /// At least one.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) resources: Option<ResourceRequirements>,
    pub(crate) template: PodTemplate,
    pub(crate) delete_claims: bool,
}

/// Why a cluster is not built. The variant's name is the reason in conditions, Events and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error(
        "brokers: {brokers} needs replication between brokers, which this version does not have yet; set brokers to 1"
    )]
    ReplicationNotBuilt { brokers: i32 },
    #[error("config: {} {} the operator's own", .keys.join(", "), if .keys.len() == 1 { "is" } else { "are" })]
    OperatorOwnedKey { keys: Vec<String> },
    #[error("config: {key}: {problem}")]
    InvalidConfig { key: String, problem: String },
    #[error("listeners: {0}")]
    InvalidListener(String),
    #[error("storage: size {0:?} is not a positive quantity")]
    InvalidStorage(String),
}

impl Refusal {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ReplicationNotBuilt { .. } => "ReplicationNotBuilt",
            Self::OperatorOwnedKey { .. } => "OperatorOwnedKey",
            Self::InvalidConfig { .. } => "InvalidConfig",
            Self::InvalidListener(_) => "InvalidListener",
            Self::InvalidStorage(_) => "InvalidStorage",
        }
    }
}

/// Checks `cluster`; `default_image` stands in where it names none.
pub(crate) fn validate(cluster: &KafkaCluster, default_image: &str) -> Result<ValidatedCluster, Refusal> {
    let spec = &cluster.spec;
    if !(1..=BROKERS_MAX).contains(&spec.brokers) {
        return Err(Refusal::ReplicationNotBuilt { brokers: spec.brokers });
    }
    if !spec.storage.size.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Refusal::InvalidStorage(spec.storage.size.clone()));
    }
    Ok(ValidatedCluster {
        key: ClusterKey::new(cluster.namespace().unwrap_or_default(), cluster.name_any()),
        uid: cluster.uid().unwrap_or_default(),
        brokers: spec.brokers,
        image: spec.image.clone().unwrap_or_else(|| default_image.to_owned()),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        storage: spec.storage.clone(),
        listeners: listeners(&spec.listeners)?,
        config: config(cluster)?,
        resources: spec.resources.clone(),
        template: spec.pod_template.clone(),
        delete_claims: spec.delete_claims,
    })
}

fn listeners(listeners: &[Listener]) -> Result<Vec<Listener>, Refusal> {
    let refuse = |text: String| Err(Refusal::InvalidListener(text));
    for (index, listener) in listeners.iter().enumerate() {
        if RESERVED_LISTENERS.contains(&listener.name.as_str()) {
            return refuse(format!("{} is the operator's own", listener.name));
        }
        if RESERVED_PORTS.contains(&listener.port) {
            return refuse(format!("port {} of {} is the operator's own", listener.port, listener.name));
        }
        let earlier = &listeners[..index];
        if let Some(other) =
            earlier.iter().find(|other| other.port == listener.port || other.name == listener.name)
        {
            return refuse(format!("{} and {} need names and ports of their own", other.name, listener.name));
        }
    }
    if listeners.is_empty() {
        let (name, port) = DEFAULT_LISTENER;
        return Ok(vec![Listener { name: name.to_owned(), port, kind: ListenerType::ClusterIP }]);
    }
    Ok(listeners.to_vec())
}

fn config(cluster: &KafkaCluster) -> Result<BTreeMap<String, String>, Refusal> {
    let owned = |key: &&String| OWNED_KEYS.contains(&key.as_str()) || key.starts_with(OWNED_PREFIX);
    let keys: Vec<_> = cluster.spec.config.keys().filter(owned).cloned().collect();
    if !keys.is_empty() {
        return Err(Refusal::OperatorOwnedKey { keys });
    }
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if let Some(key) = cluster.spec.config.keys().find(|key| !is_key(key)) {
        return Err(Refusal::InvalidConfig {
            key: key.clone(),
            problem: "is not the name of a Kafka key".to_owned(),
        });
    }
    let text = |(key, value): (&String, &crate::crd::ConfigValue)| match value.text() {
        Some(text) if !text.contains(['\n', '\r']) => Ok((key.clone(), text)),
        Some(_) => {
            Err(Refusal::InvalidConfig { key: key.clone(), problem: "a value has one line".to_owned() })
        }
        None => Err(Refusal::InvalidConfig {
            key: key.clone(),
            problem: "a value is text, a number or a flag".to_owned(),
        }),
    };
    let config: BTreeMap<_, _> = cluster.spec.config.iter().map(text).collect::<Result<_, _>>()?;
    check_keys(&config)?;
    Ok(config)
}

/// A broker does not start with a key that it does not know or cannot read: better no change than no broker.
fn check_keys(config: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let mut properties = Properties::default();
    for (key, value) in config {
        let refuse = |problem: String| Err(Refusal::InvalidConfig { key: key.clone(), problem });
        if let Err(error) = properties.set(key, value) {
            return refuse(error.to_string());
        }
        let default = registry::key(key).and_then(|known| known.default).unwrap_or_default();
        if registry::is_security(key) && value.trim() != default {
            return refuse("is a security key, which this version does not enforce".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
