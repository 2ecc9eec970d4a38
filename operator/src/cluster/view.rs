//! What a cluster says of itself over the Kafka protocol, and what may be concluded from it. All but `look` is pure.
//!
//! A broker may stop when every partition keeps as many replicas in sync as its `min.insync.replicas` asks for, and at
//! least one; and when the voters that remain and have caught up are a majority of all voters. What cannot be kept even at
//! full strength (the only replica of a partition, all of two replicas that must be in sync, the only voter) is held only
//! until it is at full strength: it would never be let go otherwise.

use std::collections::{BTreeMap, BTreeSet};

use milena_client::admin::{
    BrokerDescription, ConfigEntries, ConfigResource, PartitionDescription, QuorumDescription, QuorumReplica,
    Reassignment, TopicPartition,
};
use milena_client::{Admin, ClientError};
use milena_protocol::{ByteString, NodeId, PartitionIndex};

/// The key that says how many replicas must be in sync for a record to be acknowledged.
pub(crate) const MIN_IN_SYNC_KEY: &str = "min.insync.replicas";
/// A replica of the metadata log is caught up if it had everything this long before the leader's clock, or later.
const CAUGHT_UP_MS_MAX: i64 = 5_000;

/// A moment's view.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ClusterView {
    /// The active controller.
    pub(crate) leader: Option<NodeId>,
    pub(crate) voters: BTreeMap<NodeId, MetadataReplica>,
    pub(crate) observers: BTreeMap<NodeId, MetadataReplica>,
    /// Every registered broker.
    pub(crate) brokers: BTreeMap<NodeId, BrokerView>,
    pub(crate) partitions: Vec<PartitionView>,
}

/// A replica of the metadata log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MetadataReplica {
    pub(crate) directory: uuid::Uuid,
    pub(crate) caught_up: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BrokerView {
    pub(crate) rack: Option<ByteString>,
    pub(crate) fenced: bool,
}

impl From<BrokerDescription> for BrokerView {
    /// An empty rack is none.
    fn from(broker: BrokerDescription) -> Self {
        Self { rack: broker.rack.filter(|rack| !rack.is_empty()), fenced: broker.fenced }
    }
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionView {
    pub(crate) topic: String,
    pub(crate) index: i32,
    /// Those that will go included, those that come too.
    pub(crate) replicas: Vec<NodeId>,
    /// The replicas in sync.
    pub(crate) isr: Vec<NodeId>,
    /// Replicas that a reassignment makes.
    pub(crate) adding: Vec<NodeId>,
    /// Replicas that a reassignment takes away.
    pub(crate) removing: Vec<NodeId>,
    pub(crate) min_in_sync: usize,
}

impl PartitionView {
    pub(crate) fn new(topic: &str, described: &PartitionDescription, moving: Option<&Reassignment>) -> Self {
        Self {
            topic: topic.to_owned(),
            index: described.index.0,
            replicas: described.replicas.clone(),
            isr: described.isr.clone(),
            adding: moving.map(|moving| moving.adding.clone()).unwrap_or_default(),
            removing: moving.map(|moving| moving.removing.clone()).unwrap_or_default(),
            min_in_sync: 1,
        }
    }

    pub(crate) fn is_moving(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// How many replicas it has that are made.
    pub(crate) fn replication_factor(&self) -> usize {
        self.replicas.iter().filter(|node| !self.adding.contains(node)).count()
    }

    /// The replicas that it has once everything has moved, the preferred leader first.
    pub(crate) fn target(&self) -> Vec<NodeId> {
        self.replicas.iter().copied().filter(|node| !self.removing.contains(node)).collect()
    }

    pub(crate) fn key(&self) -> TopicPartition {
        (self.topic.clone(), PartitionIndex(self.index))
    }

    fn name(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }

    /// How many replicas are to stay in sync while one stops.
    fn required(&self) -> usize {
        self.min_in_sync.max(1).min(self.target().len().saturating_sub(1))
    }

    /// The first replica that should be in sync and is not. What is only being made has its time.
    fn lagging(&self) -> Option<NodeId> {
        let is_settled = |node: &&NodeId| !self.adding.contains(node) && !self.removing.contains(node);
        self.replicas.iter().filter(is_settled).find(|node| !self.isr.contains(node)).copied()
    }

    fn survives(&self, stopped: &BTreeSet<NodeId>) -> bool {
        let stay = self.isr.iter().filter(|node| !stopped.contains(node)).count();
        stay == self.isr.len() || stay >= self.required()
    }
}

impl ClusterView {
    /// What has to catch up before any broker may be stopped on purpose; `None` when everything is in sync.
    pub(crate) fn unsettled(&self) -> Option<String> {
        if self.leader.is_none() {
            return Some("the metadata quorum has no leader".to_owned());
        }
        if let Some((id, _)) = self.brokers.iter().find(|(_, broker)| broker.fenced) {
            return Some(format!("broker {id} is fenced"));
        }
        let behind = self.voters.iter().chain(&self.observers).find(|(_, replica)| !replica.caught_up);
        if let Some((id, _)) = behind {
            return Some(format!("node {id} has not caught up with the metadata log"));
        }
        let mut lagging = self.partitions.iter().filter_map(|it| it.lagging().map(|node| (it, node)));
        let (partition, node) = lagging.next()?;
        let more = lagging.count();
        let others = if more == 0 { String::new() } else { format!(", and {more} more partitions") };
        Some(format!("broker {node} is not in sync with partition {}{others}", partition.name()))
    }

