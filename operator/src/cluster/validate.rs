//! Spec -> `ValidatedCluster`, or the reason why not. Pure: what the API server's own rules let through ends here.

use std::collections::BTreeMap;
use std::ops::Range;

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use kube::ResourceExt;
use milena_core::config::{Properties, broker as registry};
use thiserror::Error;

use crate::crd::{Controllers, KafkaCluster, Listener, ListenerType, PodTemplate, Storage};
use crate::names::{CONTROLLER_PORT, ClusterKey, FIRST_CONTROLLER_ID, HTTP_PORT, REPLICATION_PORT, Role};

/// Brokers at most: node ids beyond are the controllers'.
const BROKERS_MAX: i32 = FIRST_CONTROLLER_ID;
const CONTROLLERS_MAX: i32 = 9;
/// Brokers that form the metadata quorum, where there are that many and no controllers are dedicated.
const COMBINED_CONTROLLERS: i32 = 3;
/// Keys whose value is a number of replicas.
const REPLICATION_KEYS: [&str; 4] = [
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "share.coordinator.state.topic.replication.factor",
    "transaction.state.log.replication.factor",
];
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
    /// Dedicated ones; without, the first brokers are the controllers.
    pub(crate) controllers: Option<Controllers>,
    /// Whether replicas may be moved to even out the brokers.
    pub(crate) rebalance: bool,
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

impl ValidatedCluster {
    /// The roles whose pods the cluster has.
    pub(crate) fn roles(&self) -> impl Iterator<Item = Role> + use<'_> {
        Role::ALL.into_iter().filter(|role| self.replicas(*role) > 0)
    }

    pub(crate) fn replicas(&self, role: Role) -> i32 {
        match role {
            Role::Broker => self.brokers,
            Role::Controller => self.controllers.as_ref().map_or(0, |controllers| controllers.replicas),
        }
    }

    /// The node ids of a role.
    pub(crate) fn ids(&self, role: Role) -> Range<i32> {
        role.first_id()..role.first_id() + self.replicas(role)
    }

    /// Whether the cluster is a single node, which has nobody to be asked about.
    pub(crate) fn is_single(&self) -> bool {
        self.brokers == 1 && self.controllers.is_none()
    }

    /// The role of the nodes of the metadata quorum.
    pub(crate) fn voting_role(&self) -> Role {
        if self.controllers.is_some() { Role::Controller } else { Role::Broker }
    }

    /// The nodes that shall form the metadata quorum. Two brokers have a quorum of one: two would survive no failure either.
    pub(crate) fn voters(&self) -> Range<i32> {
        match self.controllers {
            Some(_) => self.ids(Role::Controller),
            None if self.brokers < COMBINED_CONTROLLERS => 0..1,
            None => 0..COMBINED_CONTROLLERS,
        }
    }
}

/// Why a cluster is not built. The variant's name is the reason in conditions, Events and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("brokers: {brokers} is not between 1 and {BROKERS_MAX}")]
    InvalidBrokers { brokers: i32 },
    #[error("controllers: {0} is not an odd number of 1 to {CONTROLLERS_MAX}")]
    InvalidControllers(i32),
    #[error(
        "{}s: the cluster has {has}, the spec asks for {wants}; this version cannot take any away: set the number back to {has}",
        role.as_str()
    )]
    Shrinking { role: Role, has: i32, wants: i32 },
    #[error("config: {key}: {wants} replicas need as many brokers, the cluster has {brokers}")]
    NotEnoughBrokers { key: String, wants: i32, brokers: i32 },
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
            Self::InvalidBrokers { .. } => "InvalidBrokers",
            Self::InvalidControllers(_) => "InvalidControllers",
            Self::Shrinking { .. } => "ShrinkingRefused",
            Self::NotEnoughBrokers { .. } => "NotEnoughBrokers",
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
        return Err(Refusal::InvalidBrokers { brokers: spec.brokers });
    }
    check_storage(&spec.storage)?;
    if let Some(controllers) = &spec.controllers {
        if !(1..=CONTROLLERS_MAX).contains(&controllers.replicas) || controllers.replicas % 2 == 0 {
            return Err(Refusal::InvalidControllers(controllers.replicas));
        }
        check_storage(&controllers.storage)?;
    }
    Ok(ValidatedCluster {
        key: ClusterKey::new(cluster.namespace().unwrap_or_default(), cluster.name_any()),
        uid: cluster.uid().unwrap_or_default(),
        brokers: spec.brokers,
        controllers: spec.controllers.clone(),
        rebalance: spec.rebalance,
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

/// Stands on every path that changes how many pods there are: none may go before what it has was moved elsewhere.
pub(crate) fn may_resize(role: Role, has: i32, wants: i32) -> Result<(), Refusal> {
    if wants < has { Err(Refusal::Shrinking { role, has, wants }) } else { Ok(()) }
}

fn check_storage(storage: &Storage) -> Result<(), Refusal> {
    if storage.size.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(());
    }
    Err(Refusal::InvalidStorage(storage.size.clone()))
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
    check_replicas(&config, cluster.spec.brokers)?;
    Ok(config)
}

/// A topic that needs more brokers than there are could never be created.
fn check_replicas(config: &BTreeMap<String, String>, brokers: i32) -> Result<(), Refusal> {
    for key in REPLICATION_KEYS {
        let wants = config.get(key).and_then(|value| value.trim().parse().ok()).unwrap_or(1);
        if wants > brokers {
            return Err(Refusal::NotEnoughBrokers { key: key.to_owned(), wants, brokers });
        }
    }
    Ok(())
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
