//! One replica of the metadata quorum: elections, replication and commits of KRaft, as a pure state machine.
//!
//! `step(now, log, input)` answers with [`Output`]s that the shell executes in order before the next step; an
//! [`Output::Persist`] is on the disk before anything after it happens. Bytes of records pass through unread: the shell
//! reads and writes the log, and tells what is flushed ([`Input::Flushed`]) and which voters it names
//! ([`Input::Voters`]).
//!
//! | from | trigger | to |
//! |---|---|---|
//! | start | a leader other than this node is known, with its address | follower of it |
//! | start | otherwise | a voter is prospective at once, others unattached |
//! | unattached | election timeout, voters only, and those whose removal is not committed | prospective: asks for pre-votes, the epoch stays (KIP-996) |
//! | prospective | majority of pre-votes | candidate: epoch + 1, votes for itself |
//! | prospective | timeout, refused by a majority | follower of the leader it knew, else unattached, with a random pause |
//! | candidate | majority of votes | leader: writes a LeaderChangeMessage |
//! | candidate | timeout; a random pause after it was refused by a majority | prospective |
//! | leader | no majority of voters fetched for 1.5 fetch timeouts; told to; removed from the voters | resigned: tells the voters |
//! | resigned | election timeout | unattached, epoch + 1 |
//! | follower | fetch timeout; the connection to the leader broke; EndQuorumEpoch and its pause | prospective (voters), else it looks for another leader |
//! | any | a leader of this epoch, or of a higher one, is told | follower |
//! | any | a higher epoch without a leader | unattached in that epoch |
//!
//! A node that is no voter is an observer: it fetches, and never stands. Deliberate differences from Apache Kafka: an
//! unattached voter asks for pre-votes at once at its start; a broken connection to the leader starts a pre-vote at once,
//! the first voter before the others; candidates that lost try again after a short random pause. Pre-votes keep all three
//! from disturbing a leader that lives.
//!
//! The high watermark is the largest offset that a majority of voters has flushed, once that covers a record of the
//! leader's own epoch. Source: KIP-595, KIP-630, KIP-853, KIP-996, KIP-1166; `KafkaRaftClient`, `QuorumState` and
//! `LeaderState` of Apache Kafka.

use std::ops::RangeInclusive;

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp, Uuid};

use crate::machine::Ticket;

mod ballot;
mod election;
mod follower;
mod inbound;
mod leader;
mod membership;
mod message;
mod peers;
#[cfg(test)]
mod tests;
mod voters;

pub use leader::{Progress, QuorumView};
pub use message::{Answer, FetchContent, FetchRequest, PeerAnswer, PeerRequest, SnapshotChunk, VoteRequest};
pub use voters::{Address, Endpoint, Voter, VoterHistory, VoterSet};

use ballot::Ballot;
use follower::Following;
use leader::Leadership;
use peers::Peers;

/// A replica of the metadata log: a node and the directory that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// The node.
    pub id: NodeId,
    /// Its metadata log directory; nil where it is not told, as with static voters.
    pub directory_id: Uuid,
}

impl ReplicaKey {
    /// Whether both name one replica, as far as they say: a nil directory stands for any.
    pub fn matches(&self, other: &Self) -> bool {
        let either_is_nil = self.directory_id.is_nil() || other.directory_id.is_nil();
        self.id == other.id && (either_is_nil || self.directory_id == other.directory_id)
    }
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

/// The end of a log, or what a snapshot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogEnd {
    /// The offset after the last record.
    pub offset: Offset,
    /// The epoch of the last record.
    pub epoch: LeaderEpoch,
}

impl LogEnd {
    /// Whether a log that ends here has at least what one that ends at `other` has.
    pub fn is_up_to_date_with(&self, other: Self) -> bool {
        (self.epoch, self.offset) >= (other.epoch, other.offset)
    }
}

/// What a leader looks up in its log while it checks where a follower is.
pub trait LogView {
    /// The first offset that can be read.
    fn start_offset(&self) -> Offset;
    /// The largest epoch at or below `epoch` that has records here, and where it ended; offset and epoch 0 if there is none.
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd;
    /// What the oldest snapshot covers.
    fn earliest_snapshot(&self) -> Option<LogEnd>;
    /// What the newest snapshot covers.
    fn latest_snapshot(&self) -> Option<LogEnd>;
}

