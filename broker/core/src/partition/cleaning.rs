//! When a compacted log is worth cleaning, from which offset to which, and which of many is cleaned first.
//!
//! ```text
//! first segment                first dirty             end                         log end
//! |--- clean: one record a key ---|--- dirty, cleanable ---|--- not cleanable ---------|
//! ```
//!
//! The dirty part begins where the last cleaning ended. It ends with the last segment that holds neither appends (the
//! active one), nor records that are not committed, nor records younger than `min.compaction.lag.ms`. A log is due when
//! the share of dirty bytes exceeds `min.cleanable.dirty.ratio`, or when a dirty record is older than
//! `max.compaction.lag.ms`; the one with the largest share goes first. Source: `LogCleanerManager` and `LogToClean` of
//! Apache Kafka, KIP-354.

use std::ops::Range;

use milena_protocol::{Offset, Timestamp};

/// What the topic says about cleaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleaningPolicy {
    /// `min.cleanable.dirty.ratio`.
    pub dirty_ratio_min: f64,
    /// `min.compaction.lag.ms`.
    pub lag_ms_min: i64,
    /// `max.compaction.lag.ms`.
    pub lag_ms_max: i64,
}

/// What must be known of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its first offset.
    pub base_offset: Offset,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its largest timestamp.
    pub largest_timestamp: Timestamp,
    /// The timestamp of its first batch, where a record may have become too old; -1 if it has none.
    pub first_timestamp: Timestamp,
}

/// What must be known of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFacts<'a> {
    /// In order; the last one is appended to.
    pub segments: &'a [SegmentFacts],
    /// The first offset that can be read.
    pub start_offset: Offset,
    /// The offset of the next record.
    pub end_offset: Offset,
    /// Below, everything is committed and every transaction decided.
    pub stable_offset: Offset,
    /// Where the last cleaning ended, if there was one.
    pub cleaned_to: Option<Offset>,
}

/// A log that can be cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct CleaningPlan {
    /// The dirty part; its end is the base of a segment that stays as it is.
    pub dirty: Range<Offset>,
    /// Its share of the bytes up to its end.
    pub dirty_ratio: f64,
    /// Worth cleaning now.
    pub is_due: bool,
}

/// What there is to clean in a log; `None` where there is nothing.
pub fn plan_cleaning(log: &LogFacts<'_>, policy: &CleaningPolicy, now: Timestamp) -> Option<CleaningPlan> {
    let (active, finished) = log.segments.split_last()?;
    let from = first_dirty(log);
    let dirty = &finished[floor(finished, from)..];
    let is_young = |segment: &&SegmentFacts| now.ms_since(segment.largest_timestamp) < policy.lag_ms_min;
    let young = dirty.iter().find(|segment| policy.lag_ms_min > 0 && is_young(segment));
    let bound = young.map_or(active.base_offset, |young| young.base_offset).min(log.stable_offset);
    // A segment is cleaned as a whole or not at all.
    let end = dirty.iter().rev().map(|segment| segment.base_offset).find(|base| *base <= bound);
    let end = if bound >= active.base_offset { active.base_offset } else { end? };
    if end <= from {
        return None;
    }
    let bytes = |segments: &[SegmentFacts]| segments.iter().map(|segment| segment.size_bytes).sum::<u64>();
    let cleanable = bytes(&dirty[..dirty.partition_point(|segment| segment.base_offset < end)]);
    let clean = bytes(&finished[..finished.partition_point(|segment| segment.base_offset < from)]);
    let dirty_ratio = cleanable as f64 / (cleanable + clean).max(1) as f64;
    let oldest = dirty.iter().map(|segment| segment.first_timestamp).filter(|first| first.0 > 0).min();
    let is_overdue = oldest.is_some_and(|oldest| now.ms_since(oldest) > policy.lag_ms_max) && cleanable > 0;
    let is_due = is_overdue || dirty_ratio > policy.dirty_ratio_min;
    Some(CleaningPlan { dirty: from..end, dirty_ratio, is_due })
}

/// The plan that is due and has the largest share of dirty bytes.
pub fn dirtiest<T>(plans: impl IntoIterator<Item = (T, CleaningPlan)>) -> Option<(T, CleaningPlan)> {
    let due = plans.into_iter().filter(|(_, plan)| plan.is_due);
    due.max_by(|(_, a), (_, b)| a.dirty_ratio.total_cmp(&b.dirty_ratio))
}

