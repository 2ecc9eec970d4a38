//! One replica of a partition as its leader sees it: epoch, high watermark, followers' progress, producers.
//!
//! | call | when | effect |
//! |---|---|---|
//! | [`Replica::replay`], [`Replica::restore`] ... | a log is opened | producers, log end and high watermark are rebuilt |
//! | [`Replica::lead`] | the metadata image names this node as leader | appends are possible in that epoch |
//! | [`Replica::follow`] | it names another | what that leader has is appended, what it has not is cut off |
//! | [`Replica::resign`] | it names nobody, or the end has come | appends are refused |
//! | [`Replica::plan_append`] | a batch is to be appended | none; says where it goes, or that it is there already |
//! | [`Replica::apply`] | the planned batch is in the log | log end, producers, high watermark move |
//! | [`Replica::hold`], [`Replica::release`] | a batch must be synced before it counts; it was | high watermark stops there, and moves on |
//! | [`Replica::plan_new_start`] | records are to be deleted | none; says where the log may start |
//! | [`Replica::fetched`], [`Replica::shrink`] ... | a follower fetched, or did not | high watermark and ISR may move ([`isr`]) |
//! | [`Replica::replay`], [`Replica::truncated`], [`Replica::learn_high_watermark`] | this follower fetched | the log follows the leader's |
//!
//! The high watermark of a leader is the smallest log end of the ISR. It waits, too, for a follower that is about to join
//! it, and does not move while fewer replicas than `min.insync.replicas` are in the ISR (KIP-966): what is committed is
//! on that many. It never moves back but where a log is cut off.
//!
//! The shell holds one lock around plan, append and apply, so a plan is never stale when it is applied, and an append
//! that the disk refused changes nothing. Source: `Partition` and `UnifiedLog` of Apache Kafka, KIP-98, KIP-101.

use milena_protocol::records::BatchHeader;
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp};

pub mod cleaning;
pub mod followers;
pub mod isr;
pub mod producers;
mod role;

pub use cleaning::{CleaningPlan, CleaningPolicy, LogFacts, SegmentFacts, dirtiest, plan_cleaning};
pub use followers::{FollowerFetch, LiveBroker};
pub use isr::{IsrAnswer, IsrProposal};
pub use producers::{BatchMetadata, Ended, Producers, Restored};

use followers::Follower;
use isr::Pending;
use producers::Sequenced;

/// Who asks for an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer that waits for `acks=all` or does not.
    Client {
        /// The append needs `min.insync.replicas` in sync.
        acks_all: bool,
    },
    /// A coordinator of this broker. Sequences are not checked; `min.insync.replicas` is.
    Coordinator,
}

impl AppendOrigin {
    fn needs_in_sync_replicas(self) -> bool {
        self != Self::Client { acks_all: false }
    }
}

/// What is to happen to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendPlan {
    /// Append it with this stamp, then apply.
    Append {
        /// The offset of its first record.
        base_offset: Offset,
        /// The epoch of this leader.
        leader_epoch: LeaderEpoch,
    },
    /// It is in the log since its first try: answer as then.
    Duplicate(BatchMetadata),
}

/// A leadership, as the metadata image states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Grows with every leader.
    pub epoch: LeaderEpoch,
    /// Grows with every change of the partition.
    pub partition_epoch: i32,
    /// All replicas, this one included.
    pub replicas: Vec<NodeId>,
    /// The replicas in sync, this one included.
    pub isr: Vec<NodeId>,
}

/// What the configuration asks of the replicas of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaRules {
    /// `min.insync.replicas`; counts no more than there are replicas.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub lag_ms_max: i64,
}

/// The state of one replica.
#[derive(Debug, Clone)]
pub struct Replica {
    node_id: NodeId,
    rules: ReplicaRules,
    leader_epoch: LeaderEpoch,
    partition_epoch: i32,
    leadership: Option<Leadership>,
    /// Another replica leads in `leader_epoch`.
    is_follower: bool,
    /// The log end when this leader's epoch began.
    epoch_start: Offset,
    /// Of a leader: the other replicas.
    followers: Vec<Follower>,
    /// Of a leader: a change of the ISR that the controller has not answered.
    pending: Option<Pending>,
    log_end: Offset,
    high_watermark: Offset,
    /// From here on this replica's own records may not count yet: the disk does not have them.
    held_from: Option<Offset>,
    producers: Producers,
}

