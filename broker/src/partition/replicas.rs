//! A partition as leader of others: what their fetches say, who is in sync, where a consumer reads best.

use milena_core::partition::{FollowerFetch, IsrAnswer, IsrProposal, Leadership, LiveBroker};
use milena_protocol::{ErrorCode, NodeId, Offset};

use super::{Partition, Read, ReadRequest, now};

/// Who fetches to replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FollowerId {
    pub(crate) node: NodeId,
    /// -1 where it does not say.
    pub(crate) broker_epoch: i64,
}

/// A follower that has what a consumer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) node: NodeId,
    pub(crate) log_end: Offset,
}

impl Partition {
    /// Becomes leader, or learns of a changed ISR. `brokers` are those of the image that are alive.
    pub(crate) fn lead(&self, leadership: Leadership, brokers: &dyn Fn(NodeId) -> Option<LiveBroker>) {
        let mut state = self.lock();
        state.lead(leadership, brokers, now());
        self.publish(&state);
    }

    /// Takes in which brokers are alive now.
    pub(crate) fn see_brokers(&self, brokers: &dyn Fn(NodeId) -> Option<LiveBroker>) {
        let mut state = self.lock();
        if state.has_followers() {
            state.see_brokers(brokers, now());
            self.publish(&state);
        }
    }

    /// Whether this replica is throttled as leader.
    pub(crate) fn is_throttled_leader(&self) -> bool {
        self.config.load().leader_replication_throttled_replicas.includes(self.index, self.node_id)
    }

    /// Reads for a follower whose log starts at `log_start` and ends where it reads. Yields the ISR to ask the controller
    /// for, if that makes it join.
    pub(crate) fn read_for_follower(
        &self,
        request: &ReadRequest,
        follower: FollowerId,
        log_start: Offset,
    ) -> Result<(Read, Option<IsrProposal>), ErrorCode> {
        let read = self.read(request)?;
        if read.diverged.is_some() {
            return Ok((read, None));
        }
        let FollowerId { node, broker_epoch } = follower;
        let (offset, leader_end) = (request.offset, read.log_end);
        let fetch = FollowerFetch { node, broker_epoch, offset, log_start, leader_end };
        let mut state = self.lock();
        let proposal = state.fetched(&fetch, now())?;
        self.publish(&state);
        let high_watermark = state.high_watermark();
        Ok((Read { high_watermark, last_stable_offset: state.last_stable_offset(), ..read }, proposal))
    }

    /// The ISR to ask the controller for, if followers are behind for too long.
    pub(crate) fn shrink_isr(&self) -> Option<IsrProposal> {
        let mut state = self.lock();
        if state.has_followers() { state.shrink(now()) } else { None }
    }

    /// Takes in what became of a proposal. Yields whether to ask again.
    pub(crate) fn on_isr_answer(&self, proposal: &IsrProposal, answer: Result<IsrAnswer, ErrorCode>) -> bool {
        let mut state = self.lock();
        let before = state.isr().to_vec();
        let is_again = state.on_isr_answer(proposal, answer, now());
        if state.isr() != before {
            let (from, to) = (told(&before), told(state.isr()));
            tracing::info!(topic = %self.topic, partition = self.index.0, epoch = state.leader_epoch().0, from, to, "in-sync replicas changed");
        }
        self.publish(&state);
        is_again
    }

    /// The in-sync followers that have the record at `offset`.
    pub(crate) fn candidates(&self, offset: Offset) -> Vec<Candidate> {
        let state = self.lock();
        let logs =
            state.follower_logs().filter(|(node, log)| log.contains(&offset) && state.isr().contains(node));
        logs.map(|(node, log)| Candidate { node, log_end: *log.end() }).collect()
    }

    /// Whether this replica leads and `node` is in sync with it.
    pub(crate) fn is_in_sync(&self, node: NodeId) -> bool {
        self.lock().isr().contains(&node)
    }

    /// Whether this replica leads and another is not in sync; and whether fewer are than `min.insync.replicas`.
    pub(crate) fn is_short_of_replicas(&self) -> (bool, bool) {
        let state = self.lock();
        (state.is_under_replicated(), state.is_under_min_isr())
    }

    /// Waits until no replica has records below `offset` any more. Yields where the logs start.
    pub(crate) async fn deleted_below(&self, offset: Offset) -> Result<Offset, ErrorCode> {
        let mut progress = self.progress.subscribe();
        let low = |followers: Option<Offset>| {
            let own = self.log().start_offset();
            followers.map_or(own, |start| start.min(own))
        };
        let settled = progress.wait_for(|now| !now.is_leader || low(now.followers_start) >= offset).await;
        match settled {
            Ok(now) if now.is_leader => Ok(low(now.followers_start)),
            _ => Err(ErrorCode::NotLeaderOrFollower),
        }
    }
}

fn told(nodes: &[NodeId]) -> String {
    nodes.iter().map(|node| node.0.to_string()).collect::<Vec<_>>().join(",")
}
