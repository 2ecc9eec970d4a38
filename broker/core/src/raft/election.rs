//! Standing for election, and changing epochs.

use milena_protocol::{LeaderEpoch, NodeId, Timestamp};

use super::voters::{Address, Endpoint};
use super::{
    Answer, Ballot, ElectionState, Following, Lost, PeerRequest, Raft, ReplicaKey, Role, Turn, VoteRequest,
};

/// The pause of a candidate that lost, at first; it doubles with each election in a row that has no winner.
const FIRST_PAUSE_MS: i64 = 50;
/// How much later each further voter stands when the connection to the leader breaks, so that not all stand at once.
pub(super) const STAGGER_MS: i64 = 40;

impl Raft {
    /// Asks for pre-votes in the epoch it is in.
    pub(super) fn become_prospective(&mut self, turn: &mut Turn<'_>) {
        let deadline = self.election_deadline(turn.now);
        self.peers.reset();
        self.role = Role::Prospective { ballot: Ballot::of(self.settings.local.id), deadline };
        self.count(turn);
    }

    fn become_candidate(&mut self, turn: &mut Turn<'_>) {
        let epoch = LeaderEpoch(self.election.epoch.0 + 1);
        self.election = ElectionState { epoch, leader: None, voted: Some(self.settings.local) };
        self.leader_endpoints.clear();
        self.persist(turn);
        let deadline = self.election_deadline(turn.now);
        self.peers.reset();
        self.role = Role::Candidate { ballot: Ballot::of(self.settings.local.id), deadline };
        self.count(turn);
    }

    /// Leaves every role for a higher epoch, or for none in this one. The election timeout goes on.
    pub(super) fn become_unattached(
        &mut self,
        turn: &mut Turn<'_>,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
    ) {
        self.leave_leadership(turn);
        let voted = self.election.voted.filter(|_| epoch == self.election.epoch);
        let election = ElectionState { epoch, leader, voted };
        self.leader_endpoints.clear();
        if election != self.election {
            self.election = election;
            self.persist(turn);
        }
        let running = match &self.role {
            Role::Unattached { deadline } => *deadline,
            Role::Prospective { deadline, .. }
            | Role::Candidate { deadline, .. }
            | Role::Resigned { deadline, .. } => Some(*deadline),
            _ => None,
        };
        let deadline = self.may_stand().then(|| match running.filter(|deadline| *deadline > turn.now) {
            Some(deadline) => deadline,
            None => self.election_deadline(turn.now),
        });
        self.peers.reset();
        self.role = Role::Unattached { deadline };
    }

    /// Follows the leader of `epoch`, which is reached at `endpoints`.
    pub(super) fn become_follower(
        &mut self,
        turn: &mut Turn<'_>,
        epoch: LeaderEpoch,
        leader: NodeId,
        endpoints: Vec<Endpoint>,
    ) {
        self.leave_leadership(turn);
        let voted = self.election.voted.filter(|_| epoch == self.election.epoch);
        let election = ElectionState { epoch, leader: Some(leader), voted };
        if election != self.election {
            self.election = election;
            self.persist(turn);
        }
        self.failed_elections = 0;
        self.follow_known(turn, endpoints);
    }

    /// Follows the leader that is known already.
    pub(super) fn follow_known(&mut self, turn: &mut Turn<'_>, endpoints: Vec<Endpoint>) {
        self.leader_endpoints = endpoints;
        self.peers.reset();
        self.role = Role::Follower(Following::new(turn.now, &self.settings));
    }

    /// Takes in who leads, as another node says. A leader of this epoch without an address counts once it has one.
    pub(super) fn learn(
        &mut self,
        turn: &mut Turn<'_>,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
        endpoints: &[Endpoint],
    ) {
        let known = |id| self.voters.current().by_id(id).map(|voter| voter.endpoints.clone());
        let endpoints = if endpoints.is_empty() {
            leader.and_then(known).unwrap_or_default()
        } else {
            endpoints.to_vec()
        };
        let leader = leader.filter(|leader| *leader != self.settings.local.id);
        let has_address = super::voters::address(&endpoints, &self.settings.listener).is_some();
        match leader.filter(|_| has_address) {
            Some(leader) if epoch > self.election.epoch => {
                self.become_follower(turn, epoch, leader, endpoints);
            }
            Some(leader) if epoch == self.election.epoch && self.may_follow(leader) => {
                self.become_follower(turn, epoch, leader, endpoints);
            }
            _ if epoch > self.election.epoch => self.become_unattached(turn, epoch, None),
            _ => {}
        }
    }

    /// Whether a leader of this epoch is news. A prospective voter that lost touch with the leader it knew finds back by
    /// losing its election, not by being told what it knows.
    fn may_follow(&self, leader: NodeId) -> bool {
        match &self.role {
            Role::Unattached { .. } => true,
            Role::Prospective { .. } | Role::Candidate { .. } => self.election.leader != Some(leader),
            Role::Leader(_) | Role::Resigned { .. } | Role::Follower(_) => false,
        }
    }

