//! Reads of a partition: batches for consumers and coordinators, offsets by time.

use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, ProducerId, Records, Timestamp};
use milena_storage::{ReadLimits, StorageError};

use milena_core::partition::check_leader;

use super::Partition;

/// What is asked of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub(crate) offset: Offset,
    /// The epoch the reader believes in, -1 if it does not say.
    pub(crate) current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record the reader has, -1 if it does not say.
    pub(crate) last_fetched_epoch: LeaderEpoch,
    pub(crate) bytes_max: usize,
    /// The first batch comes even if it is larger.
    pub(crate) at_least_one: bool,
    pub(crate) isolation: Isolation,
    /// Only the leader answers, no follower.
    pub(crate) leader_only: bool,
}

/// How far a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Everything: a follower.
    LogEnd,
    /// What is committed.
    Uncommitted,
    /// Nothing from the first open transaction on; aborted ones are told.
    Committed,
}

/// Where the reader's log and this one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Diverged {
    pub(crate) epoch: LeaderEpoch,
    pub(crate) end_offset: Offset,
}

/// Whole batches, and how far the partition reaches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub(crate) records: Records,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) log_start_offset: Offset,
    /// The log end before the read.
    pub(crate) log_end: Offset,
    /// Producer and first offset of the transactions to leave out, in the order of their first offsets.
    pub(crate) aborted: Vec<(ProducerId, Offset)>,
    /// The reader must truncate first; there are no records then.
    pub(crate) diverged: Option<Diverged>,
    /// A replica that the reader does better to ask; there are no records then.
    pub(crate) preferred: Option<NodeId>,
    /// The records end with their segment; more stand in the next one, which another read yields.
    pub(crate) ends_early: bool,
}

/// A record, or an end of the log, as ListOffsets tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) timestamp: Timestamp,
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
}

impl Partition {
    /// Reads batches. Never waits for an append.
    pub(crate) fn read(&self, request: &ReadRequest) -> Result<Read, ErrorCode> {
        self.dir.load().health.check_read()?;
        let progress = self.progress();
        self.check_reader(request.current_leader_epoch, request.leader_only)?;
        let read = Read {
            records: Records::EMPTY,
            high_watermark: progress.high_watermark,
            last_stable_offset: progress.last_stable_offset,
            aborted: Vec::new(),
            log_start_offset: self.log().start_offset(),
            log_end: self.log().end_offset(),
            diverged: self.divergence(request)?,
            preferred: None,
            ends_early: false,
        };
        if read.diverged.is_some() {
            return Ok(read);
        }
        let limits = ReadLimits {
            end_offset: match request.isolation {
                Isolation::LogEnd => read.log_end,
                Isolation::Uncommitted => read.high_watermark,
                Isolation::Committed => read.last_stable_offset,
            },
            bytes_max: request.bytes_max,
            at_least_one: request.at_least_one,
        };
        let records = self.log().read(request.offset, limits).map_err(|error| self.read_failed(&error))?;
        let ends_early = !records.is_empty() && request.offset < self.log().active_base_offset();
        let aborted = if request.isolation == Isolation::Committed && !records.is_empty() {
            self.aborted(request.offset, records.len()).map_err(|error| self.read_failed(&error))?
        } else {
            Vec::new()
        };
        Ok(Read { records, aborted, ends_early, ..read })
    }

    /// Compares the epoch that a reader believes in; followers answer those who do not ask the leader alone.
    pub(crate) fn check_reader(&self, believed: LeaderEpoch, leader_only: bool) -> Result<(), ErrorCode> {
        let progress = self.progress();
        let answers = progress.is_leader || progress.is_follower && !leader_only;
        check_leader(believed, progress.leader_epoch, answers)
    }

