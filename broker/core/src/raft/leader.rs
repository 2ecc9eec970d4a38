//! Leading: who has what, what is committed, whom to tell, and when to give up.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp};

use super::membership::Change;
use super::voters::VoterSet;
use super::{
    ElectionState, FetchContent, FetchRequest, LogEnd, LogView, Output, PeerAnswer, PeerRequest, Raft,
    ReplicaKey, Role, SnapshotChunk, Turn,
};
use crate::machine::Ticket;

/// Observers that are remembered; the one silent longest goes for a new one.
const OBSERVERS_MAX: usize = 1000;
/// How long a silent observer is remembered.
const OBSERVER_SESSION_MS: i64 = 5 * 60 * 1000;
/// Fetches that wait for records; further ones are answered at once.
const PARKED_MAX: usize = 2000;

/// How far a replica is, as its leader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The replica.
    pub key: ReplicaKey,
    /// The end of its log; -1 while it is not known.
    pub end: Offset,
    /// When it fetched last; -1 for never.
    pub last_fetch: Timestamp,
    /// When it had everything last; -1 for never.
    pub last_caught_up: Timestamp,
    /// The end of the leader's log when it fetched last.
    leader_end: Offset,
}

impl Progress {
    fn new(key: ReplicaKey) -> Self {
        let never = Timestamp::NONE;
        Self { key, end: Offset::NONE, last_fetch: never, last_caught_up: never, leader_end: Offset::NONE }
    }

    fn fetched(&mut self, now: Timestamp, end: Offset, leader_end: Offset) {
        if end >= leader_end {
            self.last_caught_up = now;
        } else if self.leader_end.0 > 0 && end >= self.leader_end {
            self.last_caught_up = self.last_caught_up.max(self.last_fetch);
        }
        (self.end, self.last_fetch, self.leader_end) = (end, now, leader_end);
    }
}

/// What DescribeQuorum tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumView {
    /// The leader, this node.
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// -1 while it is not known.
    pub high_watermark: Offset,
    /// Those who vote.
    pub voters: Vec<Progress>,
    /// Those who only fetch.
    pub observers: Vec<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Parked {
    ticket: Ticket,
    replica: ReplicaKey,
    offset: Offset,
    high_watermark: Offset,
    deadline: Timestamp,
}

/// What a leader knows.
#[derive(Debug, Clone)]
pub(super) struct Leadership {
    pub(super) epoch_start: Offset,
    pub(super) high_watermark: Option<Offset>,
    replicas: BTreeMap<ReplicaKey, Progress>,
    acknowledged: BTreeSet<NodeId>,
    /// Voters that fetched since the count began anew.
    heard: BTreeSet<NodeId>,
    heard_deadline: Timestamp,
    begin_again_at: Timestamp,
    parked: Vec<Parked>,
    pub(super) change: Option<Change>,
    /// Static voters as they have introduced themselves: what the log will name once it does.
    pub(super) introduced: VoterSet,
}

impl Leadership {
    fn progress(&self, key: &ReplicaKey) -> Option<&Progress> {
        self.replicas.get(key).or_else(|| self.replicas.values().find(|progress| progress.key.matches(key)))
    }

    fn progress_mut(&mut self, key: ReplicaKey) -> &mut Progress {
        if self.replicas.len() >= OBSERVERS_MAX && !self.replicas.contains_key(&key) {
            let oldest = self.replicas.values().min_by_key(|progress| progress.last_fetch).map(|it| it.key);
            oldest.and_then(|oldest| self.replicas.remove(&oldest));
        }
        self.replicas.entry(key).or_insert_with(|| Progress::new(key))
    }
}

impl Raft {
    pub(super) fn become_leader(&mut self, turn: &mut Turn<'_>) {
        let epoch = self.election.epoch;
        let granting = match &self.role {
            Role::Candidate { ballot, .. } => {
                self.voters.current().keys().filter(|key| ballot.has_granted(key.id)).collect()
            }
            _ => Vec::new(),
        };
        self.election = ElectionState { epoch, leader: Some(self.settings.local.id), voted: None };
        self.persist(turn);
        self.leader_endpoints = self.settings.endpoints.clone();
        self.failed_elections = 0;
        self.peers.reset();
        self.role = Role::Leader(Box::new(Leadership {
            epoch_start: self.log_end.offset,
            high_watermark: None,
            replicas: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            heard: BTreeSet::new(),
            heard_deadline: turn.now.plus_ms(self.silence_ms_max()),
            begin_again_at: turn.now.plus_ms(self.settings.fetch_timeout_ms / 2),
            parked: Vec::new(),
            change: None,
            introduced: self.introduced_by_leader(),
        }));
        turn.outputs.push(Output::Lead { epoch, voters: self.voters.current().keys().collect(), granting });
    }

