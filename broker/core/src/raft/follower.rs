//! Following a leader: Fetch by Fetch, the snapshot where the leader's log begins later, and what ends it.

use milena_protocol::{ErrorCode, NodeId, Offset, Timestamp};

use super::election::STAGGER_MS;
use super::voters::Address;
use super::{
    Answer, FetchContent, FetchRequest, LogEnd, Lost, Output, PeerRequest, Raft, ReplicaKey, Role, Settings,
    SnapshotChunk, Turn, voters,
};

/// Fetch timeouts between two looks at whether the leader knows where this voter is reached.
const UPDATE_VOTER_FETCH_TIMEOUTS: i64 = 3;
/// The longest a leader holds a Fetch without news, as Apache Kafka's replicas ask.
const FETCH_WAIT_MS_MAX: i64 = 500;

/// What a follower knows.
#[derive(Debug, Clone)]
pub(super) struct Following {
    /// Without a Fetch until then, a voter stands.
    fetch_deadline: Timestamp,
    /// The connection broke, or the leader ended its epoch: a voter stands then.
    stand_at: Option<Timestamp>,
    /// The leader answered a Fetch in this epoch.
    has_fetched: bool,
    /// The shell is changing the log; the next Fetch waits for its new end.
    pub(super) is_appending: bool,
    /// What the leader said is committed.
    leader_committed: Option<Offset>,
    /// The snapshot that is being fetched, and how much of it is here.
    snapshot: Option<(LogEnd, u64)>,
    update_voter_at: Timestamp,
    has_updated_leader: bool,
}

impl Following {
    pub(super) fn new(now: Timestamp, settings: &Settings) -> Self {
        Self {
            fetch_deadline: now.plus_ms(settings.fetch_timeout_ms),
            stand_at: None,
            has_fetched: false,
            is_appending: false,
            leader_committed: None,
            snapshot: None,
            update_voter_at: now.plus_ms(UPDATE_VOTER_FETCH_TIMEOUTS * settings.fetch_timeout_ms),
            has_updated_leader: false,
        }
    }

    /// Whether the leader lives, as far as this follower can tell.
    pub(super) fn hears(&self, now: Timestamp) -> bool {
        self.has_fetched && now < self.fetch_deadline
    }

    fn heard(&mut self, now: Timestamp, fetch_timeout_ms: i64) {
        self.fetch_deadline = now.plus_ms(fetch_timeout_ms);
        self.stand_at = None;
        self.has_fetched = true;
    }
}

impl Raft {
    pub(super) fn poll_follower(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let stands = self.may_stand() && !self.is_stopping;
        let Role::Follower(following) = &self.role else { return None };
        let stand_at = following.stand_at.unwrap_or(following.fetch_deadline).min(following.fetch_deadline);
        if stands && stand_at <= turn.now {
            self.become_prospective(turn);
            return Some(turn.now);
        }
        if following.is_appending {
            return stands.then_some(stand_at);
        }
        let update_at = following.update_voter_at;
        let leader = self.leader_address();
        if leader.as_ref().is_none_or(|address| self.peers.is_backing_off(address)) {
            self.fetch_from_anybody(turn);
        } else if let Some(leader) = leader {
            self.ask_leader(turn, leader);
        }
        let update_at = Some(update_at).filter(|update_at| *update_at > turn.now && self.settings.can_vote);
        [stands.then_some(stand_at), update_at].into_iter().flatten().min()
    }

    fn ask_leader(&mut self, turn: &mut Turn<'_>, leader: Address) {
        if self.peers.has_any_in_flight() {
            return;
        }
        let request = match self.membership_request(turn.now) {
            Some(request) => request,
            None => self.fetch_request(),
        };
        self.peers.send(turn, leader, request);
    }

    /// Fetches from somebody at random: whoever it is says who leads.
    pub(super) fn fetch_from_anybody(&mut self, turn: &mut Turn<'_>) {
        if self.peers.has_any_in_flight() {
            return;
        }
        let mut addresses: Vec<Address> = self.others().into_iter().map(|(_, to)| to).collect();
        addresses.extend(self.settings.bootstrap.iter().cloned());
        let own = voters::address(&self.settings.endpoints, &self.settings.listener);
        addresses.retain(|address| own.as_ref() != Some(address) && self.peers.is_ready(address));
        if addresses.is_empty() {
            return;
        }
        let count = i64::try_from(addresses.len()).unwrap_or(i64::MAX);
        let chosen = usize::try_from(self.random_below(count)).unwrap_or_default();
        let request = self.fetch_request();
        self.peers.send(turn, addresses.swap_remove(chosen), request);
    }