/// Where the last cleaning ended, unless records were deleted or lost meanwhile: then the log is cleaned from its start.
fn first_dirty(log: &LogFacts<'_>) -> Offset {
    log.cleaned_to
        .filter(|offset| (log.start_offset..=log.end_offset).contains(offset))
        .unwrap_or(log.start_offset)
}

/// The segment that holds `offset`.
fn floor(segments: &[SegmentFacts], offset: Offset) -> usize {
    segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const ALWAYS: CleaningPolicy =
        CleaningPolicy { dirty_ratio_min: 0.0, lag_ms_min: 0, lag_ms_max: i64::MAX };

    /// Segments of ten records and 100 bytes; the first is 1000 ms old, each one 100 ms younger than the one before.
    fn mk_segments(count: i64) -> Vec<SegmentFacts> {
        let segment = |index: i64| SegmentFacts {
            base_offset: Offset(index * 10),
            size_bytes: 100,
            largest_timestamp: Timestamp(NOW.0 - 1_000 + index * 100),
            first_timestamp: Timestamp(NOW.0 - 1_050 + index * 100),
        };
        (0..count).map(segment).collect()
    }

    fn mk_log(segments: &[SegmentFacts]) -> LogFacts<'_> {
        let end_offset = Offset(segments.len() as i64 * 10);
        let start_offset = Offset(0);
        LogFacts { segments, start_offset, end_offset, stable_offset: end_offset, cleaned_to: None }
    }

    fn dirty(log: &LogFacts<'_>, policy: &CleaningPolicy) -> Option<(i64, i64)> {
        plan_cleaning(log, policy, NOW).map(|plan| (plan.dirty.start.0, plan.dirty.end.0))
    }

    #[test]
    fn dirty_part_ends_before_what_may_still_change() {
        let segments = mk_segments(5);
        let log = mk_log(&segments);
        assert_eq!(dirty(&log, &ALWAYS), Some((0, 40)), "the active segment is never cleaned");
        assert_eq!(dirty(&LogFacts { stable_offset: Offset(25), ..log }, &ALWAYS), Some((0, 20)));
        assert_eq!(dirty(&LogFacts { stable_offset: Offset(5), ..log }, &ALWAYS), None);
        let lag = |lag_ms_min| CleaningPolicy { lag_ms_min, ..ALWAYS };
        assert_eq!(dirty(&log, &lag(750)), Some((0, 30)));
        assert_eq!(dirty(&log, &lag(2_000)), None);
        assert_eq!(dirty(&mk_log(&segments[..1]), &ALWAYS), None);
    }

    #[test]
    fn dirty_part_begins_where_the_last_cleaning_ended() {
        let segments = mk_segments(5);
        let log = mk_log(&segments);
        let from = |cleaned_to, start| {
            let start_offset = Offset(start);
            dirty(&LogFacts { cleaned_to: Some(Offset(cleaned_to)), start_offset, ..log }, &ALWAYS)
        };
        assert_eq!(from(20, 0), Some((20, 40)));
        assert_eq!(from(15, 0), Some((15, 40)), "inside a segment: the table of keys was full");
        assert_eq!(from(40, 0), None);
        assert_eq!(from(20, 30), Some((30, 40)), "records were deleted");
        assert_eq!(from(90, 0), Some((0, 40)), "records were lost");
    }

    #[test]
    fn log_is_due_by_its_share_or_its_age() {
        let segments = mk_segments(5);
        let log = LogFacts { cleaned_to: Some(Offset(20)), ..mk_log(&segments) };
        let plan = |policy| plan_cleaning(&log, &policy, NOW).unwrap();
        let half = CleaningPolicy { dirty_ratio_min: 0.5, ..ALWAYS };
        assert_eq!((plan(half).dirty_ratio, plan(half).is_due), (0.5, false));
        assert!(plan(CleaningPolicy { dirty_ratio_min: 0.4, ..ALWAYS }).is_due);
        assert!(plan(CleaningPolicy { lag_ms_max: 849, ..half }).is_due);
        assert!(!plan(CleaningPolicy { lag_ms_max: 850, ..half }).is_due);
    }

    #[test]
    fn dirtiest_log_that_is_due_goes_first() {
        let plan = |dirty_ratio, is_due| CleaningPlan { dirty: Offset(0)..Offset(1), dirty_ratio, is_due };
        let plans = [("a", plan(0.6, true)), ("b", plan(0.9, false)), ("c", plan(0.7, true))];
        assert_eq!(dirtiest(plans).map(|(name, _)| name), Some("c"));
        assert_eq!(dirtiest([("b", plan(0.9, false))]), None);
    }
}
