//! What this process was told to be: node id, roles, listeners, data directories, voters, and every broker key.
//!
//! Read once at the start from a `server.properties`, the `KAFKA_*` environment and `--override`s, weakest first;
//! without any of them the process is a broker on localhost:9092 with its data in `./data`. Nothing is ignored in
//! silence: an unknown key of a file or an override, and every key that promises what is not built, stops the start with
//! one line. Unknown environment names only warn, because compose files set KAFKA_HEAP_OPTS and Kubernetes
//! injects KAFKA_PORT.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytestring::ByteString;
use milena_core::config::Properties;
use milena_core::config::broker::{log, quorum, server};
use milena_protocol::NodeId;

mod limits;
mod listeners;
mod live;
mod roles;
mod source;
mod unbuilt;
mod voters;

pub(crate) use listeners::Listener;
pub(crate) use live::LiveProperties;
pub(crate) use roles::Roles;
pub(crate) use voters::Voters;

/// A validated configuration. Listener ports are final once the server has bound them.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) node_id: NodeId,
    pub(crate) roles: Roles,
    /// Every listener, client and controller ones alike, in the order of `listeners`.
    pub(crate) listeners: Vec<Listener>,
    /// The directories of the partitions, at least one, each once.
    pub(crate) log_dirs: Vec<PathBuf>,
    /// The directory of the metadata log, often one of them.
    pub(crate) metadata_dir: PathBuf,
    /// The cluster this process should belong to: formats an empty directory, is checked against a formatted one.
    pub(crate) cluster_id: Option<ByteString>,
    pub(crate) rack: Option<ByteString>,
    pub(crate) voters: Voters,
    /// Who votes first in a quorum that is recorded in its log: id, host and port. Read when a directory is formatted.
    pub(crate) initial_controllers: Vec<(NodeId, ByteString, u16)>,
    /// Every key that was set; unset ones answer their defaults. What may change while the broker runs is read from
    /// [`LiveProperties`] instead.
    pub(crate) properties: Properties,
}

impl Config {
    /// Reads the configuration from its three sources.
    ///
    /// # Errors
    /// One line for a key that is unknown, wrong, or promises what is not built.
    pub fn load(
        file: Option<&Path>,
        overrides: &[String],
        environment: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let given = source::read(file, overrides, environment)?;
        unbuilt::refuse(&given.properties)?;
        let mut properties = given.properties;
        let roles = roles::parse(&properties)?;
        let node_id = node_id(&properties)?;
        // Either name stands for both.
        for key in [&quorum::NODE_ID, &quorum::BROKER_ID] {
            properties.set(key.name, &node_id.to_string())?;
        }
        let voters = voters::parse(&properties)?;
        let parsed = listeners::parse(&properties, voters.address_of(node_id), given.is_sample)?;
        roles::check(roles, &properties, node_id, &voters, &parsed)?;
        limits::check(&properties)?;
        let log_dirs = log_dirs(&properties)?;
        let metadata_dir = properties.explicit(&quorum::METADATA_LOG_DIR).map(PathBuf::from);
        Ok(Self {
            node_id,
            roles,
            voters,
            initial_controllers: given.initial_controllers,
            listeners: parsed,
            metadata_dir: metadata_dir.unwrap_or_else(|| log_dirs[0].clone()),
            log_dirs,
            cluster_id: given.cluster_id,
            // Kubernetes sets the variable to nothing where a node is in no zone.
            rack: properties.text(&quorum::BROKER_RACK).filter(|it| !it.is_empty()).map(ByteString::from),
            properties,
        })
    }

    /// `connections.max.idle.ms`; `None` for never.
    pub(crate) fn connections_max_idle(&self) -> Option<Duration> {
        u64::try_from(self.properties.long(&server::CONNECTIONS_MAX_IDLE_MS)).ok().map(Duration::from_millis)
    }

    /// `socket.request.max.bytes`.
    pub(crate) fn socket_request_max_bytes(&self) -> usize {
        usize::try_from(self.properties.int(&server::SOCKET_REQUEST_MAX_BYTES)).unwrap_or_default()
    }

    /// `auto.create.topics.enable`.
    pub(crate) fn auto_create_topics_enable(&self) -> bool {
        self.properties.boolean(&server::AUTO_CREATE_TOPICS_ENABLE)
    }

    /// The name of the listener that brokers use among themselves.
    pub(crate) fn inter_broker_listener(&self) -> String {
        listeners::inter_broker(&self.properties)
    }

    /// The listener by which controllers are reached, this one's or others'.
    pub(crate) fn controller_listener_name(&self) -> ByteString {
        let named = self.properties.list(&quorum::CONTROLLER_LISTENER_NAMES);
        named.first().map(|name| ByteString::from(*name)).unwrap_or_default()
    }

    /// The listener of the controller's traffic.
    pub(crate) fn controller_listener(&self) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.is_controller)
    }
}

fn node_id(properties: &Properties) -> anyhow::Result<NodeId> {
    let node = properties.integer(&quorum::NODE_ID);
    let broker = properties.integer(&quorum::BROKER_ID).filter(|id| *id >= 0);
    if let (Some(node), Some(broker)) = (node, broker) {
        ensure!(node == broker, "You must set `node.id` to the same value as `broker.id`.");
    }
    let id =
        node.or(broker).context("Missing required configuration \"node.id\" which has no default value.")?;
    Ok(NodeId(i32::try_from(id)?))
}

fn log_dirs(properties: &Properties) -> anyhow::Result<Vec<PathBuf>> {
    let key = if properties.explicit(&log::LOG_DIRS).is_some() { &log::LOG_DIRS } else { &log::LOG_DIR };
    let directories: Vec<PathBuf> = properties.list(key).into_iter().map(PathBuf::from).collect();
    ensure!(!directories.is_empty(), "{} names no directory", key.name);
    Ok(directories)
}

#[cfg(test)]
mod tests;
