//! A partition as follower: the leader's batches are appended as they are, what the leader has not is cut off.
//!
//! Called by the fetchers ([`crate::follower`]) alone, and only for the epoch that the partition follows in: whoever
//! leads, or follows another, by now is left as it is.

use std::collections::VecDeque;

use milena_core::follower::truncation::{self, EpochEnd};
use milena_core::follower::{Fetched, Position, StepError};
use milena_core::partition::Replica;
use milena_protocol::records::{BatchError, RecordBatch, batches};
use milena_protocol::{LeaderEpoch, Offset, Records};
use milena_storage::{Placed, StorageError};

use super::open::{note_if_aborted, restore_producers};
use super::{Partition, now};

/// How a log is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Where it agrees with a leader that answered this.
    Diverged(EpochEnd),
    /// At an offset.
    At(Offset),
    /// Everything; it begins at this offset.
    All(Offset),
    /// What is not known to be committed, if its records have no epochs.
    Unproven,
}

impl Partition {
    /// Follows the leader of `epoch`. Those who wait are told. Yields whether the leader is another than before.
    pub(crate) fn follow(&self, epoch: LeaderEpoch, partition_epoch: i32) -> bool {
        let mut state = self.lock();
        let is_news = state.follow(epoch, partition_epoch);
        self.publish(&state);
        is_news
    }

    /// Whether this replica is throttled as follower.
    pub(crate) fn is_throttled_follower(&self) -> bool {
        self.config.load().follower_replication_throttled_replicas.includes(self.index, self.node_id)
    }

    /// Where the log stands.
    pub(crate) fn position(&self) -> Position {
        let last_epoch = self.log().last_epoch().unwrap_or(LeaderEpoch::NONE);
        Position { log_end: self.log().end_offset(), last_epoch }
    }

    /// Appends what the leader of `epoch` has behind this log, and learns how far it is committed and where it starts.
    /// Blocks where `flush.messages` asks for a sync: what the next fetch says to be here is then on the disk.
    pub(crate) fn append_fetched(&self, fetched: Fetched, epoch: LeaderEpoch) -> Result<Position, StepError> {
        let batches = whole_batches(fetched.records, epoch).map_err(|error| self.damaged(&error))?;
        let segment_bytes = usize::try_from(self.config.load().segment_bytes).unwrap_or(usize::MAX);
        let mut state = self.lock();
        state.check_follower(epoch).map_err(|_| StepError::Refused)?;
        self.dir.load().health.check_read().map_err(|_| StepError::Failed)?;
        if !batches.is_empty() {
            self.dir.load().health.check_write().map_err(|_| StepError::Refused)?;
            if self.log().end_offset() != fetched.offset {
                return Err(StepError::Refused);
            }
        }
        for group in groups(batches, segment_bytes) {
            self.append_group(&mut state, &group).map_err(|error| {
                self.storage_failed(&error);
                StepError::Refused
            })?;
        }
        state.learn_high_watermark(fetched.high_watermark);
        let start = fetched.log_start.min(state.high_watermark());
        self.publish(&state);
        drop(state);
        if start > self.log().start_offset() {
            self.move_start(start).map_err(|_| StepError::Refused)?;
        }
        if self.log().end_offset() - self.log().durable_end() >= self.config.load().flush_messages {
            self.flush().map_err(|_| StepError::Failed)?;
        }
        Ok(self.position())
    }

    /// Appends in one write.
    fn append_group<'a>(&self, state: &mut Replica, batches: &'a [RecordBatch]) -> Result<(), StorageError> {
        let placed = |batch: &'a RecordBatch| Placed {
            batch,
            base_offset: batch.header().base_offset,
            leader_epoch: batch.header().leader_epoch,
        };
        let now = now();
        let appended = self.log().append(&batches.iter().map(placed).collect::<Vec<_>>(), now)?;
        if let Some(offset) = appended.rolled_at {
            self.write_snapshot(state, offset);
        }
        for batch in batches {
            if let Some(ended) = state.replay(batch.header(), now) {
                note_if_aborted(&self.log(), ended)?;
            }
        }
        Ok(())
    }

    fn damaged(&self, error: &BatchError) -> StepError {
        tracing::error!(topic = %self.topic, partition = self.index.0, %error, "the leader sent damaged records");
        StepError::Refused
    }

    /// Cuts the log off as follower of the leader of `epoch`. The recovery point moves back: it must be written down
    /// before the next append. Blocks.
    pub(crate) fn cut(&self, epoch: LeaderEpoch, cut: Cut) -> Result<Position, StepError> {
        let done = self.in_folder(|| {
            let mut state = self.lock();
            if state.check_follower(epoch).is_err() {
                return Ok(Err(StepError::Refused));
            }
            let end = self.log().end_offset();
            match cut {
                Cut::All(offset) => self.log().truncate_fully(offset)?,
                cut => {
                    let offset = self.place_of(cut, state.high_watermark());
                    if !self.log().truncate_to(offset)? {
                        return Ok(Ok(self.position()));
                    }
                }
            }
            let (from, to) = (end.0, self.log().end_offset().0);
            let high_watermark = state.high_watermark().0;
            state.truncated(self.log().end_offset());
            // What the leader has deleted was committed.
            state.learn_high_watermark(self.log().start_offset());
            restore_producers(&self.log(), &mut state, now())?;
            self.cut_future()?;
            self.compaction.cut_at(self.log().end_offset());
            self.publish(&state);
            let epoch = epoch.0;
            tracing::info!(topic = %self.topic, partition = self.index.0, epoch, from, to, high_watermark, "cut the log off where the leader's parts from it");
            Ok(Ok(self.position()))
        });
        match done {
            Ok(Some(position)) => position,
            Ok(None) => Err(StepError::Failed),
            Err(error) => {
                self.storage_failed(&error);
                Err(StepError::Failed)
            }
        }
    }

    fn place_of(&self, cut: Cut, high_watermark: Offset) -> Offset {
        let log_end = self.log().end_offset();
        match cut {
            Cut::Diverged(leader) => {
                let (epoch, end_offset) = self.log().end_of_epoch(leader.epoch);
                truncation::target(leader, EpochEnd { epoch, end_offset }, log_end, high_watermark)
            }
            Cut::At(offset) | Cut::All(offset) => offset,
            Cut::Unproven if self.log().last_epoch().is_none() => {
                high_watermark.max(self.log().start_offset())
            }
            Cut::Unproven => log_end,
        }
    }
}

/// What the leader of `epoch`, or one before it, wrote. A last batch that is cut off by the size of the answer is left out.
fn whole_batches(records: Records, epoch: LeaderEpoch) -> Result<Vec<RecordBatch>, BatchError> {
    let Records::Bytes(bytes) = records else { return Ok(Vec::new()) };
    let mut whole = Vec::new();
    for batch in batches(bytes) {
        match batch {
            Ok(batch) if batch.header().leader_epoch > epoch => break,
            Ok(batch) => {
                batch.check_crc()?;
                whole.push(batch);
            }
            Err(BatchError::Truncated { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(whole)
}

/// Neighbours that fit a segment together.
fn groups(batches: Vec<RecordBatch>, segment_bytes: usize) -> impl Iterator<Item = Vec<RecordBatch>> {
    let mut left = VecDeque::from(batches);
    std::iter::from_fn(move || {
        let mut group = vec![left.pop_front()?];
        let mut bytes = group[0].size_bytes();
        while let Some(next) = left.pop_front_if(|next| bytes + next.size_bytes() <= segment_bytes) {
            bytes += next.size_bytes();
            group.push(next);
        }
        Some(group)
    })
}
