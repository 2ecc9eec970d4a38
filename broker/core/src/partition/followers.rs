//! What a leader knows of one follower: how far its log reaches, when it had caught up, which process it is.
//!
//! A follower has caught up at a time `t` if one of its fetches asks for what was the leader's log end at `t`, or more.
//! The fetch that reaches the end the leader had at the fetch before proves the time of that one: a follower that is
//! always one small append behind is in sync all the same.
//!
//! Source: `Replica` and `ReplicaState` of Apache Kafka, KIP-903.

use milena_protocol::{ErrorCode, NodeId, Offset, Timestamp};

/// A broker that the metadata image counts as alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveBroker {
    /// The epoch of its registration.
    pub epoch: i64,
    /// Whether it is on its way out.
    pub is_stopping: bool,
}

/// What a Fetch says about the follower that sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerFetch {
    /// Who fetches.
    pub node: NodeId,
    /// The epoch of its registration; -1 where it does not say (before version 15).
    pub broker_epoch: i64,
    /// Its log end.
    pub offset: Offset,
    /// Its log start.
    pub log_start: Offset,
    /// This leader's log end before it read for the fetch.
    pub leader_end: Offset,
}

/// One follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Follower {
    pub(super) node: NodeId,
    /// -1 before it has fetched.
    pub(super) log_end: Offset,
    /// -1 before it has fetched.
    pub(super) log_start: Offset,
    /// As its last fetch told it.
    pub(super) broker_epoch: Option<i64>,
    /// As the metadata image has it.
    pub(super) live: Option<LiveBroker>,
    leader_end_at_fetch: Offset,
    fetched_at: Timestamp,
    caught_up_at: Timestamp,
}

impl Follower {
    /// Nothing is known of it. In sync, it has the time that every follower has to fetch.
    pub(super) fn new(node: NodeId, is_in_sync: bool, now: Timestamp) -> Self {
        Self {
            node,
            log_end: Offset::NONE,
            log_start: Offset::NONE,
            broker_epoch: None,
            live: None,
            leader_end_at_fetch: Offset::NONE,
            fetched_at: Timestamp(0),
            caught_up_at: if is_in_sync { now } else { Timestamp(0) },
        }
    }

    /// The same leader leads in another epoch, from `log_end` on.
    pub(super) fn begin_epoch(&mut self, is_in_sync: bool, log_end: Offset, now: Timestamp) {
        let at = if is_in_sync { now } else { Timestamp(0) };
        (self.leader_end_at_fetch, self.fetched_at, self.caught_up_at) = (log_end, at, at);
    }

    pub(super) fn fetched(&mut self, fetch: &FollowerFetch, now: Timestamp) -> Result<(), ErrorCode> {
        let is_stale = |live: LiveBroker| fetch.broker_epoch != -1 && live.epoch > fetch.broker_epoch;
        if self.live.is_some_and(is_stale) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if fetch.offset >= fetch.leader_end {
            self.caught_up_at = self.caught_up_at.max(now);
        } else if fetch.offset >= self.leader_end_at_fetch {
            self.caught_up_at = self.caught_up_at.max(self.fetched_at);
        }
        (self.log_end, self.log_start) = (fetch.offset, fetch.log_start);
        self.leader_end_at_fetch = self.leader_end_at_fetch.max(fetch.leader_end);
        self.fetched_at = now;
        self.broker_epoch = Some(fetch.broker_epoch);
        Ok(())
    }

    /// Has everything, or had it no longer than `lag_ms_max` ago.
    pub(super) fn is_caught_up(&self, leader_end: Offset, now: Timestamp, lag_ms_max: i64) -> bool {
        self.log_end == leader_end || now.ms_since(self.caught_up_at) <= lag_ms_max
    }

    /// Alive, staying, and the process that the image knows (KIP-903).
    pub(super) fn may_be_in_sync(&self) -> bool {
        match (self.live, self.broker_epoch) {
            (Some(live), Some(epoch)) => !live.is_stopping && (epoch == -1 || epoch == live.epoch),
            _ => false,
        }
    }
}