    /// An unattached voter waits for its timeout; everybody asks around who leads.
    pub(super) fn poll_unattached(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let Role::Unattached { deadline } = self.role else { return None };
        if self.may_stand() && !self.is_stopping {
            let deadline = deadline.unwrap_or(turn.now);
            if deadline <= turn.now {
                self.become_prospective(turn);
                return Some(turn.now);
            }
        }
        self.fetch_from_anybody(turn);
        deadline.filter(|_| self.may_stand() && !self.is_stopping)
    }

    /// Asks those who did not vote yet.
    pub(super) fn poll_election(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let (ballot, deadline, pre_vote) = match &self.role {
            Role::Prospective { ballot, deadline } => (ballot.clone(), *deadline, true),
            Role::Candidate { ballot, deadline } => (ballot.clone(), *deadline, false),
            _ => return None,
        };
        if deadline <= turn.now {
            self.end_election(turn, pre_vote);
            return Some(turn.now);
        }
        if !ballot.is_lost(self.voters.current()) {
            for (key, to) in self.others() {
                if ballot.is_open(key.id) {
                    let request = PeerRequest::Vote(self.vote_request(key, pre_vote));
                    self.peers.send(turn, to, request);
                }
            }
        }
        Some(deadline)
    }

    fn vote_request(&self, voter: ReplicaKey, pre_vote: bool) -> VoteRequest {
        VoteRequest {
            candidate: self.settings.local,
            epoch: self.election.epoch,
            voter: Some(voter),
            log_end: self.log_end,
            pre_vote,
        }
    }

    /// Every other voter and where it is reached.
    pub(super) fn others(&self) -> Vec<(ReplicaKey, Address)> {
        let voters = self.voters.current().voters.iter();
        let others = voters.filter(|voter| !voter.key.matches(&self.settings.local));
        others
            .filter_map(|voter| {
                let to = super::voters::address(&voter.endpoints, &self.settings.listener)?;
                Some((voter.key, to))
            })
            .collect()
    }

    pub(super) fn on_vote(
        &mut self,
        turn: &mut Turn<'_>,
        asked: &VoteRequest,
        answer: &Answer,
        granted: bool,
    ) {
        if answer.epoch > self.election.epoch || answer.leader.is_some() {
            self.learn(turn, answer.epoch, answer.leader, &answer.endpoints);
        }
        let Some(voter) = asked.voter else { return };
        match &mut self.role {
            Role::Prospective { ballot, .. } if asked.pre_vote => ballot.record(voter.id, granted),
            Role::Candidate { ballot, .. } if !asked.pre_vote => ballot.record(voter.id, granted),
            _ => return,
        }
        if asked.epoch == self.election.epoch {
            self.count(turn);
        }
    }

    /// A vote that never came. One who does not know pre-votes is stood for without (KIP-996).
    pub(super) fn on_vote_lost(&mut self, turn: &mut Turn<'_>, asked: &VoteRequest, lost: Lost) {
        if lost == Lost::Unsupported && asked.pre_vote && matches!(self.role, Role::Prospective { .. }) {
            self.become_candidate(turn);
        }
    }

    /// Moves on once a majority has granted or refused.
    fn count(&mut self, turn: &mut Turn<'_>) {
        let voters = self.voters.current();
        match &self.role {
            Role::Prospective { ballot, .. } if ballot.is_won(voters) => self.become_candidate(turn),
            Role::Prospective { ballot, .. } if ballot.is_lost(voters) => self.end_election(turn, true),
            Role::Candidate { ballot, .. } if ballot.is_won(voters) => self.become_leader(turn),
            Role::Candidate { ballot, .. } if ballot.is_lost(voters) => {
                let pause = turn.now.plus_ms(self.pause_ms());
                if let Role::Candidate { deadline, .. } = &mut self.role {
                    *deadline = pause.min(*deadline);
                }
            }
            _ => {}
        }
    }

    /// An election ends without a winner: back to the leader that is known, or another try after a pause.
    fn end_election(&mut self, turn: &mut Turn<'_>, was_prospective: bool) {
        if !was_prospective {
            return self.become_prospective(turn);
        }
        if self.election.leader.is_some_and(|leader| leader != self.settings.local.id)
            && self.leader_address().is_some()
        {
            let endpoints = self.leader_endpoints.clone();
            return self.follow_known(turn, endpoints);
        }
        let pause = turn.now.plus_ms(self.pause_ms());
        self.become_unattached(turn, self.election.epoch, self.election.leader);
        self.role = Role::Unattached { deadline: Some(pause) };
    }

    /// Random, so that two candidates do not meet again, and longer each time.
    fn pause_ms(&mut self) -> i64 {
        let max_ms = self.settings.election_backoff_max_ms.max(1);
        let base_ms = (FIRST_PAUSE_MS << self.failed_elections.min(10)).min(max_ms);
        self.failed_elections = self.failed_elections.saturating_add(1);
        base_ms / 2 + self.random_below(base_ms)
    }

    fn leave_leadership(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.role, Role::Leader(_)) {
            self.refuse_parked(turn);
            turn.outputs.push(super::Output::Resigned);
        }
    }
}
