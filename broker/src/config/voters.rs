//! Who votes in the metadata quorum, by one of Kafka's two formats.
//!
//! Static: `controller.quorum.voters` names every voter (kraft.version 0). Dynamic: the voters are recorded in the
//! metadata log itself (kraft.version 1), `controller.quorum.bootstrap.servers` only says where to find it.

use anyhow::{Context as _, bail, ensure};
use bytestring::ByteString;
use milena_core::config::Properties;
use milena_core::config::broker::quorum;
use milena_protocol::NodeId;

/// The format of the voter set, and what the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Voters {
    /// Fixed by the configuration: id, host and port of each controller listener, in the order of the configuration.
    Static(Vec<(NodeId, ByteString, u16)>),
    /// Recorded in the metadata log.
    Dynamic {
        /// Host and port of controller listeners where the log may be found; none in a process that needs nobody.
        bootstrap: Vec<(ByteString, u16)>,
    },
}

impl Voters {
    /// Whether the configuration names every voter.
    pub(crate) fn is_static(&self) -> bool {
        matches!(self, Self::Static(_))
    }

    /// Where the configuration says that `node` is reached.
    pub(super) fn address_of(&self, node: NodeId) -> Option<(&str, u16)> {
        let Self::Static(voters) = self else { return None };
        voters.iter().find(|(id, ..)| *id == node).map(|(_, host, port)| (&**host, *port))
    }

    /// The ids of static voters as Kafka's messages show them.
    pub(super) fn shown_ids(&self) -> String {
        let Self::Static(voters) = self else { return "Set()".to_owned() };
        let ids: Vec<String> = voters.iter().map(|(id, ..)| id.to_string()).collect();
        format!("Set({})", ids.join(", "))
    }
}

pub(super) fn parse(properties: &Properties) -> anyhow::Result<Voters> {
    let fixed = properties.list(&quorum::CONTROLLER_QUORUM_VOTERS);
    let bootstrap = properties.list(&quorum::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS);
    ensure!(
        fixed.is_empty() || bootstrap.is_empty(),
        "controller.quorum.voters and controller.quorum.bootstrap.servers exclude each other: set one of them"
    );
    if fixed.is_empty() {
        let address = |entry: &&str| {
            address(entry).with_context(|| {
                format!(
                    "Failed to parse host and port from {entry} for the configuration \
                     controller.quorum.bootstrap.servers. Each entry should be in the form \"{{host}}:{{port}}\""
                )
            })
        };
        return Ok(Voters::Dynamic { bootstrap: bootstrap.iter().map(address).collect::<Result<_, _>>()? });
    }
    let mut voters: Vec<(NodeId, ByteString, u16)> = Vec::with_capacity(fixed.len());
    for entry in fixed {
        let voter = voter("controller.quorum.voters", entry)?;
        if voters.iter().any(|(id, ..)| *id == voter.0) {
            bail!("controller.quorum.voters: node {} is there twice", voter.0);
        }
        voters.push(voter);
    }
    Ok(Voters::Static(voters))
}

/// A voter as `key` names it.
pub(super) fn voter(key: &str, entry: &str) -> anyhow::Result<(NodeId, ByteString, u16)> {
    let malformed = || format!("{key}: {entry} is not of the form id@host:port");
    let (id, at) = entry.split_once('@').with_context(malformed)?;
    let (host, port) = address(at).with_context(malformed)?;
    ensure!(&*host != "0.0.0.0", "Host string ({host}) is not routeable");
    let id: i32 = id.trim().parse().with_context(malformed)?;
    ensure!(id >= 0, malformed());
    Ok((NodeId(id), host, port))
}

fn address(entry: &str) -> Option<(ByteString, u16)> {
    let (host, port) = entry.trim().rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then_some((ByteString::from(host), port.parse().ok()?))
}