impl Replica {
    /// A replica on node `node_id` whose log ends at `log_end`, neither leader nor follower yet.
    pub fn new(node_id: NodeId, log_end: Offset, rules: ReplicaRules) -> Self {
        Self {
            node_id,
            rules,
            leader_epoch: LeaderEpoch(-1),
            partition_epoch: -1,
            leadership: None,
            is_follower: false,
            epoch_start: Offset::ZERO,
            followers: Vec::new(),
            pending: None,
            log_end,
            high_watermark: Offset(0),
            held_from: None,
            producers: Producers::default(),
        }
    }

    /// Takes in a producer of a snapshot.
    pub fn restore(&mut self, restored: Restored) {
        self.producers.restore(restored);
    }

    /// Whether the batch, refused for its sequence, may be a retry of one that is in the log and that no snapshot told of.
    /// [`Replica::recall`] wants to see the newest batches of the log then, once for all producers.
    pub fn may_recall(&mut self, header: &BatchHeader) -> bool {
        self.producers.may_recall(header)
    }

    /// Remembers a batch of the log, if it is one of the last of its producer; the newest come first.
    pub fn recall(&mut self, header: &BatchHeader) {
        self.producers.recall(header);
    }

    /// Takes in a batch that is in the log already. `now` counts as the time its producer was last seen. Yields the
    /// transaction that it ends.
    pub fn replay(&mut self, header: &BatchHeader, now: Timestamp) -> Option<Ended> {
        self.log_end = self.log_end.max(header.next_offset());
        self.producers.apply(header, header.base_offset, now)
    }

