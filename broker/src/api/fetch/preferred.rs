//! Where a consumer reads best: from a replica in its own rack (KIP-392).
//!
//! Only the leader decides, and only among replicas that are in sync, alive, reachable by the consumer's listener and have
//! what it asks for: itself if it is in the rack, else the one that has most. Source: `RackAwareReplicaSelector` and
//! `ReplicaManager.findPreferredReadReplica` of Apache Kafka.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::config::broker::server;
use milena_core::metadata::MetadataImage;
use milena_protocol::{ErrorCode, NodeId, Offset};

use crate::broker::{Broker, RequestContext};
use crate::partition::{Partition, Read, ReadRequest};

/// The only selector there is, beside the one that always takes the leader.
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/// The choice for one request.
pub(super) struct Selector {
    image: Arc<MetadataImage>,
    node_id: NodeId,
    rack: ByteString,
    listener: String,
}

impl Selector {
    /// `None` where the leader alone is read from.
    pub(super) fn of(broker: &Broker, context: &RequestContext, rack: &ByteString) -> Option<Self> {
        let class = || broker.config.properties.text(&server::REPLICA_SELECTOR_CLASS);
        if rack.is_empty() || class() != Some(RACK_AWARE) {
            return None;
        }
        let (image, listener) = (broker.image(), context.listener.name.clone());
        Some(Self { image, node_id: broker.node_id, rack: rack.clone(), listener })
    }

    /// Reads, or tells whom to ask instead.
    pub(super) fn read(&self, partition: &Partition, request: &ReadRequest) -> Result<Read, ErrorCode> {
        let Some(preferred) = self.prefers(partition, request.offset) else { return partition.read(request) };
        let read = partition.read(&ReadRequest { bytes_max: 0, at_least_one: false, ..*request })?;
        Ok(Read { preferred: Some(preferred), ..read })
    }

    fn prefers(&self, partition: &Partition, offset: Offset) -> Option<NodeId> {
        if !partition.progress().is_leader || self.is_near(self.node_id) {
            return None;
        }
        let near = partition.candidates(offset).into_iter().filter(|candidate| self.is_near(candidate.node));
        near.max_by_key(|candidate| (candidate.log_end, std::cmp::Reverse(candidate.node)))
            .map(|candidate| candidate.node)
    }

    fn is_near(&self, node: NodeId) -> bool {
        let broker = self.image.broker(node).filter(|broker| !broker.fenced);
        broker.is_some_and(|broker| {
            broker.rack.as_ref() == Some(&self.rack) && broker.endpoint(&self.listener).is_some()
        })
    }
}
