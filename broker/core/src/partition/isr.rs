//! The in-sync replicas: who joins, who leaves, and what the controller said about it.
//!
//! | state | trigger | next |
//! |---|---|---|
//! | settled | a fetch shows a follower at the high watermark and at the start of the epoch | expanding: it counts at once |
//! | settled | followers are behind for too long | shrinking: they count until the controller has agreed |
//! | expanding, shrinking | the controller agrees | settled, with its ISR and partition epoch |
//! | expanding, shrinking | INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED: it was not done | settled, as before |
//! | expanding, shrinking | an error that says that this leader knows too little | stays, until the image brings a newer state |
//! | expanding, shrinking | another error | stays, and asks again |
//! | any | an image with a newer partition epoch or another leader | settled, as the image says |
//!
//! While a change is under way the *maximal* ISR decides: the high watermark waits for everyone who may be in the ISR,
//! whatever the controller has decided meanwhile.
//!
//! Source: `Partition` of Apache Kafka, KIP-497, KIP-903.

use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Timestamp};

use super::followers::{Follower, FollowerFetch};
use super::{Leadership, Replica};

/// An ISR that the controller is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// The epoch of this leader.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch that it builds upon.
    pub partition_epoch: i32,
    /// Each replica with the broker epoch of its last fetch; -1 where that is not known, as for this leader itself.
    pub isr: Vec<(NodeId, i64)>,
}

/// What the controller made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrAnswer {
    /// The epoch of the leader.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch that holds the ISR.
    pub partition_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
}

/// A change under way.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) proposal: IsrProposal,
    /// Whom it adds.
    pub(super) added: Option<NodeId>,
}

impl Replica {
    /// A follower fetches from this leader. Yields the ISR to ask the controller for, if it joins.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` also for a process that the image knows to be gone (KIP-903); `UNKNOWN_LEADER_EPOCH`
    /// for a node that has no replica, yet.
    pub fn fetched(
        &mut self,
        fetch: &FollowerFetch,
        now: Timestamp,
    ) -> Result<Option<IsrProposal>, ErrorCode> {
        if self.leadership.is_none() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let follower = self.followers.iter_mut().find(|follower| follower.node == fetch.node);
        let follower = follower.ok_or(ErrorCode::UnknownLeaderEpoch)?;
        follower.fetched(fetch, now)?;
        let follower = *follower;
        let proposal = self.expand(&follower);
        self.move_high_watermark(now);
        Ok(proposal)
    }

    fn expand(&mut self, follower: &Follower) -> Option<IsrProposal> {
        let leadership = self.leadership.as_ref().filter(|_| self.pending.is_none())?;
        let has_reached = follower.log_end >= self.high_watermark && follower.log_end >= self.epoch_start;
        if leadership.isr.contains(&follower.node) || !has_reached || !follower.may_be_in_sync() {
            return None;
        }
        let isr = leadership.isr.iter().copied().chain([follower.node]).collect();
        Some(self.propose(isr, Some(follower.node)))
    }

    /// Yields the ISR to ask the controller for, if followers are behind for too long. To be called every
    /// `replica.lag.time.max.ms` / 2.
    pub fn shrink(&mut self, now: Timestamp) -> Option<IsrProposal> {
        let leadership = self.leadership.as_ref().filter(|_| self.pending.is_none())?;
        let stays = |node: &NodeId| {
            *node == self.node_id
                || self
                    .follower(*node)
                    .is_some_and(|follower| follower.is_caught_up(self.log_end, now, self.rules.lag_ms_max))
        };
        let isr: Vec<NodeId> = leadership.isr.iter().copied().filter(stays).collect();
        (isr.len() < leadership.isr.len()).then(|| self.propose(isr, None))
    }

    fn propose(&mut self, isr: Vec<NodeId>, added: Option<NodeId>) -> IsrProposal {
        let epoch_of = |node| self.follower(node).and_then(|follower| follower.broker_epoch).unwrap_or(-1);
        let proposal = IsrProposal {
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            isr: isr.into_iter().map(|node| (node, epoch_of(node))).collect(),
        };
        self.pending = Some(Pending { proposal: proposal.clone(), added });
        proposal
    }

    /// Takes in what became of a proposal. Yields whether to ask again.
    pub fn on_isr_answer(
        &mut self,
        proposal: &IsrProposal,
        answer: Result<IsrAnswer, ErrorCode>,
        now: Timestamp,
    ) -> bool {
        if self.pending.as_ref().is_none_or(|pending| pending.proposal != *proposal) {
            return false;
        }
        match answer {
            Ok(answer) => {
                let Some(leadership) = self.leadership.as_mut() else { return false };
                if answer.leader_epoch == self.leader_epoch && answer.partition_epoch >= self.partition_epoch
                {
                    leadership.isr = answer.isr;
                    self.partition_epoch = answer.partition_epoch;
                    self.pending = None;
                    self.move_high_watermark(now);
                }
                false
            }
            Err(ErrorCode::IneligibleReplica | ErrorCode::OperationNotAttempted) => {
                self.pending = None;
                self.move_high_watermark(now);
                false
            }
            Err(code) => !awaits_image(code),
        }
    }

    pub(super) fn is_in_maximal_isr(&self, leadership: &Leadership, node: NodeId) -> bool {
        let is_added = |pending: &Pending| pending.added == Some(node);
        leadership.isr.contains(&node) || self.pending.as_ref().is_some_and(is_added)
    }

    pub(super) fn maximal_isr_len(&self, leadership: &Leadership) -> usize {
        let is_growing = self.pending.as_ref().is_some_and(|pending| pending.added.is_some());
        leadership.isr.len() + usize::from(is_growing)
    }

    fn follower(&self, node: NodeId) -> Option<&Follower> {
        self.followers.iter().find(|follower| follower.node == node)
    }
}

/// The controller knows something newer, which the image will tell.
fn awaits_image(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::InvalidRequest
            | ErrorCode::NewLeaderElected
    )
}