    /// A leader that no majority fetches from gives up after this: 1.5 fetch timeouts.
    fn silence_ms_max(&self) -> i64 {
        self.settings.fetch_timeout_ms.saturating_mul(3) / 2
    }

    pub(super) fn poll_leader(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let others = self.others();
        let Role::Leader(leadership) = &mut self.role else { return None };
        if !others.is_empty() && leadership.heard_deadline <= turn.now {
            self.resign(turn);
            return Some(turn.now);
        }
        if leadership.begin_again_at <= turn.now {
            let period_ms = self.settings.fetch_timeout_ms / 2;
            leadership.begin_again_at = turn.now.plus_ms(period_ms.max(1));
            let silent = |key: &ReplicaKey| {
                let fetched =
                    leadership.progress(key).map_or(Timestamp::NONE, |progress| progress.last_fetch);
                turn.now.ms_since(fetched) >= period_ms
            };
            let silent: Vec<_> =
                others.iter().filter(|(key, _)| silent(key)).map(|(key, _)| key.id).collect();
            leadership.acknowledged.retain(|id| !silent.contains(id));
        }
        let unaware: Vec<_> =
            others.iter().filter(|(key, _)| !leadership.acknowledged.contains(&key.id)).cloned().collect();
        let mut due = vec![leadership.begin_again_at];
        due.extend((!others.is_empty()).then_some(leadership.heard_deadline));
        for (key, to) in unaware {
            let request = PeerRequest::BeginEpoch {
                leader: self.settings.local.id,
                epoch: self.election.epoch,
                voter: Some(key),
                endpoints: self.settings.endpoints.clone(),
            };
            self.peers.send(turn, to, request);
        }
        due.extend(self.poll_change(turn));
        due.extend(self.poll_parked(turn));
        if others.is_empty() && due.len() == 1 {
            return None;
        }
        due.into_iter().min()
    }

    /// A peer took in what it was told: that this node leads, or leads no more, or where it is.
    pub(super) fn acknowledged(&mut self, sent: &super::peers::Sent) {
        let id = self.others().into_iter().find(|(_, to)| *to == sent.to).map(|(key, _)| key.id);
        match (&mut self.role, &sent.request) {
            (Role::Leader(leadership), PeerRequest::BeginEpoch { .. }) => leadership.acknowledged.extend(id),
            (Role::Resigned { unacknowledged, .. }, PeerRequest::EndEpoch { .. }) => {
                unacknowledged.retain(|key| Some(key.id) != id);
            }
            (_, PeerRequest::UpdateVoter { .. }) => self.told_leader(),
            _ => {}
        }
    }