    fn fetch_request(&self) -> PeerRequest {
        let replica = self.settings.local;
        if let Role::Follower(Following { snapshot: Some((id, position)), .. }) = &self.role {
            let (id, position) = (*id, *position);
            return PeerRequest::FetchSnapshot { replica, epoch: self.election.epoch, id, position };
        }
        PeerRequest::Fetch(FetchRequest {
            replica,
            epoch: self.election.epoch,
            log_end: self.log_end,
            high_watermark: if self.committed == Offset(0) { Offset::NONE } else { self.committed },
            wait_ms_max: FETCH_WAIT_MS_MAX,
        })
    }

    /// What the leader should know of this replica first: a voter tells where it is reached, one that wants to be a voter
    /// asks for it (KIP-853, KIP-1186).
    fn membership_request(&mut self, now: Timestamp) -> Option<PeerRequest> {
        let period_ms = UPDATE_VOTER_FETCH_TIMEOUTS * self.settings.fetch_timeout_ms;
        let (me, is_voter, can_vote) = (self.introduction(), self.is_voter(), self.settings.can_vote);
        let current = self.voters.current();
        let Role::Follower(following) = &mut self.role else { return None };
        if !can_vote || following.update_voter_at > now {
            return None;
        }
        following.update_voter_at = now.plus_ms(period_ms);
        let is_dynamic = current.kraft_version > 0;
        let recorded = current.by_id(me.key.id);
        if is_voter {
            let is_news = if is_dynamic { recorded != Some(&me) } else { !following.has_updated_leader };
            return is_news.then_some(PeerRequest::UpdateVoter { voter: me, epoch: self.election.epoch });
        }
        if !is_dynamic || !self.settings.auto_join {
            return None;
        }
        Some(match recorded {
            // The same node voted with another directory, which is gone.
            Some(former) => PeerRequest::RemoveVoter(former.key),
            None => PeerRequest::AddVoter {
                voter: me,
                ack_when_committed: false,
                timeout_ms: self.settings.request_timeout_ms,
            },
        })
    }

    pub(super) fn told_leader(&mut self) {
        if let Role::Follower(following) = &mut self.role {
            following.has_updated_leader = true;
        }
    }

    pub(super) fn on_fetched(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Address,
        answer: &Answer,
        (high_watermark, content): (Offset, FetchContent),
    ) {
        let epoch = self.election.epoch;
        self.learn(turn, answer.epoch, answer.leader, &answer.endpoints);
        let is_current = answer.epoch == epoch && self.election.epoch == epoch;
        let is_leader = self.leader_address().as_ref() == Some(from) && answer.leader == self.election.leader;
        if answer.error == ErrorCode::NotLeaderOrFollower && is_current && is_leader {
            self.leader_is_gone(turn.now);
        }
        let Role::Follower(following) = &mut self.role else {
            return self.peers.back_off(from, turn.now, self.settings.retry_backoff_ms);
        };
        if answer.error != ErrorCode::None || !is_current || !is_leader {
            return self.peers.back_off(from, turn.now, self.settings.retry_backoff_ms);
        }
        following.heard(turn.now, self.settings.fetch_timeout_ms);
        match content {
            FetchContent::Records(records) => {
                following.leader_committed = Some(high_watermark).filter(|offset| offset.0 >= 0);
                if records.is_empty() {
                    self.take_commit(turn);
                } else {
                    following.is_appending = true;
                    turn.outputs.push(Output::Append(records));
                }
            }
            FetchContent::Diverging(end) if end.offset < self.committed => {
                let reason = format!(
                    "the leader asks to truncate to offset {}, everything below {} is committed",
                    end.offset, self.committed
                );
                turn.outputs.push(Output::Fail(reason));
            }
            FetchContent::Diverging(end) => {
                following.is_appending = true;
                turn.outputs.push(Output::Truncate(end));
            }
            FetchContent::Snapshot(id) if id.offset.0 >= 0 && id.epoch.0 >= 0 => {
                following.snapshot = Some((id, 0));
            }
            FetchContent::Snapshot(_) | FetchContent::ReadFrom(_) => {
                self.peers.back_off(from, turn.now, self.settings.retry_backoff_ms);
            }
        }
    }

