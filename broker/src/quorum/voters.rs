//! Voters as the log records them, and as the quorum counts them.

use milena_core::raft::{Address, Endpoint, ReplicaKey, Voter, VoterSet};
use milena_protocol::messages::control_records::VotersRecord;
use milena_protocol::messages::control_records::voters_record::{
    Endpoint as RecordedEndpoint, KRaftVersionFeature, Voter as RecordedVoter,
};
use milena_protocol::{NodeId, Uuid};

use super::format;
use crate::config::{Config, Listener, Voters};

/// `kraft.version` of voters that the log records.
pub(super) const KRAFT_VERSION: i16 = 1;

/// The voters that a record names.
pub(super) fn from_record(record: &VotersRecord) -> VoterSet {
    let voter = |voter: &RecordedVoter| Voter {
        key: ReplicaKey { id: NodeId(voter.voter_id), directory_id: voter.voter_directory_id },
        endpoints: voter.endpoints.iter().map(recorded_endpoint).collect(),
        kraft_versions: voter.kraft_version_feature.min_supported_version
            ..=voter.kraft_version_feature.max_supported_version,
    };
    let mut voters: Vec<Voter> = record.voters.iter().map(voter).collect();
    voters.sort_by_key(|voter| voter.key);
    VoterSet { kraft_version: KRAFT_VERSION, voters }
}

fn recorded_endpoint(at: &RecordedEndpoint) -> Endpoint {
    Endpoint { name: at.name.clone(), address: Address { host: at.host.clone(), port: at.port } }
}

/// The record that names `voters`.
pub(super) fn to_record(voters: &VoterSet) -> VotersRecord {
    let voter = |voter: &Voter| RecordedVoter {
        voter_id: voter.key.id.0,
        voter_directory_id: voter.key.directory_id,
        endpoints: voter
            .endpoints
            .iter()
            .map(|at| RecordedEndpoint {
                name: at.name.clone(),
                host: at.address.host.clone(),
                port: at.address.port,
            })
            .collect(),
        kraft_version_feature: KRaftVersionFeature {
            min_supported_version: *voter.kraft_versions.start(),
            max_supported_version: *voter.kraft_versions.end(),
        },
    };
    VotersRecord { version: 0, voters: voters.voters.iter().map(voter).collect() }
}

/// The voters that a log begins with: those that its snapshot names, else those of the configuration, else those that the
/// formatter chose for a directory without a log.
pub(super) fn first(config: &Config, recorded: VoterSet, dir: (&str, Uuid), is_empty: bool) -> VoterSet {
    if !recorded.voters.is_empty() {
        return recorded;
    }
    match (config.voters.is_static(), is_empty) {
        (true, _) => configured(config),
        // A directory that another formatter prepared may say nothing of voters.
        (false, true) => initial(config, dir.0, dir.1),
        (false, false) => recorded,
    }
}

/// The voters that the configuration names; nobody where the log does.
fn configured(config: &Config) -> VoterSet {
    let Voters::Static(voters) = &config.voters else { return VoterSet::default() };
    let listener = config.controller_listener_name();
    let voter = |(id, host, port): &(NodeId, _, _)| Voter {
        key: ReplicaKey { id: *id, directory_id: Uuid::nil() },
        endpoints: vec![Endpoint {
            name: listener.clone(),
            address: Address { host: bytestring::ByteString::clone(host), port: *port },
        }],
        kraft_versions: 0..=KRAFT_VERSION,
    };
    let mut voters: Vec<Voter> = voters.iter().map(voter).collect();
    voters.sort_by_key(|voter| voter.key);
    VoterSet { kraft_version: 0, voters }
}

/// Where the configuration says that a leader may be found.
pub(super) fn bootstrap(config: &Config) -> Vec<Address> {
    let Voters::Dynamic { bootstrap } = &config.voters else { return Vec::new() };
    bootstrap.iter().map(|(host, port)| Address { host: host.clone(), port: *port }).collect()
}

/// The voters that a new quorum begins with: those that the configuration calls initial controllers, with the
/// directory ids that follow from the cluster's; this node alone where nobody else is named; nobody where this node is
/// to join others.
pub(super) fn initial(config: &Config, cluster_id: &str, directory_id: Uuid) -> VoterSet {
    let Some(own) = config.controller_listener() else { return VoterSet::default() };
    let voter = |id: NodeId, directory_id: Uuid, address: Address| Voter {
        key: ReplicaKey { id, directory_id },
        endpoints: vec![Endpoint { name: own.name.as_str().into(), address }],
        kraft_versions: 0..=KRAFT_VERSION,
    };
    let mut voters = Vec::new();
    for (id, host, port) in &config.initial_controllers {
        let address = Address { host: host.clone(), port: *port };
        voters.push(voter(*id, format::derived_id(cluster_id, id.0), address));
    }
    if voters.is_empty() && bootstrap(config).iter().all(|address| is_own(own, address)) {
        let address = Address { host: own.advertised_host.as_str().into(), port: own.advertised_port };
        voters.push(voter(config.node_id, directory_id, address));
    }
    voters.sort_by_key(|voter| voter.key);
    VoterSet { kraft_version: KRAFT_VERSION, voters }
}

/// Whether `address` is that of this node's controller listener, by one of the names it can have here.
fn is_own(own: &Listener, address: &Address) -> bool {
    let host = &*address.host;
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "::1");
    address.port == own.advertised_port && (is_here || host == own.advertised_host || host == own.bind_host)
}

/// Where the controller listeners of this process are reached.
pub(super) fn own_endpoints(config: &Config) -> Vec<Endpoint> {
    let endpoint = |listener: &Listener| Endpoint {
        name: listener.name.as_str().into(),
        address: Address { host: listener.advertised_host.as_str().into(), port: listener.advertised_port },
    };
    config.listeners.iter().filter(|listener| listener.is_controller).map(endpoint).collect()
}