    /// The aborted transactions among the records of a read.
    fn aborted(&self, from: Offset, bytes: usize) -> Result<Vec<(ProducerId, Offset)>, StorageError> {
        if !self.log().has_aborted_transactions()? {
            return Ok(Vec::new());
        }
        let mut aborted = self.log().aborted_transactions(from, self.log().offset_after(from, bytes)?)?;
        aborted.sort_unstable_by_key(|aborted| aborted.first_offset);
        Ok(aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect())
    }

    /// Whether the log of a reader that ends at `offset` in `last_fetched_epoch` is a prefix of this one (KIP-595).
    fn divergence(&self, request: &ReadRequest) -> Result<Option<Diverged>, ErrorCode> {
        #[cfg(feature = "simulation")]
        if crate::inspect::is_truncation_skipped() {
            return Ok(None);
        }
        if request.last_fetched_epoch.0 < 0 {
            return Ok(None);
        }
        let (epoch, end_offset) = self.end_of_epoch(request.last_fetched_epoch);
        if epoch.0 < 0 || end_offset.0 < 0 || request.offset < self.log().start_offset() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let parts = epoch < request.last_fetched_epoch || end_offset < request.offset;
        Ok(parts.then_some(Diverged { epoch, end_offset }))
    }

    /// The largest epoch at or below `epoch` and where it ended; (-1, -1) for one that did not begin yet. A leader that
    /// has written nothing has an epoch too, which begins at the log end.
    pub(crate) fn end_of_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let leader_epoch = self.progress().leader_epoch;
        match self.log().last_epoch() {
            _ if epoch == leader_epoch => (epoch, self.log().end_offset()),
            Some(last) if last < epoch && epoch < leader_epoch => (last, self.log().end_offset()),
            None if epoch < leader_epoch && epoch.0 != -1 => (epoch, self.log().end_offset()),
            _ => self.log().end_of_epoch(epoch),
        }
    }

    /// The first record with this timestamp or a later one, if it is before `end`.
    pub(crate) fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        end: Offset,
    ) -> Result<Option<Found>, ErrorCode> {
        self.found(self.log().offset_for_timestamp(timestamp, end))
    }

    /// The first record with the largest timestamp, if it is before `end`.
    pub(crate) fn offset_of_max_timestamp(&self, end: Offset) -> Result<Option<Found>, ErrorCode> {
        self.found(self.log().offset_of_max_timestamp(end))
    }

    /// The log start.
    pub(crate) fn earliest(&self) -> Found {
        self.end_of_log(self.log().start_offset())
    }

    /// The end of what a reader sees. A new leader does not know yet what is committed of the epochs before its own:
    /// `OFFSET_NOT_AVAILABLE` to those who see no more than that.
    pub(crate) fn latest(&self, isolation: Isolation) -> (Found, Result<(), ErrorCode>) {
        let progress = self.progress();
        let is_lagging = progress.epoch_start.is_some_and(|start| start > progress.high_watermark);
        let offset = match isolation {
            Isolation::LogEnd => progress.log_end,
            Isolation::Uncommitted => progress.high_watermark,
            Isolation::Committed => progress.last_stable_offset,
        };
        let found = Found { timestamp: Timestamp::NONE, offset, leader_epoch: progress.leader_epoch };
        let is_known = isolation == Isolation::LogEnd || !is_lagging;
        (found, if is_known { Ok(()) } else { Err(ErrorCode::OffsetNotAvailable) })
    }

    fn end_of_log(&self, offset: Offset) -> Found {
        let leader_epoch = self.log().epoch_of(offset).unwrap_or_else(|| self.progress().leader_epoch);
        Found { timestamp: Timestamp::NONE, offset, leader_epoch }
    }

    fn found(
        &self,
        found: Result<Option<milena_storage::TimestampedOffset>, StorageError>,
    ) -> Result<Option<Found>, ErrorCode> {
        let found = found.map_err(|error| self.read_failed(&error))?;
        Ok(found.map(|found| Found {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch,
        }))
    }

    pub(super) fn read_failed(&self, error: &StorageError) -> ErrorCode {
        match error {
            StorageError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            _ => self.storage_failed(error),
        }
    }
}
