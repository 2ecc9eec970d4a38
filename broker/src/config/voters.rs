//! Who votes in the metadata quorum, by one of Kafka's two formats.
//!
//! Static: `controller.quorum.voters` names every voter (kraft.version 0). Dynamic: the voters are recorded in the
//! metadata log itself (kraft.version 1), `controller.quorum.bootstrap.servers` only says where to find it.

use anyhow::{Context as _, bail, ensure};
use milena_core::config::Properties;
use milena_core::config::broker::quorum;
use milena_protocol::NodeId;

/// The format of the voter set; this node is the only member so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voters {
    /// Fixed by the configuration.
    Static,
    /// Recorded in the metadata log.
    Dynamic,
}

impl Voters {
    /// The level of `kraft.version` that such a quorum has.
    pub(crate) fn kraft_version(&self) -> i16 {
        match self {
            Self::Static => 0,
            Self::Dynamic => 1,
        }
    }
}

const MANY: &str = "more than one controller voter is not built yet";

pub(super) fn parse(properties: &Properties, node_id: NodeId) -> anyhow::Result<Voters> {
    let fixed = properties.list(&quorum::CONTROLLER_QUORUM_VOTERS);
    let bootstrap = properties.list(&quorum::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS);
    if fixed.is_empty() {
        ensure!(bootstrap.len() <= 1, "controller.quorum.bootstrap.servers={}: {MANY}", bootstrap.join(","));
        return Ok(Voters::Dynamic);
    }
    ensure!(
        bootstrap.is_empty(),
        "controller.quorum.voters and controller.quorum.bootstrap.servers exclude each other: set one of them"
    );
    let ids = fixed.iter().map(|entry| id_of(entry)).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(ids.len() == 1, "controller.quorum.voters={}: {MANY}", fixed.join(","));
    if ids != [node_id] {
        bail!("node.id={node_id} must be among the voters of controller.quorum.voters={}", fixed.join(","));
    }
    Ok(Voters::Static)
}

fn id_of(entry: &str) -> anyhow::Result<NodeId> {
    let malformed = || format!("controller.quorum.voters: {entry} is not of the form id@host:port");
    let (id, address) = entry.split_once('@').with_context(malformed)?;
    let (_, port) = address.rsplit_once(':').with_context(malformed)?;
    port.parse::<u16>().with_context(malformed)?;
    Ok(NodeId(id.trim().parse().with_context(malformed)?))
}
