//! Compaction of one partition: what there is to clean, and the steps that do it. Reads and appends go on meanwhile.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use milena_core::partition::{CleaningPlan, CleaningPolicy, LogFacts, SegmentFacts, plan_cleaning};
use milena_protocol::{Offset, Timestamp};
use milena_storage::{CleanRules, LastBatch, Pace, StorageError};

use super::{Partition, now};

/// How far compaction got.
#[derive(Debug)]
pub(super) struct Compaction {
    /// Where the last cleaning ended, -1 before the first.
    cleaned_to: AtomicI64,
    is_busy: AtomicBool,
    /// A cleaning failed; another one would fail again.
    is_uncleanable: AtomicBool,
}

impl Default for Compaction {
    fn default() -> Self {
        let (is_busy, is_uncleanable) = (AtomicBool::default(), AtomicBool::default());
        Self { cleaned_to: AtomicI64::new(-1), is_busy, is_uncleanable }
    }
}

impl Compaction {
    /// The log was cut off at `offset`.
    pub(super) fn cut_at(&self, offset: Offset) {
        self.cleaned_to.fetch_min(offset.0, Ordering::AcqRel);
    }
}

/// What a cleaning may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TableLimits {
    pub(crate) bytes_max: u64,
    pub(crate) load_factor: f64,
}

/// What a cleaning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    pub(crate) end: Offset,
    pub(crate) keys: usize,
    pub(crate) bytes_before: u64,
    pub(crate) bytes_after: u64,
}

/// The right to clean a partition, which one thread has at a time.
pub(crate) struct Claim<'a>(&'a AtomicBool);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Partition {
    /// Where the last cleaning ended, -1 before the first.
    pub(crate) fn cleaned_to(&self) -> Offset {
        Offset(self.compaction.cleaned_to.load(Ordering::Acquire))
    }

    /// Takes over where the last run's cleaning ended.
    pub(crate) fn resume_cleaning(&self, cleaned_to: Offset) {
        self.compaction.cleaned_to.store(cleaned_to.0, Ordering::Release);
    }

    /// No cleaning is tried again before the log is opened anew.
    pub(crate) fn give_up_cleaning(&self) {
        self.compaction.is_uncleanable.store(true, Ordering::Relaxed);
    }

    /// Whether cleaning was given up.
    pub(crate) fn is_uncleanable(&self) -> bool {
        self.compaction.is_uncleanable.load(Ordering::Relaxed)
    }

    /// Claims the partition for a cleaning, unless another thread has.
    pub(crate) fn claim(&self) -> Option<Claim<'_>> {
        let is_busy = &self.compaction.is_busy;
        let claimed = is_busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        claimed.is_ok().then(|| Claim(is_busy))
    }

    /// What there is to clean now.
    pub(crate) fn plan_cleaning(&self, now: Timestamp) -> Result<Option<CleaningPlan>, StorageError> {
        let (config, compaction) = (self.config.load(), &self.compaction);
        let is_out = self.is_uncleanable() || compaction.is_busy.load(Ordering::Relaxed);
        if !config.cleanup_compact || is_out {
            return Ok(None);
        }
        let policy = CleaningPolicy {
            dirty_ratio_min: config.min_cleanable_dirty_ratio,
            lag_ms_min: config.min_compaction_lag_ms,
            lag_ms_max: config.max_compaction_lag_ms,
        };
        let facts = LogFacts {
            segments: &self.segment_facts(&policy)?,
            start_offset: self.log().start_offset(),
            end_offset: self.log().end_offset(),
            stable_offset: self.progress().last_stable_offset,
            cleaned_to: Some(self.cleaned_to()).filter(|offset| offset.0 >= 0),
        };
        Ok(plan_cleaning(&facts, &policy, now))
    }

    /// Files are looked into only for what the policy asks of dirty segments.
    fn segment_facts(&self, policy: &CleaningPolicy) -> Result<Vec<SegmentFacts>, StorageError> {
        let segments = self.log().segments();
        let needs_times = policy.lag_ms_min > 0 || policy.lag_ms_max < i64::MAX;
        let nexts = segments.iter().skip(1).map(|next| next.base_offset).chain([Offset(i64::MAX)]);
        let facts = segments.iter().zip(nexts).map(|(segment, next)| {
            let is_asked = needs_times && next > self.cleaned_to();
            let times = if is_asked { self.log().times_of(segment.base_offset)? } else { None };
            Ok(SegmentFacts {
                base_offset: segment.base_offset,
                size_bytes: segment.size_bytes,
                largest_timestamp: times.map_or(Timestamp::NONE, |times| times.largest),
                first_timestamp: times.map_or(Timestamp::NONE, |times| times.first),
            })
        });
        facts.collect()
    }

    /// Makes durable what is to be cleaned. The recovery point must be noted before the cleaning, for nobody could tell a
    /// loss from a hole afterwards.
    pub(crate) fn prepare_cleaning(&self) -> Result<(), StorageError> {
        self.flush()
    }

    /// Carries out a plan. `None` where the partition went away meanwhile.
    pub(crate) fn compact(
        &self,
        plan: &CleaningPlan,
        limits: TableLimits,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Compacted>, StorageError> {
        // Nothing moves while this cleans, but the plan may be of the log before a move.
        let log = self.log.load_full();
        if !log.segments().iter().any(|segment| segment.base_offset == plan.dirty.end) {
            return Ok(None);
        }
        let mut cleaning = log.cleaning(plan.dirty.clone(), self.clean_rules(limits), pace)?;
        let (end, keys) = (cleaning.end_offset(), cleaning.key_count());
        let mut done = Compacted { end, keys, bytes_before: 0, bytes_after: 0 };
        while let Some(group) = cleaning.next_group() {
            let Some(mut cleaned) = self.in_folder(|| self.log().begin_cleaned(&group))? else {
                return Ok(None);
            };
            let filled = cleaning.fill(&group, &mut cleaned, pace);
            if let Err(error) = filled.and_then(|()| self.in_folder(|| cleaned.write_indexes(&self.log()))) {
                // What cannot be removed now is when the log is opened again.
                let _ = self.in_folder(|| self.log().discard(&cleaned));
                return Err(error);
            }
            let swapped = self.in_folder(|| self.log().swap(&cleaned));
            if swapped.inspect_err(|_| self.give_up_cleaning())? != Some(true) {
                return Ok(None);
            }
            let (after, before) = cleaned.sizes();
            (done.bytes_after, done.bytes_before) = (done.bytes_after + after, done.bytes_before + before);
        }
        self.compaction.cleaned_to.store(end.0, Ordering::Release);
        Ok(Some(done))
    }

    fn clean_rules(&self, limits: TableLimits) -> CleanRules {
        let state = self.lock();
        let producers = state.producers().iter().map(|producer| {
            let last = producer.last_batch.map(|batch| LastBatch::Data(batch.last_offset));
            (producer.producer_id, last.unwrap_or(LastBatch::Marker(producer.epoch)))
        });
        CleanRules {
            now: now(),
            delete_retention_ms: self.config.load().delete_retention_ms,
            producers: producers.collect(),
            table_bytes_max: limits.bytes_max,
            table_load_factor: limits.load_factor,
        }
    }

    /// Does something with names in the log's folder, unless they belong to another log by now.
    pub(super) fn in_folder<T>(
        &self,
        work: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let is_retired = self.is_retired.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_retired { Ok(None) } else { work().map(Some) }
    }
}