    /// Takes over what the last run knew to be committed. The log may end before it after a crash.
    pub fn restore_high_watermark(&mut self, offset: Offset) {
        self.high_watermark = self.high_watermark.max(offset.min(self.log_end));
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> bool {
        self.leadership.is_some()
    }

    /// Whether this replica leads others.
    pub fn has_followers(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Whether another replica leads.
    pub fn is_follower(&self) -> bool {
        self.is_follower
    }

    /// Of a leader: its log end when its epoch began. Before the high watermark has reached it, the end of what is
    /// committed is not known.
    pub fn epoch_start(&self) -> Option<Offset> {
        self.is_leader().then_some(self.epoch_start)
    }

    /// Of a leader: where the logs of its live followers start at the earliest; -1 if one has not told.
    pub fn followers_start(&self) -> Option<Offset> {
        let live = self.followers.iter().filter(|follower| follower.live.is_some());
        live.map(|follower| follower.log_start).min()
    }

    /// Of a leader: the in-sync replicas.
    pub fn isr(&self) -> &[NodeId] {
        self.leadership.as_ref().map_or(&[], |leadership| &leadership.isr)
    }

    /// Of a leader: each follower and the range of offsets that its log has.
    pub fn follower_logs(&self) -> impl Iterator<Item = (NodeId, std::ops::RangeInclusive<Offset>)> {
        self.followers.iter().map(|follower| (follower.node, follower.log_start..=follower.log_end))
    }

    /// The newest epoch this replica knows of.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The offset after the last record that every in-sync replica has.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Where readers of committed records stop: at the first open transaction.
    pub fn last_stable_offset(&self) -> Offset {
        let unstable = self.producers.first_unstable_offset();
        unstable.map_or(self.high_watermark, |unstable| unstable.min(self.high_watermark))
    }

    /// The offset that the next record gets.
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// The producers known to this replica.
    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    /// [`check_leader`] with what this replica knows.
    ///
    /// # Errors
    /// As there.
    pub fn check_leader(&self, believed: LeaderEpoch) -> Result<(), ErrorCode> {
        check_leader(believed, self.leader_epoch, self.is_leader())
    }

    /// Decides where a batch goes. Its base offset and leader epoch are still its writer's.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`, `NOT_ENOUGH_REPLICAS`, and those of a producer's sequence:
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER`, `INVALID_PRODUCER_EPOCH`.
    pub fn plan_append(&self, header: &BatchHeader, origin: AppendOrigin) -> Result<AppendPlan, ErrorCode> {
        let leadership = self.leadership.as_ref().ok_or(ErrorCode::NotLeaderOrFollower)?;
        if origin.needs_in_sync_replicas() && !self.has_enough(leadership, leadership.isr.len()) {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        if matches!(origin, AppendOrigin::Client { .. })
            && let Sequenced::Duplicate(batch) = self.producers.check(header)?
        {
            return Ok(AppendPlan::Duplicate(batch));
        }
        Ok(AppendPlan::Append { base_offset: self.log_end, leader_epoch: leadership.epoch })
    }

    /// Takes in that the batch is in the log at `base_offset`, the one of its plan.
    ///
    /// # Panics
    /// If the batch was not planned last.
    pub fn apply(&mut self, header: &BatchHeader, base_offset: Offset, now: Timestamp) {
        assert_eq!(base_offset, self.log_end, "an append is planned and applied under one lock");
        self.producers.apply(header, base_offset, now);
        self.log_end = base_offset + (i64::from(header.last_offset_delta) + 1);
        self.move_high_watermark(now);
    }

    /// What is appended from now on does not count as committed before [`Replica::release`] says so. To be called
    /// between a plan and its `apply`.
    pub fn hold(&mut self) {
        self.held_from.get_or_insert(self.log_end);
    }

    /// The disk has every record below `durable_end`.
    pub fn release(&mut self, durable_end: Offset, now: Timestamp) {
        let is_behind = durable_end < self.log_end;
        self.held_from = self.held_from.filter(|_| is_behind).map(|from| from.max(durable_end));
        self.move_high_watermark(now);
    }

    /// The first record that does not count yet.
    pub fn held_from(&self) -> Option<Offset> {
        self.held_from
    }

    /// Decides where the log starts after records below `wanted` were deleted; -1 stands for the high watermark.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`; `POLICY_VIOLATION` where the topic is `compacted_only`; `OFFSET_OUT_OF_RANGE` beyond
    /// the high watermark and below zero.
    pub fn plan_new_start(&self, wanted: Offset, compacted_only: bool) -> Result<Offset, ErrorCode> {
        if !self.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if compacted_only {
            return Err(ErrorCode::PolicyViolation);
        }
        let offset = if wanted == Offset::NONE { self.high_watermark } else { wanted };
        let is_committed = (Offset::ZERO..=self.high_watermark).contains(&offset);
        is_committed.then_some(offset).ok_or(ErrorCode::OffsetOutOfRange)
    }

    /// Whether as many replicas are in sync as `acks=all` asks for, after its records were appended.
    pub fn has_enough_in_sync(&self) -> bool {
        let enough = |leadership| self.has_enough(leadership, self.maximal_isr_len(leadership));
        self.leadership.as_ref().is_some_and(enough)
    }

    /// Whether this replica leads and another is not in sync.
    pub fn is_under_replicated(&self) -> bool {
        self.leadership.as_ref().is_some_and(|leadership| leadership.isr.len() < leadership.replicas.len())
    }

    /// Whether this replica leads and fewer are in sync than `acks=all` asks for.
    pub fn is_under_min_isr(&self) -> bool {
        self.leadership.as_ref().is_some_and(|leadership| !self.has_enough(leadership, leadership.isr.len()))
    }

    fn has_enough(&self, leadership: &Leadership, in_sync: usize) -> bool {
        in_sync >= self.rules.min_insync_replicas.min(leadership.replicas.len())
    }

    /// Forgets producers that were silent for `silence_ms_max`.
    pub fn expire_producers(&mut self, now: Timestamp, silence_ms_max: i64) {
        self.producers.expire(now, silence_ms_max);
    }

    fn move_high_watermark(&mut self, now: Timestamp) {
        let Some(leadership) = &self.leadership else { return };
        if !self.has_enough(leadership, leadership.isr.len()) {
            return;
        }
        let mut reached = self.held_from.unwrap_or(self.log_end);
        for follower in &self.followers {
            let is_about_to_join = || {
                follower.is_caught_up(self.log_end, now, self.rules.lag_ms_max) && follower.may_be_in_sync()
            };
            if follower.log_end < reached
                && (self.is_in_maximal_isr(leadership, follower.node) || is_about_to_join())
            {
                reached = follower.log_end;
            }
        }
        self.high_watermark = self.high_watermark.max(reached);
    }
}

/// Compares the epoch a client believes in with the one this replica knows (KIP-320), and that it leads. -1 is not
/// compared.
///
/// # Errors
/// `FENCED_LEADER_EPOCH` where the client is behind, `UNKNOWN_LEADER_EPOCH` where it is ahead,
/// `NOT_LEADER_OR_FOLLOWER`.
pub fn check_leader(believed: LeaderEpoch, known: LeaderEpoch, is_leader: bool) -> Result<(), ErrorCode> {
    if believed != LeaderEpoch::NONE && believed < known {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if believed.0 >= 0 && believed > known {
        return Err(ErrorCode::UnknownLeaderEpoch);
    }
    if is_leader { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
}

#[cfg(test)]
mod tests;
