//! What decisions about partitions look at: an image and what is configured, and the changes that follow when brokers
//! come, go or lose directories.
//!
//! Each function yields the records of one step; a second step that builds on the first looks at an image that has them.
//! Source: `ReplicationControlManager` of Apache Kafka.

use milena_protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, MetadataRecord, UnregisterBrokerRecord,
};
use milena_protocol::{NodeId, PartitionIndex, Uuid};

use super::Settings;
use super::change::{Change, Election};
use crate::config::topic;
use crate::metadata::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use crate::metadata::{BrokerImage, ConfigResource, MetadataImage, PartitionImage, ResourceType, TopicImage};

/// The `fenced` of a change of registration that fences.
const FENCE: i8 = 1;
/// The `fenced` of one that unfences.
const UNFENCE: i8 = -1;
/// The `in_controlled_shutdown` of one that begins a controlled shutdown.
const IN_CONTROLLED_SHUTDOWN: i8 = 1;
/// The leader of a partition without one.
pub(super) const NO_LEADER: NodeId = NodeId::NONE;

/// An image with the settings that rule over it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) image: &'a MetadataImage,
    pub(super) settings: &'a Settings,
}

/// What is configured for the partitions of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// `min.insync.replicas`, as far as there are replicas.
    pub(super) min_isr: usize,
    /// `unclean.leader.election.enable`.
    pub(super) unclean: bool,
}

impl Rules {
    /// The election where a leader has to be found.
    pub(super) fn election(self) -> Election {
        if self.unclean { Election::Unclean } else { Election::Online }
    }
}

/// The broker that a step is about: the image does not show yet what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turnover {
    /// All are as the image says.
    None,
    /// It leaves the ISRs and leads nothing.
    Leaves(NodeId),
    /// It may lead from now on.
    Joins(NodeId),
    /// It ended without saving what it had: it leaves the ISRs and is eligible nowhere.
    Lost(NodeId),
}

impl Turnover {
    fn leaver(self) -> Option<NodeId> {
        match self {
            Self::Leaves(node) | Self::Lost(node) => Some(node),
            Self::None | Self::Joins(_) => None,
        }
    }
}

impl<'a> View<'a> {
    /// Whether eligible leader replicas are kept (KIP-966).
    pub(super) fn has_elr(self) -> bool {
        self.image.features().get(ELIGIBLE_LEADER_REPLICAS_VERSION).is_some_and(|level| *level > 0)
    }

    pub(super) fn rules(self, topic: &TopicImage) -> Rules {
        let resource = ConfigResource::new(ResourceType::Topic, topic.name.clone());
        let layers = self.image.layers(self.settings.node_id, Some(&resource), &self.settings.properties);
        let min_isr = layers.integer(&topic::MIN_INSYNC_REPLICAS);
        let replicas = usize::try_from(topic.replication_factor()).unwrap_or_default();
        Rules {
            min_isr: usize::try_from(min_isr).unwrap_or_default().min(replicas),
            unclean: layers.boolean(&topic::UNCLEAN_LEADER_ELECTION_ENABLE),
        }
    }

    /// Whether `node` may lead once the turnover is done.
    pub(super) fn may_lead(self, turnover: Turnover, node: NodeId) -> bool {
        let is_staying = |broker: &BrokerImage| !broker.in_controlled_shutdown;
        match turnover {
            Turnover::Leaves(leaver) | Turnover::Lost(leaver) if leaver == node => false,
            Turnover::Joins(joiner) if joiner == node => self.image.broker(node).is_some_and(is_staying),
            _ => self.image.is_active(node),
        }
    }

