//! The metadata quorum's elections and commits (KIP-595, KIP-996), as a pure state machine.
//!
//! `step(now, input)` answers with [`Output`]s that the shell executes in order before the next step; a
//! [`Output::Persist`] is on the disk before anything after it happens.
//!
//! | from | trigger | to |
//! |---|---|---|
//! | unattached | start, election timeout | prospective: asks for pre-votes, the epoch stays |
//! | prospective | majority of pre-votes | candidate: epoch + 1, votes for itself |
//! | prospective | timeout, refused by a majority | unattached, with a random pause |
//! | candidate | majority of votes | leader: writes a LeaderChangeMessage |
//! | candidate | timeout, refused by a majority | prospective, with a random pause |
//! | any | a higher epoch is seen | unattached in that epoch |
//!
//! Deliberate difference from Apache Kafka: an unattached voter asks for pre-votes at once at its start instead of
//! waiting for a first election timeout; a quorum of one leads without any message.
//!
//! The high watermark is the largest offset that a majority of voters has on disk, once that covers the start of the
//! leader's own epoch.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};

#[cfg(test)]
mod tests;

/// A voter: a node and the log directory it voted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// The node.
    pub id: NodeId,
    /// Its metadata log directory; nil with static voters.
    pub directory_id: Uuid,
}

/// What must survive a restart: Kafka's `quorum-state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ElectionState {
    /// The highest epoch that was seen.
    pub epoch: LeaderEpoch,
    /// Who leads it, as far as is known.
    pub leader: Option<NodeId>,
    /// Whom this node voted for in it.
    pub voted: Option<ReplicaKey>,
}

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogEnd {
    /// The offset after the last record.
    pub offset: Offset,
    /// The epoch of the last record.
    pub epoch: LeaderEpoch,
}

/// What the quorum is made of and how patient it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// This node.
    pub local: ReplicaKey,
    /// Every voter.
    pub voters: BTreeSet<ReplicaKey>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i64,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i64,
}

