//! What replicas of the quorum say to each other: the requests and answers of KRaft without their bytes.

use std::ops::RangeInclusive;

use bytes::Bytes;
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset};

use super::voters::{Endpoint, Voter};
use super::{LogEnd, ReplicaKey};

/// Vote, key 52.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteRequest {
    /// Who wants to lead.
    pub candidate: ReplicaKey,
    /// In this epoch.
    pub epoch: LeaderEpoch,
    /// Whom the candidate takes the receiver for; `None` before version 1.
    pub voter: Option<ReplicaKey>,
    /// The end of the candidate's log.
    pub log_end: LogEnd,
    /// Only asks whether the vote would be granted (KIP-996).
    pub pre_vote: bool,
}

/// Fetch, key 1, of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Who fetches; an id below 0 is a reader that is no replica.
    pub replica: ReplicaKey,
    /// The epoch the replica is in.
    pub epoch: LeaderEpoch,
    /// The end of its log.
    pub log_end: LogEnd,
    /// The high watermark it knows (KIP-1166); the largest offset where it does not say, -1 where it knows none.
    pub high_watermark: Offset,
    /// The longest it waits for records.
    pub wait_ms_max: i64,
}

/// A request of one replica to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerRequest {
    /// Asks for a vote.
    Vote(VoteRequest),
    /// The sender leads, key 53.
    BeginEpoch {
        /// The sender.
        leader: NodeId,
        /// Its epoch.
        epoch: LeaderEpoch,
        /// Whom it takes the receiver for.
        voter: Option<ReplicaKey>,
        /// Where the sender is reached.
        endpoints: Vec<Endpoint>,
    },
    /// The sender leads no more, key 54.
    EndEpoch {
        /// The sender.
        leader: NodeId,
        /// Its epoch.
        epoch: LeaderEpoch,
        /// Who should follow it, the furthest first.
        successors: Vec<ReplicaKey>,
        /// Where the sender is reached.
        endpoints: Vec<Endpoint>,
    },
    /// Asks for records.
    Fetch(FetchRequest),
    /// Asks for a piece of a snapshot, key 59.
    FetchSnapshot {
        /// Who fetches.
        replica: ReplicaKey,
        /// The epoch it is in.
        epoch: LeaderEpoch,
        /// Which snapshot.
        id: LogEnd,
        /// From this byte on.
        position: u64,
    },
    /// Asks which levels of `kraft.version` the receiver knows, key 18.
    ApiVersions,
    /// Asks to become a voter, key 80.
    AddVoter {
        /// Who and where.
        voter: Voter,
        /// Answer when it is committed, not when it is appended.
        ack_when_committed: bool,
        /// The longest the caller waits.
        timeout_ms: i64,
    },
    /// Asks that a voter be removed, key 81.
    RemoveVoter(ReplicaKey),
    /// Tells where a voter is reached now, key 82.
    UpdateVoter {
        /// Who and where.
        voter: Voter,
        /// The epoch it is in.
        epoch: LeaderEpoch,
    },
}

/// What every answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is an error.
    pub error: ErrorCode,
    /// Who leads, as far as the sender knows.
    pub leader: Option<NodeId>,
    /// The epoch the sender is in.
    pub epoch: LeaderEpoch,
    /// Where the leader is reached; empty where it is not told.
    pub endpoints: Vec<Endpoint>,
}

/// What a Fetch yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchContent {
    /// What the asking replica receives: whole batches, maybe none.
    Records(Bytes),
    /// What a leader tells its shell: answer with what the log holds from here to its flushed end.
    ReadFrom(Offset),
    /// The log of the asking replica parts from the leader's: the leader's part ends here.
    Diverging(LogEnd),
    /// The leader's log begins later: a snapshot must be fetched.
    Snapshot(LogEnd),
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// What the snapshot covers.
    pub id: LogEnd,
    /// The first byte of the piece.
    pub position: u64,
    /// Bytes of the whole snapshot.
    pub size: u64,
    /// The piece; empty where a leader asks its shell to fill it in.
    pub bytes: Bytes,
}

impl SnapshotChunk {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        self.position + self.bytes.len() as u64 >= self.size
    }
}

/// The answer of one replica to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAnswer {
    /// To Vote.
    Vote(Answer, /** Whether it is granted. */ bool),
    /// To BeginQuorumEpoch, EndQuorumEpoch and UpdateRaftVoter.
    Plain(Answer),
    /// To Fetch.
    Fetch {
        /// Who leads.
        answer: Answer,
        /// What is committed; -1 while the leader does not know.
        high_watermark: Offset,
        /// What was asked for; no records with an error.
        content: FetchContent,
    },
    /// To FetchSnapshot; without a piece where there is an error.
    Snapshot(Answer, Option<SnapshotChunk>),
    /// To ApiVersions: the levels of `kraft.version`.
    KraftVersions(Option<RangeInclusive<i16>>),
    /// To AddRaftVoter and RemoveRaftVoter.
    Membership {
        /// Whether it is an error.
        error: ErrorCode,
        /// More than the code says.
        message: Option<String>,
    },
}