    /// Leads no more, and tells the voters who should.
    pub(super) fn resign(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leadership) = &self.role else { return };
        let end = |key: &ReplicaKey| leadership.progress(key).map_or(Offset::NONE, |progress| progress.end);
        let mut successors: Vec<_> = self.others().into_iter().map(|(key, _)| key).collect();
        successors.sort_by_key(|key| (std::cmp::Reverse(end(key)), *key));
        self.refuse_parked(turn);
        let deadline = self.election_deadline(turn.now);
        self.peers.reset();
        self.role = Role::Resigned { unacknowledged: successors.clone(), successors, deadline };
        turn.outputs.push(Output::Resigned);
    }

    pub(super) fn poll_resigned(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let Role::Resigned { unacknowledged, successors, deadline } = &self.role else { return None };
        let (unacknowledged, successors, deadline) = (unacknowledged.clone(), successors.clone(), *deadline);
        if deadline <= turn.now && !self.is_stopping {
            // In a higher epoch, so that nobody takes this node for the leader of the old one any more.
            self.become_unattached(turn, LeaderEpoch(self.election.epoch.0 + 1), None);
            return Some(turn.now);
        }
        for (key, to) in self.others() {
            if unacknowledged.contains(&key) {
                let request = PeerRequest::EndEpoch {
                    leader: self.settings.local.id,
                    epoch: self.election.epoch,
                    successors: successors.clone(),
                    endpoints: self.settings.endpoints.clone(),
                };
                self.peers.send(turn, to, request);
            }
        }
        (!self.is_stopping).then_some(deadline)
    }

    /// After [`Input::Resign`](super::Input::Resign): whether nobody waits for this node: it did not lead, another does, or
    /// none of the others is there.
    pub fn may_stop(&self) -> bool {
        match &self.role {
            Role::Leader(_) => false,
            Role::Resigned { .. } => self.others().iter().all(|(_, to)| self.peers.is_backing_off(to)),
            _ => true,
        }
    }

    pub(super) fn on_fetch(&mut self, turn: &mut Turn<'_>, ticket: Ticket, request: FetchRequest) {
        let at = request.log_end;
        let is_illegal = request.wait_ms_max < 0
            || at.offset.0 < 0
            || at.epoch.0 < 0
            || at.epoch > request.epoch
            || request.replica.id == self.settings.local.id;
        let checked = if is_illegal {
            Err(ErrorCode::InvalidRequest)
        } else {
            self.check_leader_request(request.epoch)
        };
        if let Err(error) = checked {
            return self.answer_fetch(turn, ticket, error, empty());
        }
        if let Some(elsewhere) = elsewhere(turn.log, at) {
            return self.answer_fetch(turn, ticket, ErrorCode::None, elsewhere);
        }
        self.heard_from(turn.now, request.replica);
        self.reached(turn, request.replica, at.offset);
        // The high watermark may have moved, and this node with it out of its role.
        let Role::Leader(leadership) = &mut self.role else {
            return self.answer_fetch(turn, ticket, ErrorCode::NotLeaderOrFollower, empty());
        };
        let is_news = at.offset < self.log_end.offset
            || leadership.high_watermark.unwrap_or(Offset::NONE) > request.high_watermark;
        let former = leadership
            .parked
            .iter()
            .position(|parked| parked.replica == request.replica && request.replica.id.0 >= 0);
        let former = former.map(|at| leadership.parked.swap_remove(at));
        let is_answered = is_news || request.wait_ms_max == 0 || leadership.parked.len() >= PARKED_MAX;
        if !is_answered {
            leadership.parked.push(Parked {
                ticket,
                replica: request.replica,
                offset: at.offset,
                high_watermark: request.high_watermark,
                deadline: turn.now.plus_ms(request.wait_ms_max),
            });
        }
        if let Some(former) = former {
            self.answer_fetch(turn, former.ticket, ErrorCode::None, FetchContent::ReadFrom(former.offset));
        }
        if is_answered {
            self.answer_fetch(turn, ticket, ErrorCode::None, FetchContent::ReadFrom(at.offset));
        }
    }

    fn answer_fetch(&self, turn: &mut Turn<'_>, ticket: Ticket, error: ErrorCode, content: FetchContent) {
        let high_watermark = match &self.role {
            Role::Leader(leadership) if error == ErrorCode::None => leadership.high_watermark,
            _ => None,
        };
        let answer = PeerAnswer::Fetch {
            answer: self.answer(error),
            high_watermark: high_watermark.unwrap_or(Offset::NONE),
            content,
        };
        turn.outputs.push(Output::Answer { ticket, answer });
    }

    pub(super) fn on_fetch_snapshot(
        &mut self,
        turn: &mut Turn<'_>,
        (replica, epoch): (ReplicaKey, LeaderEpoch),
        id: LogEnd,
        position: u64,
    ) -> PeerAnswer {
        if let Err(error) = self.check_leader_request(epoch) {
            return PeerAnswer::Snapshot(self.answer(error), None);
        }
        self.heard_from(turn.now, replica);
        let chunk = SnapshotChunk { id, position, size: 0, bytes: bytes::Bytes::new() };
        PeerAnswer::Snapshot(self.answer(ErrorCode::None), Some(chunk))
    }

    /// Counts a voter as alive; with a majority the count begins anew.
    fn heard_from(&mut self, now: Timestamp, key: ReplicaKey) {
        let voters = self.voters.current();
        let needed = voters.majority() - usize::from(voters.contains(&self.settings.local));
        let is_voter = voters.contains(&key);
        let silence_ms_max = self.silence_ms_max();
        let Role::Leader(leadership) = &mut self.role else { return };
        if is_voter {
            leadership.heard.insert(key.id);
            leadership.acknowledged.insert(key.id);
        }
        if leadership.heard.len() >= needed {
            leadership.heard.clear();
            leadership.heard_deadline = now.plus_ms(silence_ms_max);
        }
    }

    /// A replica has everything below `offset` on its disk.
    fn reached(&mut self, turn: &mut Turn<'_>, key: ReplicaKey, offset: Offset) {
        let (leader_end, now) = (self.log_end.offset, turn.now);
        let Role::Leader(leadership) = &mut self.role else { return };
        if key.id.0 < 0 {
            return;
        }
        let is_gone = |progress: &Progress| now.ms_since(progress.last_fetch) >= OBSERVER_SESSION_MS;
        leadership.replicas.retain(|_, progress| !is_gone(progress));
        leadership.progress_mut(key).fetched(now, offset, leader_end);
        self.advance_high_watermark(turn);
    }

    pub(super) fn advance_high_watermark(&mut self, turn: &mut Turn<'_>) {
        let (local, own_end) = (self.settings.local, self.log_end.offset);
        let voters = self.voters.current();
        let Role::Leader(leadership) = &mut self.role else { return };
        let end = |key: ReplicaKey| match leadership.progress(&key) {
            _ if key.matches(&local) => own_end,
            Some(progress) => progress.end,
            None => Offset::NONE,
        };
        let mut ends: Vec<Offset> = voters.keys().map(end).collect();
        ends.sort_unstable_by(|one, other| other.cmp(one));
        // The last of a majority when they are sorted from the furthest.
        let Some(common) = ends.get(voters.majority() - 1).copied() else { return };
        let is_news = leadership.high_watermark.is_none_or(|known| common > known);
        if common > leadership.epoch_start && is_news {
            leadership.high_watermark = Some(common);
            self.commit(turn, common);
            self.change_committed(turn, common);
            self.serve_parked(turn);
        }
    }

    /// Answers the Fetches for which there is news.
    pub(super) fn serve_parked(&mut self, turn: &mut Turn<'_>) {
        let end = self.log_end.offset;
        self.answer_parked(turn, |parked, high_watermark| {
            parked.offset < end || high_watermark > parked.high_watermark
        });
    }

    /// Answers the Fetches that have waited long enough, and says when the next has.
    fn poll_parked(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let now = turn.now;
        self.answer_parked(turn, |parked, _| parked.deadline <= now);
        let Role::Leader(leadership) = &self.role else { return None };
        leadership.parked.iter().map(|parked| parked.deadline).min()
    }

    fn answer_parked(&mut self, turn: &mut Turn<'_>, is_due: impl Fn(&Parked, Offset) -> bool) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let high_watermark = leadership.high_watermark.unwrap_or(Offset::NONE);
        let parked = std::mem::take(&mut leadership.parked);
        let (due, kept) = parked.into_iter().partition(|parked| is_due(parked, high_watermark));
        leadership.parked = kept;
        let due: Vec<Parked> = due;
        for parked in due {
            let content = FetchContent::ReadFrom(parked.offset);
            self.answer_fetch(turn, parked.ticket, ErrorCode::None, content);
        }
    }

    /// Nobody is served any more by a leader that was.
    pub(super) fn refuse_parked(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let parked = std::mem::take(&mut leadership.parked);
        let change = leadership.change.take();
        for parked in parked {
            self.answer_fetch(turn, parked.ticket, ErrorCode::NotLeaderOrFollower, empty());
        }
        if let Some(change) = change {
            self.end_change(turn, change, ErrorCode::NotLeaderOrFollower, None);
        }
    }

    /// Whether this node leads and somebody fetches from it.
    pub fn has_followers(&self) -> bool {
        matches!(&self.role, Role::Leader(leadership) if !leadership.replicas.is_empty())
    }

    /// What DescribeQuorum tells; `None` where this node does not lead.
    pub fn view(&self, now: Timestamp) -> Option<QuorumView> {
        let Role::Leader(leadership) = &self.role else { return None };
        let of = |key: ReplicaKey| match leadership.progress(&key) {
            _ if key.matches(&self.settings.local) => Progress {
                end: self.log_end.offset,
                last_fetch: now,
                last_caught_up: now,
                ..Progress::new(key)
            },
            Some(progress) => Progress { key, ..*progress },
            None => Progress::new(key),
        };
        let voters = self.voters.current();
        let observers = leadership.replicas.values().filter(|progress| {
            !voters.contains(&progress.key) && now.ms_since(progress.last_fetch) < OBSERVER_SESSION_MS
        });
        Some(QuorumView {
            leader: self.settings.local.id,
            epoch: self.election.epoch,
            high_watermark: leadership.high_watermark.unwrap_or(Offset::NONE),
            voters: voters.keys().map(of).collect(),
            observers: observers.copied().collect(),
        })
    }

    /// When a replica had everything last, and it still asks.
    pub(super) fn is_caught_up(&self, now: Timestamp, key: &ReplicaKey) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        leadership.progress(key).is_some_and(|progress| {
            progress.last_caught_up.0 >= 0
                && now.ms_since(progress.last_caught_up) <= self.settings.fetch_timeout_ms
        })
    }
}

fn empty() -> FetchContent {
    FetchContent::Records(bytes::Bytes::new())
}

/// Where a replica that is not on the leader's log must go first; `None` for one that is.
fn elsewhere(log: &dyn LogView, at: LogEnd) -> Option<FetchContent> {
    let start = log.start_offset();
    if let Some(earliest) = log.earliest_snapshot() {
        let is_before = at.offset < start || at.epoch < earliest.epoch;
        let is_at_start = at.offset == start && start > Offset(0);
        if is_before || is_at_start && at.epoch != earliest.epoch {
            return Some(FetchContent::Snapshot(log.latest_snapshot().unwrap_or(earliest)));
        }
        if is_at_start {
            return None;
        }
    }
    if at == LogEnd::default() {
        return None;
    }
    let end = log.end_of_epoch(at.epoch);
    (end.epoch != at.epoch || end.offset < at.offset).then_some(FetchContent::Diverging(end))
}
