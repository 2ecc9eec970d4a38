//! What a fetcher asks the shell to do with a log.

use milena_protocol::{LeaderEpoch, Offset, Records};

use super::Key;
use super::truncation::EpochEnd;

/// What is to be done with the log of a partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which partition.
    pub key: Key,
    /// The epoch of the leader that it is done for.
    pub leader_epoch: LeaderEpoch,
    /// What.
    pub action: Action,
}

/// See [`Step`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Cut the log off where [`truncation::target`] says.
    Diverged(EpochEnd),
    /// Cut the log off at this offset.
    Truncate(Offset),
    /// Remove everything; the log begins at this offset.
    Restart(Offset),
    /// Append at `offset`, the log end, whole batches as the leader has them, none or more.
    Append(Fetched),
}

/// Records of the leader, and how far it says that the partition reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Where they belong.
    pub offset: Offset,
    /// Whole batches.
    pub records: Records,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's log start.
    pub log_start: Offset,
}

/// Why a step was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepError {
    /// The records are damaged, or do not fit; they are fetched again.
    Refused,
    /// The log failed, or is gone.
    Failed,
}
