//! Where a follower cuts its log off so that it is a prefix of the leader's.
//!
//! The leader answers the largest epoch at or below that of the follower's last record, and where that epoch ended in its
//! log. If the follower knows the epoch, both logs agree up to the smaller end. If not, nothing of the follower's later
//! epochs is the leader's: it cuts down to the largest epoch below, and asks again with that.
//!
//! Source: KIP-101, KIP-279; `AbstractFetcherThread.getOffsetTruncationState` and `fetchOffsetAndTruncate` of Apache Kafka.

use std::ops::Range;

use milena_protocol::{LeaderEpoch, Offset};

/// An epoch and the offset at which it ended in a log. Both are -1 where a log knows nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}

/// Where a follower cuts its log off. `own` is the largest epoch of its log at or below that of the `leader`'s answer.
pub fn target(leader: EpochEnd, own: EpochEnd, log_end: Offset, high_watermark: Offset) -> Offset {
    let offset = if leader.end_offset < Offset::ZERO {
        high_watermark
    } else if leader.epoch < LeaderEpoch::ZERO || own.end_offset < Offset::ZERO {
        leader.end_offset
    } else if own.epoch != leader.epoch {
        own.end_offset
    } else {
        own.end_offset.min(leader.end_offset)
    };
    offset.min(log_end)
}

/// What to do with a log whose end is not in the leader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Nothing: the end is in range, now.
    Keep,
    /// Cut it off at the leader's end.
    Truncate(Offset),
    /// Remove everything and begin at the leader's start.
    Restart(Offset),
}

/// Where a log that ends at `log_end` goes on, if the leader's log has the offsets `leader`.
pub fn reset(log_end: Offset, leader: Range<Offset>) -> Reset {
    if leader.end < log_end {
        Reset::Truncate(leader.end)
    } else if leader.start > log_end {
        Reset::Restart(leader.start)
    } else {
        Reset::Keep
    }
}
