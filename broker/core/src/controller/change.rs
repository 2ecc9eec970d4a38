//! The one place where a change of a partition is made: who leads it, its ISR, who stays eligible, its replicas.
//!
//! A [`Change`] starts from the partition as it is, is given what is wanted, and [`Change::build`] makes the record:
//!
//! 1. A reassignment whose new replicas are all in the ISR ends: the replicas on their way out are gone.
//! 2. Where eligible leader replicas are kept (KIP-966) and the ISR falls below `min.insync.replicas`, who leaves it stays
//!    eligible; at or above that minimum nobody has to be.
//! 3. A leader is elected where the present one may not stay, or where a better one is asked for.
//! 4. The leader epoch grows with every new leader, and when a replica goes away.
//!
//! | who is elected | if |
//! |---|---|
//! | the preferred replica | it is asked for, and in the ISR |
//! | the present leader | in the ISR |
//! | the first replica | in the ISR, or eligible where the ISR is empty |
//! | the last known leader, uncleanly | ISR and eligible replicas are empty |
//! | the first replica that is alive, uncleanly | unclean election is wanted |
//!
//! All of them must be alive with their directory online. An unclean leader is the whole ISR and has to recover.
//!
//! Source: `PartitionChangeBuilder` and `PartitionReassignmentReplicas` of Apache Kafka 4.3; KIP-455, KIP-966.

use std::collections::BTreeSet;

use milena_protocol::messages::metadata_records::PartitionChangeRecord;
use milena_protocol::{NodeId, PartitionIndex, TopicId, Uuid};

use super::view::{NO_LEADER, Rules, Turnover, View};
use crate::metadata::PartitionImage;

/// The leader has everything that was committed.
pub(super) const RECOVERED: i8 = 0;
/// The leader was elected uncleanly.
pub(super) const RECOVERING: i8 = 1;

/// Which leader is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The first replica, if it is in the ISR.
    Preferred,
    /// Any that loses nothing.
    Online,
    /// Rather one that loses records than none.
    Unclean,
}

/// A change to be made.
#[derive(Debug, Clone)]
pub(super) struct Change<'a> {
    view: View<'a>,
    topic: TopicId,
    index: PartitionIndex,
    before: &'a PartitionImage,
    rules: Rules,
    pub(super) turnover: Turnover,
    pub(super) election: Election,
    pub(super) isr: Vec<NodeId>,
    pub(super) replicas: Vec<NodeId>,
    pub(super) removing: Vec<NodeId>,
    pub(super) adding: Vec<NodeId>,
    pub(super) recovery: i8,
    /// A broker says where its replica is.
    pub(super) placed: Option<(NodeId, Uuid)>,
    eligible: Vec<NodeId>,
}

/// Who is elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Elected {
    leader: NodeId,
    is_clean: bool,
}

impl<'a> Change<'a> {
    pub(super) fn new(
        view: View<'a>,
        (topic, index): (TopicId, PartitionIndex),
        before: &'a PartitionImage,
        rules: Rules,
    ) -> Self {
        Self {
            view,
            topic,
            index,
            before,
            rules,
            turnover: Turnover::None,
            election: Election::Online,
            isr: before.isr.clone(),
            replicas: before.replicas.clone(),
            removing: before.removing_replicas.clone(),
            adding: before.adding_replicas.clone(),
            recovery: before.leader_recovery_state,
            placed: None,
            eligible: before.eligible_leader_replicas.clone(),
        }
    }

    /// The record of the change; `None` if nothing changes.
    pub(super) fn build(mut self) -> Option<PartitionChangeRecord> {
        self.complete_reassignment();
        self.keep_eligible();
        let unchanged = PartitionChangeRecord {
            partition_id: self.index.0,
            topic_id: self.topic.0,
            ..Default::default()
        };
        let mut record = unchanged.clone();
        self.set_leader(&mut record);
        self.set_isr(&mut record);
        self.set_last_known_leader(&mut record);
        self.set_assignment(&mut record);
        (record != unchanged).then_some(record)
    }

