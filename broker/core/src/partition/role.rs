//! Whom a replica takes for the leader: itself, another, nobody; and what a follower takes over from its leader.
//!
//! | state | call | next |
//! |---|---|---|
//! | any | [`Replica::lead`] with a newer epoch | leader; the epoch begins at the log end, followers have to fetch anew |
//! | leader | [`Replica::lead`] in its epoch | leader with the replicas and the ISR of the image |
//! | any | [`Replica::follow`] | follower of the epoch's leader |
//! | any | [`Replica::resign`] | neither |
//!
//! An image that is older than what the controller answered this leader (by its partition epoch) changes nothing.
//! Source: `Partition.makeLeader` and `makeFollower` of Apache Kafka.

use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp};

use super::followers::Follower;
use super::{Leadership, LiveBroker, Producers, Replica, ReplicaRules};

impl Replica {
    /// Takes over a changed configuration.
    pub fn set_rules(&mut self, rules: ReplicaRules, now: Timestamp) {
        self.rules = rules;
        self.move_high_watermark(now);
    }

    /// Becomes leader, or learns of other replicas in the same epoch. `brokers` are those of the image that are alive.
    /// What is older than the last answer of the controller is left out.
    pub fn lead(
        &mut self,
        leadership: Leadership,
        brokers: &dyn Fn(NodeId) -> Option<LiveBroker>,
        now: Timestamp,
    ) {
        if leadership.partition_epoch < self.partition_epoch {
            return;
        }
        let is_new_epoch = leadership.epoch > self.leader_epoch;
        if is_new_epoch {
            self.epoch_start = self.log_end;
        }
        let before = std::mem::take(&mut self.followers);
        for node in leadership.replicas.iter().copied().filter(|node| *node != self.node_id) {
            let is_in_sync = leadership.isr.contains(&node);
            let known = before.iter().find(|follower| follower.node == node).copied();
            let mut follower = known.unwrap_or_else(|| Follower::new(node, is_in_sync && is_new_epoch, now));
            if is_new_epoch && known.is_some() {
                follower.begin_epoch(is_in_sync, self.epoch_start, now);
            }
            follower.live = brokers(node);
            self.followers.push(follower);
        }
        self.pending = self.pending.take().filter(|pending| {
            pending.proposal.leader_epoch == leadership.epoch
                && pending.proposal.partition_epoch == leadership.partition_epoch
        });
        (self.leader_epoch, self.partition_epoch) = (leadership.epoch, leadership.partition_epoch);
        self.is_follower = false;
        self.leadership = Some(leadership);
        self.move_high_watermark(now);
    }

    /// Another replica leads in `epoch`. Yields whether that is news.
    pub fn follow(&mut self, epoch: LeaderEpoch, partition_epoch: i32) -> bool {
        if partition_epoch < self.partition_epoch {
            return false;
        }
        let is_news = epoch > self.leader_epoch || !self.is_follower;
        self.resign(epoch);
        (self.partition_epoch, self.is_follower) = (partition_epoch, true);
        is_news
    }

    /// Stops leading and following.
    pub fn resign(&mut self, epoch: LeaderEpoch) {
        self.leader_epoch = self.leader_epoch.max(epoch);
        self.leadership = None;
        self.is_follower = false;
        self.followers.clear();
        self.pending = None;
    }

    /// Takes in which brokers are alive now.
    pub fn see_brokers(&mut self, brokers: &dyn Fn(NodeId) -> Option<LiveBroker>, now: Timestamp) {
        self.followers.iter_mut().for_each(|follower| follower.live = brokers(follower.node));
        self.move_high_watermark(now);
    }

    /// The log was cut off and ends at `log_end`. What is left of the producers is to be told anew.
    pub fn truncated(&mut self, log_end: Offset) {
        self.log_end = log_end;
        self.high_watermark = self.high_watermark.min(log_end);
        self.held_from = self.held_from.filter(|from| *from < log_end);
        self.producers = Producers::default();
    }

    /// The leader told a follower its high watermark, which may be beyond the follower's log.
    pub fn learn_high_watermark(&mut self, offset: Offset) {
        self.high_watermark = self.high_watermark.max(offset.min(self.log_end));
    }

    /// Whether this replica follows the leader of `epoch`.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`.
    pub fn check_follower(&self, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        let follows = self.is_follower && self.leader_epoch == epoch;
        if follows { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }
}