/// What happens to the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The process starts.
    Start,
    /// The deadline has come.
    Deadline,
    /// A voter answered in `epoch`.
    Vote {
        /// Who answers.
        from: NodeId,
        /// The epoch it answers in.
        epoch: LeaderEpoch,
        /// Whether it was asked for a pre-vote.
        pre_vote: bool,
        /// Whether it grants.
        granted: bool,
    },
    /// A voter, this node included, has the log up to here on its disk.
    Flushed {
        /// The voter.
        voter: NodeId,
        /// The end of what it has.
        end: Offset,
    },
}

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write `quorum-state` and sync it.
    Persist(ElectionState),
    /// Ask every other voter.
    RequestVotes {
        /// The epoch to ask for.
        epoch: LeaderEpoch,
        /// Whether only a pre-vote is asked.
        pre_vote: bool,
        /// The end of this node's log.
        log_end: LogEnd,
    },
    /// This node leads: append a LeaderChangeMessage as the first batch of the epoch.
    Lead {
        /// The epoch it leads.
        epoch: LeaderEpoch,
        /// Who voted for it.
        granting: BTreeSet<ReplicaKey>,
    },
    /// Everything below is committed.
    Commit(Offset),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Unattached,
    Prospective(Ballot),
    Candidate(Ballot),
    Leader(Leadership),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ballot {
    granting: BTreeSet<NodeId>,
    refusing: BTreeSet<NodeId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Leadership {
    epoch_start: Offset,
    flushed: BTreeMap<NodeId, Offset>,
    committed: Option<Offset>,
}

/// The state of one voter.
#[derive(Debug, Clone)]
pub struct Raft {
    settings: Settings,
    election: ElectionState,
    log_end: LogEnd,
    role: Role,
    deadline: Option<Timestamp>,
    random: u64,
}

impl Raft {
    /// A voter as it was persisted; `log_end` is the end of its recovered log.
    pub fn new(settings: Settings, election: ElectionState, log_end: LogEnd, seed: u64) -> Self {
        let epoch = election.epoch.max(log_end.epoch);
        let known =
            if epoch == election.epoch { election } else { ElectionState { epoch, ..Default::default() } };
        // A leader that restarts does not lead any more: it must be elected again, in a higher epoch.
        let election =
            ElectionState { leader: known.leader.filter(|leader| *leader != settings.local.id), ..known };
        Self { settings, election, log_end, role: Role::Unattached, deadline: None, random: seed }
    }

    /// The epoch this node is in.
    pub fn epoch(&self) -> LeaderEpoch {
        self.election.epoch
    }

    /// Who leads, as far as is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.election.leader
    }

    /// Whether this node leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// When [`Input::Deadline`] is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Takes one input in.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Start => self.ask_for_pre_votes(now, &mut outputs),
            Input::Deadline => self.on_deadline(now, &mut outputs),
            Input::Vote { from, epoch, pre_vote, granted } => {
                if epoch > self.election.epoch {
                    self.follow_epoch(now, epoch, &mut outputs);
                } else if epoch == self.election.epoch {
                    self.on_vote(now, (from, pre_vote, granted), &mut outputs);
                }
            }
            Input::Flushed { voter, end } => self.on_flushed(voter, end, &mut outputs),
        }
        outputs
    }

    fn on_deadline(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.role {
            Role::Leader(_) => self.deadline = None,
            Role::Unattached | Role::Candidate(_) => self.ask_for_pre_votes(now, outputs),
            Role::Prospective(_) => self.pause(now),
        }
    }

    fn ask_for_pre_votes(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        self.role = Role::Prospective(self.own_ballot());
        self.ask(now, true, outputs);
        self.count(now, outputs);
    }

    fn stand(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        let epoch = LeaderEpoch(self.election.epoch.0 + 1);
        self.election = ElectionState { epoch, leader: None, voted: Some(self.settings.local) };
        outputs.push(Output::Persist(self.election));
        self.role = Role::Candidate(self.own_ballot());
        self.ask(now, false, outputs);
        self.count(now, outputs);
    }

    fn lead(&mut self, granting: &BTreeSet<NodeId>, outputs: &mut Vec<Output>) {
        let epoch = self.election.epoch;
        self.election = ElectionState { epoch, leader: Some(self.settings.local.id), voted: None };
        outputs.push(Output::Persist(self.election));
        self.role = Role::Leader(Leadership {
            epoch_start: self.log_end.offset,
            flushed: BTreeMap::new(),
            committed: None,
        });
        self.deadline = None;
        let granting =
            self.settings.voters.iter().filter(|voter| granting.contains(&voter.id)).copied().collect();
        outputs.push(Output::Lead { epoch, granting });
    }

    fn ask(&mut self, now: Timestamp, pre_vote: bool, outputs: &mut Vec<Output>) {
        self.deadline = Some(Timestamp(now.0 + self.settings.election_timeout_ms));
        if self.settings.voters.len() > 1 {
            outputs.push(Output::RequestVotes {
                epoch: self.election.epoch,
                pre_vote,
                log_end: self.log_end,
            });
        }
    }

    fn on_vote(&mut self, now: Timestamp, vote: (NodeId, bool, bool), outputs: &mut Vec<Output>) {
        let (from, pre_vote, granted) = vote;
        let is_voter = self.settings.voters.iter().any(|voter| voter.id == from);
        let ballot = match &mut self.role {
            Role::Prospective(ballot) if pre_vote => ballot,
            Role::Candidate(ballot) if !pre_vote => ballot,
            _ => return,
        };
        if is_voter && granted {
            ballot.granting.insert(from);
        } else if is_voter {
            ballot.refusing.insert(from);
        }
        self.count(now, outputs);
    }

    /// Moves on once a majority has granted or refused.
    fn count(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        let majority = self.settings.voters.len() / 2 + 1;
        let (ballot, is_candidate) = match &self.role {
            Role::Prospective(ballot) => (ballot.clone(), false),
            Role::Candidate(ballot) => (ballot.clone(), true),
            _ => return,
        };
        let lost = ballot.refusing.len() > self.settings.voters.len() - majority;
        match (ballot.granting.len() >= majority, is_candidate) {
            (true, false) => self.stand(now, outputs),
            (true, true) => self.lead(&ballot.granting, outputs),
            (false, _) if lost => self.pause(now),
            _ => {}
        }
    }

    /// Waits a random time before the next attempt, so that two candidates do not meet again.
    fn pause(&mut self, now: Timestamp) {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let range = u64::try_from(self.settings.election_backoff_max_ms).unwrap_or_default().max(1);
        let pause = i64::try_from((self.random >> 33) % range).unwrap_or_default();
        self.role = Role::Unattached;
        self.deadline = Some(Timestamp(now.0 + pause));
    }

    fn follow_epoch(&mut self, now: Timestamp, epoch: LeaderEpoch, outputs: &mut Vec<Output>) {
        self.election = ElectionState { epoch, leader: None, voted: None };
        outputs.push(Output::Persist(self.election));
        self.role = Role::Unattached;
        self.deadline = Some(Timestamp(now.0 + self.settings.election_timeout_ms));
    }

    fn on_flushed(&mut self, voter: NodeId, end: Offset, outputs: &mut Vec<Output>) {
        if voter == self.settings.local.id {
            self.log_end = LogEnd { offset: end, epoch: self.election.epoch };
        }
        let voters = self.settings.voters.len();
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.flushed.insert(voter, end);
        let mut ends: Vec<Offset> = leadership.flushed.values().copied().collect();
        ends.sort_unstable_by(|one, other| other.cmp(one));
        // The last of a majority when they are sorted from the furthest.
        let Some(common) = ends.get(voters / 2).copied() else { return };
        let is_news = leadership.committed.is_none_or(|committed| common > committed);
        if common > leadership.epoch_start && is_news {
            leadership.committed = Some(common);
            outputs.push(Output::Commit(common));
        }
    }

    fn own_ballot(&self) -> Ballot {
        let own = self.settings.voters.contains(&self.settings.local).then_some(self.settings.local.id);
        Ballot { granting: own.into_iter().collect(), refusing: BTreeSet::new() }
    }
}