    /// Why these nodes may not stop together; `None` when they may.
    pub(crate) fn hold(&self, stopped: &BTreeSet<NodeId>) -> Option<String> {
        if let Some(partition) = self.partitions.iter().find(|partition| !partition.survives(stopped)) {
            let (name, required) = (partition.name(), partition.required());
            return Some(format!("partition {name} would have fewer than {required} replicas in sync"));
        }
        if !self.voters.keys().any(|id| stopped.contains(id)) {
            return None;
        }
        let majority = self.voters.len() / 2 + 1;
        let required = majority.min(self.voters.len().saturating_sub(1));
        let stay =
            self.voters.iter().filter(|(id, replica)| replica.caught_up && !stopped.contains(id)).count();
        (stay < required).then(|| "the metadata quorum would lose its majority".to_owned())
    }

    /// Whether anybody may stop any one node now.
    pub(crate) fn spares_any(&self) -> bool {
        let nodes = self.brokers.keys().chain(self.voters.keys());
        let nodes: BTreeSet<_> = nodes.copied().collect();
        self.unsettled().is_none()
            && nodes.into_iter().all(|node| self.hold(&BTreeSet::from([node])).is_none())
    }

    /// Whether the cluster has met this node yet.
    pub(crate) fn knows(&self, node: NodeId) -> bool {
        self.brokers.contains_key(&node) || self.voters.contains_key(&node)
    }

    /// Those of `ids` that do not take part as brokers.
    pub(crate) fn absent(&self, ids: impl Iterator<Item = i32>) -> Vec<i32> {
        ids.filter(|id| self.brokers.get(&NodeId(*id)).is_none_or(|broker| broker.fenced)).collect()
    }
}

/// Asks the cluster: the quorum, the brokers, every partition, what moves, and what must be in sync.
pub(crate) async fn look(admin: &Admin) -> Result<ClusterView, ClientError> {
    let quorum = admin.describe_quorum().await?;
    let cluster = admin.describe_cluster().await?;
    let moving = admin.list_reassignments().await?;
    let mut partitions = Vec::new();
    let mut topics = Vec::new();
    for (name, topic) in admin.list_topics().await? {
        let topic = topic?;
        let view = |partition: &PartitionDescription| {
            PartitionView::new(&name, partition, moving.get(&(name.clone(), partition.index)))
        };
        partitions.extend(topic.partitions.iter().map(view));
        topics.push(ConfigResource::topic(&name));
    }
    if !topics.is_empty() {
        let mut in_sync = BTreeMap::new();
        for (resource, entries) in admin.describe_config_keys(&topics, Some(&[MIN_IN_SYNC_KEY])).await? {
            in_sync.insert(resource.name, entries.ok().and_then(|entries| min_in_sync(&entries)));
        }
        for partition in &mut partitions {
            partition.min_in_sync = in_sync.get(&partition.topic).copied().flatten().unwrap_or(1);
        }
    }
    let brokers = cluster.brokers.into_iter();
    let brokers = brokers.map(|it| (it.id, BrokerView::from(it))).collect();
    let leader = quorum.leader;
    let (voters, observers) = metadata_replicas(&quorum);
    Ok(ClusterView { leader, voters, observers, brokers, partitions })
}

pub(crate) fn min_in_sync(entries: &ConfigEntries) -> Option<usize> {
    entries.get(MIN_IN_SYNC_KEY)?.value.as_ref()?.parse().ok()
}

type MetadataReplicas = BTreeMap<NodeId, MetadataReplica>;

fn metadata_replicas(quorum: &QuorumDescription) -> (MetadataReplicas, MetadataReplicas) {
    let leader = quorum.voters.iter().find(|voter| Some(voter.id) == quorum.leader);
    let now_ms = leader.map_or(-1, |leader| leader.last_caught_up_ms);
    let caught_up = |replica: &QuorumReplica| {
        if Some(replica.id) == quorum.leader {
            return true;
        }
        // Only old versions of the API tell no times.
        if now_ms < 0 {
            return replica.log_end_offset >= quorum.high_watermark;
        }
        replica.last_caught_up_ms >= 0 && now_ms - replica.last_caught_up_ms <= CAUGHT_UP_MS_MAX
    };
    let all = |replicas: &[QuorumReplica]| {
        let replica = |it: &QuorumReplica| {
            (it.id, MetadataReplica { directory: it.directory, caught_up: caught_up(it) })
        };
        replicas.iter().map(replica).collect()
    };
    (all(&quorum.voters), all(&quorum.observers))
}

#[cfg(test)]
mod tests;
