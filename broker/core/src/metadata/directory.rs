//! Log directories as the metadata knows them: ids that stand for no directory, and which ones of a broker are at hand.
//!
//! Source: KIP-858; `DirectoryId` of Apache Kafka.

use milena_protocol::{NodeId, Uuid};

use super::{BrokerImage, MetadataImage, PartitionImage};

/// Nobody has said where the replica is: its record is older than KIP-858.
pub const MIGRATING: Uuid = Uuid::nil();
/// The broker has not decided yet where to put the replica.
pub const UNASSIGNED: Uuid = Uuid::from_u128(1);
/// The replica is in a directory that is offline, it is not known which.
pub const LOST: Uuid = Uuid::from_u128(2);

/// Ids below are reserved.
const RESERVED: u128 = 100;

/// Whether no directory may have the id `directory`.
pub fn is_reserved(directory: Uuid) -> bool {
    directory.as_u128() < RESERVED
}

impl BrokerImage {
    /// Whether a replica in `directory` of this broker can be used. A broker that named no directories has all it needs.
    pub fn has_online(&self, directory: Uuid) -> bool {
        match directory {
            UNASSIGNED | MIGRATING => true,
            LOST => false,
            _ => self.log_dirs.is_empty() || self.log_dirs.contains(&directory),
        }
    }

    /// Whether some directory of this broker takes new replicas.
    pub fn takes_replicas(&self) -> bool {
        let cordoned = self.cordoned_log_dirs.as_deref().unwrap_or_default();
        self.log_dirs.is_empty() || self.log_dirs.iter().any(|directory| !cordoned.contains(directory))
    }

    /// Whether this broker may lead: neither fenced nor on its way out.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

impl PartitionImage {
    /// Where the replica of `node` is; `None` if it has none.
    pub fn directory(&self, node: NodeId) -> Option<Uuid> {
        let place = self.replicas.iter().position(|replica| *replica == node)?;
        Some(self.directories.get(place).copied().unwrap_or(MIGRATING))
    }

    /// Whether replicas come or go.
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    /// Whether the first replica leads.
    pub fn has_preferred_leader(&self) -> bool {
        self.replicas.first() == Some(&self.leader)
    }
}

impl MetadataImage {
    /// Where a new replica goes on the broker `node`: its only directory, or wherever it decides.
    pub fn default_directory(&self, node: NodeId) -> Uuid {
        match self.broker(node).map(|broker| broker.log_dirs.as_slice()) {
            Some([]) => MIGRATING,
            Some([only]) => *only,
            _ => UNASSIGNED,
        }
    }

    /// Whether the broker `node` may lead.
    pub fn is_active(&self, node: NodeId) -> bool {
        self.broker(node).is_some_and(BrokerImage::is_active)
    }
}