    /// Ends a reassignment when everybody who is to be added is in the ISR, and somebody stays.
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let stay = |nodes: &[NodeId]| -> Vec<NodeId> {
            nodes.iter().copied().filter(|node| !self.removing.contains(node)).collect()
        };
        let (isr, replicas) = (stay(&self.isr), stay(&self.replicas));
        let all_in_isr = |nodes: &[NodeId]| nodes.iter().all(|node| isr.contains(node));
        let shrinks = self.adding.len() < self.removing.len();
        // Fewer replicas than before: the ISR must not suffer by it.
        if isr.is_empty() || !all_in_isr(&self.adding) || shrinks && !all_in_isr(&replicas) {
            return;
        }
        (self.isr, self.replicas) = (isr, replicas);
        self.adding.clear();
        self.removing.clear();
    }

    /// Who leaves an ISR that is smaller than its minimum has everything that was committed.
    fn keep_eligible(&mut self) {
        if !self.view.has_elr() {
            return;
        }
        if self.isr.len() >= self.rules.min_isr {
            self.eligible.clear();
            return;
        }
        let were: BTreeSet<NodeId> = self.eligible.iter().chain(&self.before.isr).copied().collect();
        let stays = |node: &NodeId| {
            self.replicas.contains(node) && !self.isr.contains(node) && self.turnover != Turnover::Lost(*node)
        };
        self.eligible = were.into_iter().filter(stays).collect();
    }

    fn elect(&self) -> Elected {
        let clean = |leader| Elected { leader, is_clean: true };
        let unclean = |leader| Elected { leader, is_clean: false };
        let preferred = self.replicas.first().filter(|_| self.election == Election::Preferred);
        let candidates = preferred.into_iter().chain([&self.before.leader]).chain(&self.replicas);
        if let Some(leader) = candidates.copied().find(|node| self.loses_nothing(*node)) {
            return clean(leader);
        }
        if let Some(leader) = self.last_known_leader() {
            return unclean(leader);
        }
        let alive = || self.replicas.iter().copied().find(|node| self.may_lead(*node));
        let forced = if self.election == Election::Unclean { alive() } else { None };
        forced.map_or(clean(NO_LEADER), unclean)
    }

    fn loses_nothing(&self, node: NodeId) -> bool {
        let has_all = self.isr.contains(&node) || self.isr.is_empty() && self.eligible.contains(&node);
        has_all && self.may_lead(node)
    }

    /// Alive, and with the directory of its replica online. Who has no replica yet has nothing to lead with.
    fn may_lead(&self, node: NodeId) -> bool {
        let online =
            |directory| self.view.image.broker(node).is_some_and(|broker| broker.has_online(directory));
        let has_replica = self.before.replicas.contains(&node);
        has_replica && self.view.may_lead(self.turnover, node) && online(self.directory(node))
    }

    /// The leader that was the last one to lead, where nobody else could know what was committed.
    fn last_known_leader(&self) -> Option<NodeId> {
        let [last] = *self.before.last_known_elr.as_slice() else { return None };
        let nobody_is_eligible = self.eligible.is_empty() && self.isr.is_empty();
        (self.view.has_elr() && nobody_is_eligible && self.may_lead(last)).then_some(last)
    }

    fn set_leader(&mut self, record: &mut PartitionChangeRecord) {
        let Elected { leader, is_clean } = self.elect();
        if leader != self.before.leader {
            record.leader = leader.0;
            if self.eligible.contains(&leader) {
                self.isr = vec![leader];
                self.eligible.retain(|node| *node != leader);
            }
            if !is_clean {
                record.isr = Some(vec![leader.0]);
                if self.before.leader_recovery_state != RECOVERING {
                    record.leader_recovery_state = RECOVERING;
                }
            }
        } else if !self.before.replicas.iter().all(|node| self.replicas.contains(node)) {
            record.leader = leader.0;
        }
    }

    fn set_isr(&mut self, record: &mut PartitionChangeRecord) {
        if record.isr.is_some() || !self.view.has_elr() {
            self.eligible.clear();
        }
        if self.eligible != self.before.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(numbers(&self.eligible));
        }
        // Nobody is left: without eligible replicas the last member stays, because nobody else has what it has.
        let may_empty = !self.isr.is_empty() || self.view.has_elr();
        if record.isr.is_none() && may_empty && self.isr != self.before.isr {
            record.isr = Some(numbers(&self.isr));
        }
    }

    /// The last leader is remembered while there is none.
    fn set_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        let known = &self.before.last_known_elr;
        if !self.view.has_elr() {
            return;
        }
        if record.leader == NO_LEADER.0 && known.is_empty() && self.before.leader != NO_LEADER {
            record.last_known_elr = Some(vec![self.before.leader.0]);
        } else if record.leader >= 0 && !known.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord) {
        let directories: Vec<Uuid> = self.replicas.iter().map(|node| self.directory(*node)).collect();
        if directories != self.before.directories {
            record.directories = Some(directories);
        }
        for (field, after, before) in [
            (&mut record.replicas, &self.replicas, &self.before.replicas),
            (&mut record.removing_replicas, &self.removing, &self.before.removing_replicas),
            (&mut record.adding_replicas, &self.adding, &self.before.adding_replicas),
        ] {
            if after != before {
                *field = Some(numbers(after));
            }
        }
        if self.recovery != self.before.leader_recovery_state {
            record.leader_recovery_state = self.recovery;
        }
    }

    fn directory(&self, node: NodeId) -> Uuid {
        let placed = self.placed.filter(|(broker, _)| *broker == node).map(|(_, directory)| directory);
        let place = || placed.or_else(|| self.before.directory(node));
        place().unwrap_or_else(|| self.view.image.default_directory(node))
    }
}

pub(super) fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}