    /// The changes of every partition of `select` that the turnover asks for.
    pub(super) fn turn_over(
        self,
        turnover: Turnover,
        select: impl Fn(&PartitionImage) -> bool,
    ) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for topic in self.image.topics() {
            let mut rules = None;
            for (index, partition) in topic.partitions().filter(|(_, partition)| select(partition)) {
                let rules = *rules.get_or_insert_with(|| self.rules(topic));
                let change = self.turned_over(turnover, topic, (index, partition), rules);
                records.extend(change.build().map(MetadataRecord::from));
            }
        }
        records
    }

    fn turned_over(
        self,
        turnover: Turnover,
        topic: &'a TopicImage,
        (index, partition): (PartitionIndex, &'a PartitionImage),
        rules: Rules,
    ) -> Change<'a> {
        let mut change = Change::new(self, (topic.id, index), partition, rules);
        change.turnover = turnover;
        change.election = rules.election();
        change.isr.retain(|node| turnover.leaver() != Some(*node));
        change
    }

    /// The broker is out of the ISRs and leads nothing; then it is fenced.
    pub(super) fn fence(self, id: NodeId) -> Vec<MetadataRecord> {
        let mut records = self.turn_over(Turnover::Leaves(id), |p| p.isr.contains(&id) || p.leader == id);
        records.extend(self.registration_change(id, |change| change.fenced = FENCE));
        records
    }

    /// The broker is unfenced and leads what nobody leads and it may.
    pub(super) fn unfence(self, id: NodeId) -> Vec<MetadataRecord> {
        let mut records: Vec<_> =
            self.registration_change(id, |change| change.fenced = UNFENCE).into_iter().collect();
        records.extend(self.turn_over(Turnover::Joins(id), |p| p.leader == NO_LEADER));
        records
    }

    /// The broker is on its way out, others take over what they can.
    pub(super) fn begin_shutdown(self, id: NodeId) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if self.image.broker(id).is_some_and(|broker| !broker.in_controlled_shutdown) {
            let begin = |change: &mut BrokerRegistrationChangeRecord| {
                change.in_controlled_shutdown = IN_CONTROLLED_SHUTDOWN;
            };
            records.extend(self.registration_change(id, begin));
        }
        records.extend(self.turn_over(Turnover::Leaves(id), |p| p.isr.contains(&id)));
        records
    }

    /// The former incarnation of a broker has ended, with everything it had on its disks or not.
    pub(super) fn end_incarnation(self, id: NodeId, is_clean: bool) -> Vec<MetadataRecord> {
        if self.has_elr() && !is_clean {
            let has = |p: &PartitionImage| p.isr.contains(&id) || p.eligible_leader_replicas.contains(&id);
            return self.turn_over(Turnover::Lost(id), has);
        }
        self.turn_over(Turnover::Leaves(id), |p| p.isr.contains(&id) || p.leader == id)
    }

    /// The broker is known no more.
    pub(super) fn unregister(self, id: NodeId, epoch: i64) -> Vec<MetadataRecord> {
        let has = |p: &PartitionImage| p.isr.contains(&id) || p.eligible_leader_replicas.contains(&id);
        let mut records = self.turn_over(Turnover::Leaves(id), has);
        records.push(UnregisterBrokerRecord { broker_id: id.0, broker_epoch: epoch }.into());
        records
    }

    /// Directories of a broker are found offline: it leaves the ISRs of what is in them.
    pub(super) fn directories_offline(self, id: NodeId, offline: &[Uuid]) -> Vec<MetadataRecord> {
        let Some(broker) = self.image.broker(id) else { return Vec::new() };
        let (lost, online): (Vec<Uuid>, Vec<Uuid>) =
            broker.log_dirs.iter().partition(|directory| offline.contains(directory));
        if lost.is_empty() {
            return Vec::new();
        }
        let is_hit = |p: &PartitionImage| p.directory(id).is_some_and(|directory| lost.contains(&directory));
        let mut records = self.turn_over(Turnover::Leaves(id), is_hit);
        // A record cannot say that none is left: such a broker is about to end.
        if !online.is_empty() {
            records.extend(self.registration_change(id, |change| change.log_dirs = online));
        }
        records
    }

    /// Directories of a broker take no new replicas.
    pub(super) fn directories_cordoned(self, id: NodeId, cordoned: &[Uuid]) -> Option<MetadataRecord> {
        let before = self.image.broker(id)?.cordoned_log_dirs.as_deref();
        let is_same = |before: &[Uuid]| {
            before.iter().all(|directory| cordoned.contains(directory))
                && cordoned.iter().all(|directory| before.contains(directory))
        };
        if before.is_some_and(is_same) {
            return None;
        }
        self.registration_change(id, |change| change.cordoned_log_dirs = Some(cordoned.to_vec()))
    }

    fn registration_change(
        self,
        id: NodeId,
        make: impl FnOnce(&mut BrokerRegistrationChangeRecord),
    ) -> Option<MetadataRecord> {
        let broker = self.image.broker(id)?;
        let mut change = BrokerRegistrationChangeRecord {
            broker_id: id.0,
            broker_epoch: broker.epoch,
            ..Default::default()
        };
        make(&mut change);
        Some(change.into())
    }
}