    /// The log ends where the shell said: what the leader said is committed counts as far as it is here.
    pub(super) fn appended(&mut self, turn: &mut Turn<'_>) {
        if let Role::Follower(following) = &mut self.role {
            following.is_appending = false;
        }
        self.take_commit(turn);
    }

    fn take_commit(&mut self, turn: &mut Turn<'_>) {
        let Role::Follower(Following { leader_committed: Some(offset), .. }) = &self.role else { return };
        let offset = (*offset).min(self.log_end.offset);
        self.commit(turn, offset);
    }

    pub(super) fn truncated(&mut self) {
        if let Role::Follower(following) = &mut self.role {
            following.is_appending = false;
        }
    }

    pub(super) fn on_snapshot_piece(
        &mut self,
        turn: &mut Turn<'_>,
        (id, position): (LogEnd, u64),
        answer: &Answer,
        piece: Option<SnapshotChunk>,
    ) {
        self.learn(turn, answer.epoch, answer.leader, &answer.endpoints);
        let leader = self.leader_address();
        let Role::Follower(following) = &mut self.role else { return };
        if following.snapshot != Some((id, position)) {
            return;
        }
        let piece = piece.filter(|piece| {
            let is_next = piece.id == id && piece.position == position;
            is_next && answer.error == ErrorCode::None && (!piece.bytes.is_empty() || piece.is_last())
        });
        let Some(piece) = piece else {
            // It is gone at the leader, or another: the next Fetch tells which one to take.
            following.snapshot = None;
            if let Some(leader) = leader {
                self.peers.back_off(&leader, turn.now, self.settings.retry_backoff_ms);
            }
            return;
        };
        following.heard(turn.now, self.settings.fetch_timeout_ms);
        following.snapshot = Some((id, position + piece.bytes.len() as u64));
        if piece.is_last() {
            following.snapshot = None;
            following.is_appending = true;
            following.leader_committed = Some(id.offset);
        }
        turn.outputs.push(Output::StoreSnapshot(piece));
    }

    /// A Fetch that has no answer.
    pub(super) fn on_fetch_lost(&mut self, turn: &Turn<'_>, to: &Address, lost: Lost) {
        if lost == Lost::Closed && self.leader_address().as_ref() == Some(to) {
            self.leader_is_gone(turn.now);
        }
    }

    /// The connection to the leader broke, or it says that it leads no more: voters stand one after the other.
    fn leader_is_gone(&mut self, now: Timestamp) {
        let rank = self.rank();
        let Role::Follower(following) = &mut self.role else { return };
        following.stand_at.get_or_insert(now.plus_ms(STAGGER_MS * rank));
    }

    /// How many voters stand before this one.
    fn rank(&self) -> i64 {
        let (local, leader) = (self.settings.local.id, self.election.leader);
        let before = |key: &ReplicaKey| key.id < local && Some(key.id) != leader;
        i64::try_from(self.voters.current().keys().filter(before).count()).unwrap_or(i64::MAX)
    }

    /// The leader ended its epoch: the voter that is furthest stands at once, the others later and later.
    pub(super) fn leader_ends(&mut self, turn: &Turn<'_>, leader: NodeId, successors: &[ReplicaKey]) {
        let is_leader = self.election.leader == Some(leader);
        let place = successors.iter().position(|key| key.matches(&self.settings.local));
        let pause_ms = match place {
            Some(0) => 0,
            Some(place) => {
                let base_ms = self.settings.election_backoff_max_ms >> (successors.len() - 1).min(62);
                (base_ms << (place - 1).min(62)).clamp(0, self.settings.election_backoff_max_ms)
            }
            None => self.settings.election_backoff_max_ms,
        };
        let Role::Follower(following) = &mut self.role else { return };
        if is_leader {
            following.stand_at = Some(turn.now.plus_ms(pause_ms));
            // Whoever stands in time is granted a pre-vote: this leader is not coming back.
            following.has_fetched = false;
        }
    }
}