/// What this replica is and how patient it is. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// This node.
    pub local: ReplicaKey,
    /// It has the controller role, so it may become a voter.
    pub can_vote: bool,
    /// The listener by which replicas reach each other.
    pub listener: ByteString,
    /// Where this node's controller listeners are reached.
    pub endpoints: Vec<Endpoint>,
    /// The levels of `kraft.version` it knows.
    pub kraft_versions: RangeInclusive<i16>,
    /// Where a leader is looked for when none is known: `controller.quorum.bootstrap.servers`.
    pub bootstrap: Vec<Address>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i64,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i64,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: i64,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: i64,
    /// `controller.quorum.retry.backoff.ms`.
    pub retry_backoff_ms: i64,
    /// `controller.quorum.auto.join.enable`.
    pub auto_join: bool,
}

/// Names a request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The connection could not be made, or it ended.
    Closed,
    /// Nothing came in time.
    TimedOut,
    /// The other side does not know the request.
    Unsupported,
}

/// What happens to the replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The process starts. To be given once, first.
    Start,
    /// The deadline has come.
    Deadline,
    /// Another node asks; [`Output::Answer`] with the ticket answers, now or later.
    Request {
        /// Names the caller.
        ticket: Ticket,
        /// What it asks.
        request: PeerRequest,
    },
    /// A request that was sent has its answer, or never gets one.
    Answered {
        /// Of [`Output::Send`].
        id: RequestId,
        /// What came of it.
        answer: Result<PeerAnswer, Lost>,
    },
    /// The log is on the disk up to here: after appends, truncation, and a snapshot that was installed.
    Flushed(LogEnd),
    /// What [`Output::Append`] asked for could not be done: the records were no batches that follow the log.
    Rejected,
    /// The log names the voters from `offset` on, committed or not.
    Voters {
        /// Of the record.
        offset: Offset,
        /// Everybody who votes.
        voters: VoterSet,
    },
    /// The log was cut: what it said at `end` or behind is gone.
    Truncated {
        /// The new end.
        end: LogEnd,
    },
    /// This process stops: another voter should lead.
    Resign,
}

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write `quorum-state` and sync it.
    Persist(ElectionState),
    /// Send a request; its answer comes back as [`Input::Answered`].
    Send {
        /// Names it.
        id: RequestId,
        /// Where to.
        to: Address,
        /// What is asked.
        request: PeerRequest,
    },
    /// Answer a request.
    Answer {
        /// Of the request.
        ticket: Ticket,
        /// What to say.
        answer: PeerAnswer,
    },
    /// This node leads: append a LeaderChangeMessage as the first batch of the epoch, and the voters if the log does not
    /// say who they are; then flush.
    Lead {
        /// The epoch it leads.
        epoch: LeaderEpoch,
        /// Everybody who votes.
        voters: Vec<ReplicaKey>,
        /// Who voted for it.
        granting: Vec<ReplicaKey>,
    },
    /// This node leads no more.
    Resigned,
    /// Append a KRaftVoters record, then flush.
    AppendVoters(VoterSet),
    /// Append the leader's batches, then flush; or say [`Input::Rejected`].
    Append(Bytes),
    /// Cut the log where it parts from the leader's, whose part ends here.
    Truncate(LogEnd),
    /// Store a piece of the leader's snapshot; with the last one, put it in place of the log.
    StoreSnapshot(SnapshotChunk),
    /// Everything below is committed.
    Commit(Offset),
    /// The leader, its epoch or its address changed.
    LeaderChanged,
    /// The log contradicts what was committed: the process must end.
    Fail(String),
}

#[derive(Debug, Clone)]
enum Role {
    Unattached { deadline: Option<Timestamp> },
    Prospective { ballot: Ballot, deadline: Timestamp },
    Candidate { ballot: Ballot, deadline: Timestamp },
    Leader(Box<Leadership>),
    Resigned { unacknowledged: Vec<ReplicaKey>, successors: Vec<ReplicaKey>, deadline: Timestamp },
    Follower(Following),
}

