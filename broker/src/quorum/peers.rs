//! The way to other replicas of the quorum: one connection to each address for Fetch, one for everything else, so that
//! a vote never waits behind a Fetch that waits for records.
//!
//! Names are resolved anew with every dial. What cannot be delivered comes back at once, and is told apart: a connection
//! that was refused or broke says something about the process at its other end, one that nobody answers does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use milena_client::{ClientError, Connection, Options};
use milena_core::config::broker::quorum;
use milena_core::raft::{Address, Lost, PeerAnswer, PeerRequest};
use milena_protocol::messages::api_versions::ApiVersionsRequest;

use super::wire;
use crate::config::Config;

/// The feature whose levels a new voter is asked for.
const KRAFT_VERSION: &str = "kraft.version";
/// Requests of one replica to another on one connection.
const IN_FLIGHT_MAX: usize = 8;
/// Bytes of an answer beside the records it was asked for.
const ANSWER_OVERHEAD_BYTES: usize = 1 << 20;

/// Requests of Fetch and FetchSnapshot go one way, others the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Fetch,
    Control,
}

/// Open connections; clones share them.
#[derive(Clone)]
pub(super) struct Peers(Arc<Inner>);

struct Inner {
    cluster_id: ByteString,
    listener: ByteString,
    options: Options,
    fetch_bytes_max: i32,
    snapshot_bytes_max: i32,
    connections: Mutex<HashMap<(Address, Lane), Connection>>,
}

impl Peers {
    pub(super) fn new(config: &Config, cluster_id: ByteString) -> Self {
        let timeout_ms = config.properties.int(&quorum::CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS);
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default().max(1));
        let fetch_bytes_max = config.properties.int(&quorum::CONTROLLER_QUORUM_FETCH_MAX_BYTES);
        let snapshot_bytes_max = config.properties.int(&quorum::CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES);
        let records_max = usize::try_from(fetch_bytes_max.max(snapshot_bytes_max)).unwrap_or_default();
        let batch_max = config.properties.int(&quorum::INTERNAL_METADATA_MAX_BATCH_SIZE_IN_BYTES);
        let batch_max = usize::try_from(batch_max).unwrap_or_default();
        Self(Arc::new(Inner {
            cluster_id,
            listener: config.controller_listener_name(),
            options: Options {
                client_id: format!("raft-client-{}", config.node_id).into(),
                connect_timeout: timeout,
                request_timeout: timeout,
                in_flight_max: IN_FLIGHT_MAX,
                response_bytes_max: records_max.max(batch_max) + ANSWER_OVERHEAD_BYTES,
            },
            fetch_bytes_max,
            snapshot_bytes_max,
            connections: Mutex::default(),
        }))
    }

    /// Asks the replica at `to`.
    pub(super) async fn ask(&self, to: &Address, request: PeerRequest) -> Result<PeerAnswer, Lost> {
        let is_fetch = matches!(request, PeerRequest::Fetch(_) | PeerRequest::FetchSnapshot { .. });
        let lane = if is_fetch { Lane::Fetch } else { Lane::Control };
        let began = Instant::now();
        let answer = self.send(to, lane, request).await;
        answer.map_err(|error| {
            tracing::debug!(host = %to.host, port = to.port, %error, "a replica of the quorum did not answer");
            match error {
                ClientError::Version { .. } => Lost::Unsupported,
                ClientError::Timeout { .. } => Lost::TimedOut,
                // A dial that nobody answered.
                _ if began.elapsed() >= self.0.options.connect_timeout => Lost::TimedOut,
                _ => Lost::Closed,
            }
        })
    }

    async fn connection(&self, to: &Address, lane: Lane) -> Result<Connection, ClientError> {
        let key = (to.clone(), lane);
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(connection) = open.filter(|connection| !connection.is_closed()) {
            return Ok(connection);
        }
        let connection = Connection::dial(&dialled(to), self.0.options.clone()).await?;
        let mut connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|_, connection| !connection.is_closed());
        connections.insert(key, connection.clone());
        Ok(connection)
    }

    async fn send(&self, to: &Address, lane: Lane, request: PeerRequest) -> Result<PeerAnswer, ClientError> {
        let connection = self.connection(to, lane).await?;
        let (cluster, listener) = (&self.0.cluster_id, &self.0.listener);
        Ok(match request {
            PeerRequest::Vote(request) => {
                let asked = wire::vote_request(&request, cluster);
                // Whoever does not know pre-votes must not take one for a vote.
                let known = connection.versions().highest(52, 2..=2);
                if request.pre_vote && known.is_none() {
                    let address = connection.address().to_owned();
                    return Err(ClientError::Version { address, api: "VoteRequest" });
                }
                wire::from_vote_response(connection.send(&asked).await?, listener)
            }
            PeerRequest::BeginEpoch { leader, epoch, voter, endpoints } => {
                let asked = wire::begin_request((leader, epoch), voter, &endpoints, cluster);
                wire::from_begin_response(connection.send(&asked).await?, listener)
            }
            PeerRequest::EndEpoch { leader, epoch, successors, endpoints } => {
                let asked = wire::end_request((leader, epoch), &successors, &endpoints, cluster);
                wire::from_end_response(connection.send(&asked).await?, listener)
            }
            PeerRequest::Fetch(request) => {
                let asked = wire::fetch_request(&request, cluster, self.0.fetch_bytes_max);
                wire::from_fetch_response(connection.send(&asked).await?, listener)
            }
            PeerRequest::FetchSnapshot { replica, epoch, id, position } => {
                let bounds = (cluster, self.0.snapshot_bytes_max);
                let asked = wire::snapshot_request((replica, epoch), id, position, bounds);
                wire::from_snapshot_response(connection.send(&asked).await?, listener)
            }
            PeerRequest::ApiVersions => {
                // Brokers refuse the request of a client that does not name itself.
                let asked = ApiVersionsRequest {
                    client_software_name: ByteString::from_static("milena"),
                    client_software_version: ByteString::from_static(env!("CARGO_PKG_VERSION")),
                };
                let answer = connection.send(&asked).await?;
                let levels = answer.supported_features.iter().find(|feature| feature.name == KRAFT_VERSION);
                PeerAnswer::KraftVersions(levels.map(|levels| levels.min_version..=levels.max_version))
            }
            PeerRequest::AddVoter { voter, ack_when_committed, timeout_ms } => {
                let asked = wire::add_request(&voter, ack_when_committed, timeout_ms, cluster);
                let answer = connection.send(&asked).await?;
                membership(answer.error_code, answer.error_message)
            }
            PeerRequest::RemoveVoter(key) => {
                let answer = connection.send(&wire::remove_request(key, cluster)).await?;
                membership(answer.error_code, answer.error_message)
            }
            PeerRequest::UpdateVoter { voter, epoch } => {
                let asked = wire::update_request(&voter, epoch, cluster);
                wire::from_update_response(connection.send(&asked).await?, listener)
            }
        })
    }
}

fn membership(error: i16, message: Option<ByteString>) -> PeerAnswer {
    PeerAnswer::Membership { error: error.into(), message: message.map(|message| message.to_string()) }
}

fn dialled(to: &Address) -> String {
    if to.host.contains(':') {
        format!("[{}]:{}", to.host, to.port)
    } else {
        format!("{}:{}", to.host, to.port)
    }
}
