//! What the controller is configured with.

use std::collections::BTreeSet;

use bytestring::ByteString;
use milena_protocol::NodeId;

use crate::config::Properties;
use crate::config::broker::{log, quorum, server};

/// What the controller is configured with, and what it is told of its quorum.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `node.id`.
    pub node_id: NodeId,
    /// The id of the cluster.
    pub cluster_id: ByteString,
    /// The level of `kraft.version`.
    pub kraft_version: i16,
    /// The highest level of it that every voter is known to know.
    pub kraft_version_max: i16,
    /// The voters of the quorum, this node among them.
    pub voters: BTreeSet<NodeId>,
    /// Whether nobody fetches the metadata log from this node.
    pub is_alone: bool,
    /// Everything else, as the file says it.
    pub properties: Properties,
}

impl Settings {
    pub(super) fn num_partitions(&self) -> i32 {
        self.properties.int(&server::NUM_PARTITIONS)
    }

    pub(super) fn default_replication_factor(&self) -> i16 {
        i16::try_from(self.properties.int(&server::DEFAULT_REPLICATION_FACTOR)).unwrap_or(i16::MAX)
    }

    pub(super) fn delete_topic_enable(&self) -> bool {
        self.properties.boolean(&server::DELETE_TOPIC_ENABLE)
    }

    pub(super) fn min_insync_replicas(&self) -> i32 {
        self.properties.int(&log::MIN_INSYNC_REPLICAS)
    }

    /// After what time without a record one is written; `None` for never.
    pub(super) fn idle_interval_ms(&self) -> Option<i64> {
        let interval = self.properties.int(&quorum::METADATA_MAX_IDLE_INTERVAL_MS);
        (interval > 0 && !self.is_alone).then_some(i64::from(interval))
    }

    pub(super) fn session_timeout_ms(&self) -> i64 {
        i64::from(self.properties.int(&quorum::BROKER_SESSION_TIMEOUT_MS))
    }

    /// How often preferred leaders are elected; `None` where they are not.
    pub(super) fn imbalance_interval_ms(&self) -> Option<i64> {
        let interval = self.properties.long(&server::LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS);
        self.properties.boolean(&server::AUTO_LEADER_REBALANCE_ENABLE).then(|| interval.saturating_mul(1000))
    }

    /// How often what nobody leads is looked for.
    pub(super) fn unclean_interval_ms(&self) -> i64 {
        self.properties.long(&log::UNCLEAN_LEADER_ELECTION_INTERVAL_MS)
    }
}