/// One replica of the quorum.
#[derive(Debug, Clone)]
pub struct Raft {
    settings: Settings,
    election: ElectionState,
    /// Where the leader is reached.
    leader_endpoints: Vec<Endpoint>,
    voters: VoterHistory,
    /// What is flushed.
    log_end: LogEnd,
    committed: Offset,
    role: Role,
    peers: Peers,
    random: u64,
    /// Elections in a row that ended without a leader.
    failed_elections: u32,
    is_stopping: bool,
    deadline: Option<Timestamp>,
}

impl Raft {
    /// A replica as it was persisted: `log_end` is the end of its recovered log; `seed` feeds its random pauses.
    pub fn new(
        settings: Settings,
        election: ElectionState,
        log_end: LogEnd,
        voters: VoterHistory,
        seed: u64,
    ) -> Self {
        let is_known = election.epoch >= log_end.epoch;
        let unknown = ElectionState { epoch: log_end.epoch, leader: None, voted: None };
        Self {
            election: if is_known { election } else { unknown },
            leader_endpoints: Vec::new(),
            voters,
            log_end,
            committed: Offset(0),
            role: Role::Unattached { deadline: None },
            peers: Peers::default(),
            random: seed,
            failed_elections: 0,
            is_stopping: false,
            deadline: None,
            settings,
        }
    }

    /// The epoch this node is in.
    pub fn epoch(&self) -> LeaderEpoch {
        self.election.epoch
    }

