//! What every request handler can reach: configuration, metadata image, partitions, coordinators, quorum, metrics.
//!
//! One `Broker` lives as long as the process. Handlers take it by reference and never see a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::metadata::MetadataImage;
use milena_protocol::NodeId;

use crate::config::{Config, Listener};
use crate::connection::RequestMemory;
use crate::coordinator::Coordinators;
use crate::metrics::Metrics;
use crate::partitions::Partitions;
use crate::quorum::QuorumHandle;

/// The parts of a running broker.
pub(crate) struct Broker {
    pub(crate) config: Arc<Config>,
    pub(crate) node_id: NodeId,
    pub(crate) cluster_id: ByteString,
    pub(crate) partitions: Partitions,
    pub(crate) coordinators: Coordinators,
    pub(crate) quorum: QuorumHandle,
    pub(crate) metrics: Metrics,
    pub(crate) request_memory: RequestMemory,
}

impl Broker {
    /// The newest committed metadata this broker has.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.quorum.image()
    }
}

/// Where a connection came from.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    pub(crate) listener: Arc<Listener>,
}

/// What a handler knows of the request beside its body.
pub(crate) struct RequestContext {
    pub(crate) version: i16,
    pub(crate) client_id: ByteString,
    pub(crate) peer: SocketAddr,
    pub(crate) listener: Arc<Listener>,
}