    /// Who leads, as far as is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.election.leader
    }

    /// Where the leader is reached, if it is known.
    pub fn leader_address(&self) -> Option<Address> {
        voters::address(&self.leader_endpoints, &self.settings.listener)
    }

    /// Whether this node leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Everything below is committed.
    pub fn committed(&self) -> Offset {
        self.committed
    }

    /// Whether this node votes.
    pub fn is_voter(&self) -> bool {
        self.settings.can_vote && self.voters.current().contains(&self.settings.local)
    }

    /// Whether this node may be elected. One whose removal is not known to be committed may: it may be the only one whose
    /// log holds the new set.
    fn may_stand(&self) -> bool {
        self.settings.can_vote && self.voters.any_contains(&self.settings.local)
    }

    /// Everybody who votes, as the log says now.
    pub fn voters(&self) -> &VoterSet {
        self.voters.current()
    }

    /// Everybody who voted when the log ended at `offset`.
    pub fn voters_at(&self, offset: Offset) -> &VoterSet {
        self.voters.at(offset)
    }

    /// The name of the role, as Kafka's `current-state` metric calls it.
    pub fn role_name(&self) -> &'static str {
        match (&self.role, self.is_voter()) {
            (Role::Unattached { .. }, _) if self.election.voted.is_some() => "unattached-voted",
            (Role::Unattached { .. }, _) => "unattached",
            (Role::Prospective { .. }, _) => "prospective",
            (Role::Candidate { .. }, _) => "candidate",
            (Role::Leader(_), _) => "leader",
            (Role::Resigned { .. }, _) => "resigned",
            (Role::Follower(_), true) => "follower",
            (Role::Follower(_), false) => "observer",
        }
    }

    /// When [`Input::Deadline`] is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Takes one input in.
    pub fn step(&mut self, now: Timestamp, log: &dyn LogView, input: Input) -> Vec<Output> {
        let mut turn = Turn { now, log, outputs: Vec::new() };
        let before = (self.election.leader, self.election.epoch, self.leader_address());
        match input {
            Input::Start => self.start(&mut turn),
            Input::Deadline => {}
            Input::Request { ticket, request } => self.on_request(&mut turn, ticket, request),
            Input::Answered { id, answer } => self.on_answer(&mut turn, id, answer),
            Input::Flushed(end) => self.on_flushed(&mut turn, end),
            Input::Rejected => self.on_rejected(&turn),
            Input::Voters { offset, voters } => self.on_voters(&mut turn, offset, voters),
            Input::Truncated { end } => {
                self.voters.truncate(end.offset);
                self.log_end = end;
                self.truncated();
            }
            Input::Resign => self.on_stop(&mut turn),
        }
        self.poll(&mut turn);
        if before != (self.election.leader, self.election.epoch, self.leader_address()) {
            turn.outputs.push(Output::LeaderChanged);
        }
        turn.outputs
    }

    fn start(&mut self, turn: &mut Turn<'_>) {
        let known = self.election.leader.filter(|leader| *leader != self.settings.local.id);
        let endpoints = known.and_then(|id| self.voters.current().by_id(id)).map(|voter| &voter.endpoints);
        match (known, endpoints.cloned()) {
            (Some(_), Some(endpoints)) => self.follow_known(turn, endpoints),
            _ if self.may_stand() => self.become_prospective(turn),
            _ => self.role = Role::Unattached { deadline: None },
        }
    }

    /// Does what time has made due, sends what can be sent, and finds the next deadline.
    fn poll(&mut self, turn: &mut Turn<'_>) {
        self.deadline = None;
        self.peers.expire(turn.now);
        let due = match &self.role {
            Role::Unattached { .. } => self.poll_unattached(turn),
            Role::Prospective { .. } | Role::Candidate { .. } => self.poll_election(turn),
            Role::Leader(_) => self.poll_leader(turn),
            Role::Resigned { .. } => self.poll_resigned(turn),
            Role::Follower(_) => self.poll_follower(turn),
        };
        // Another role may have begun, with deadlines of its own.
        if due.is_some_and(|due| due <= turn.now) {
            return self.poll(turn);
        }
        self.deadline = [due, self.peers.next_deadline(turn.now)].into_iter().flatten().min();
    }

    fn on_rejected(&mut self, turn: &Turn<'_>) {
        if let Role::Follower(following) = &mut self.role {
            following.is_appending = false;
        }
        if let Some(address) = self.leader_address() {
            self.peers.back_off(&address, turn.now, self.settings.retry_backoff_ms);
        }
    }

    fn on_voters(&mut self, turn: &mut Turn<'_>, offset: Offset, voters: VoterSet) {
        self.voters.record(offset, voters);
        self.voters_changed(turn, offset);
    }

    fn on_flushed(&mut self, turn: &mut Turn<'_>, end: LogEnd) {
        self.log_end = end;
        if matches!(self.role, Role::Leader(_)) {
            self.advance_high_watermark(turn);
            self.serve_parked(turn);
        } else {
            self.appended(turn);
        }
    }

    fn commit(&mut self, turn: &mut Turn<'_>, offset: Offset) {
        if offset > self.committed {
            self.committed = offset;
            self.voters.forget_before(offset);
            turn.outputs.push(Output::Commit(offset));
        }
    }

    fn on_stop(&mut self, turn: &mut Turn<'_>) {
        self.is_stopping = true;
        if matches!(self.role, Role::Leader(_)) {
            self.resign(turn);
        }
    }

    /// The answer to a request that carries nothing but who leads.
    fn answer(&self, error: ErrorCode) -> Answer {
        Answer {
            error,
            leader: self.election.leader,
            epoch: self.election.epoch,
            endpoints: if self.election.leader.is_some() {
                self.leader_endpoints.clone()
            } else {
                Vec::new()
            },
        }
    }

    fn persist(&self, turn: &mut Turn<'_>) {
        turn.outputs.push(Output::Persist(self.election));
    }

    /// A number below `range`, at least 0.
    fn random_below(&mut self, range: i64) -> i64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let range = u64::try_from(range).unwrap_or_default().max(1);
        i64::try_from((self.random >> 33) % range).unwrap_or_default()
    }

    /// Between one and two election timeouts from now.
    fn election_deadline(&mut self, now: Timestamp) -> Timestamp {
        let timeout_ms = self.settings.election_timeout_ms.max(1);
        now.plus_ms(timeout_ms + self.random_below(timeout_ms))
    }
}

/// One step: the clock, the log, and what comes of it.
struct Turn<'a> {
    now: Timestamp,
    log: &'a dyn LogView,
    outputs: Vec<Output>,
}
