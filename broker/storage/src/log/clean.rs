//! Compaction: of each key only the last record stays, at its offset (KIP-280's default strategy, KIP-534).
//!
//! | step | call | names in the folder |
//! |---|---|---|
//! | read the dirty part, note where each key was written last | [`Log::cleaning`] | - |
//! | group finished segments so that each group becomes one | [`Cleaning::next_group`] | - |
//! | begin the group's segment | [`Log::begin_cleaned`] | `.log.cleaned` |
//! | write what stays of the group into it | [`Cleaning::fill`] | - |
//! | write its indexes beside it | [`Cleaned::write_indexes`] | `.index.cleaned` ... |
//! | put it in the place of the group | [`Log::swap`] | `.cleaned` -> `.swap` -> live; the old ones `.deleted` |
//!
//! The owner decides when, from where to where, and may stop it at any point: what is not swapped is thrown away. It
//! keeps the folder while names change in it; the long steps hold nothing, and reads and appends go on meanwhile. A
//! reader sees the old segments or the new one, which hold the same records where it matters.
//!
//! Kept always: records at or after the end of the cleaning, the last batch of each producer and the last batch of the
//! cleaned part (emptied, for their sequences and offsets), markers of transactions that still have records,
//! tombstones and other markers until their delete horizon. Source: `Cleaner` of Apache Kafka.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use milena_protocol::records::{BatchError, DeleteHorizon, Filtered, Record, RecordBatch};
use milena_protocol::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::Log;
use crate::error::StorageError;
use crate::index::{Entry, OffsetEntry, TimeEntry};
use crate::segment::Segment;
use crate::segment::scan::BatchCheck;

mod keys;
mod output;
pub(super) mod swap;
mod transactions;

use keys::KeyTable;
pub use output::Cleaned;
use transactions::{Fate, Transactions};

/// The last thing that an idempotent producer wrote, which must stay for its next sequence to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastBatch {
    /// The offset of its last record.
    Data(Offset),
    /// Nothing but a marker, of this epoch.
    Marker(ProducerEpoch),
}

/// What a cleaning keeps and what it may use.
#[derive(Debug, Clone)]
pub struct CleanRules {
    /// The clock, for delete horizons.
    pub now: Timestamp,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// Every producer that is remembered.
    pub producers: HashMap<ProducerId, LastBatch>,
    /// Memory of the table of keys, in bytes.
    pub table_bytes_max: u64,
    /// The share of the table that may be in use.
    pub table_load_factor: f64,
}

/// Told of bytes before they are worked on; it may take its time, and false ends the cleaning.
pub type Pace<'a> = dyn FnMut(u64) -> bool + 'a;

/// A cleaning of one log.
#[derive(Debug)]
pub struct Cleaning<'a> {
    log: &'a Log,
    rules: CleanRules,
    keys: KeyTable,
    transactions: Transactions,
    /// Where the cleanable part ends.
    bound: Offset,
    /// Where the part ends whose keys are in the table.
    end: Offset,
    groups: VecDeque<Group>,
}

/// Neighbouring segments that become one.
#[derive(Debug, Clone)]
pub struct Group {
    segments: Vec<Arc<Segment>>,
    /// The base of the segment after them.
    end: Offset,
}

impl Log {
    /// Reads the records of `dirty`, whose end is the base of a segment that is not to be touched.
    ///
    /// # Errors
    /// Of the disk; `Corrupt`; `Interrupted` when `pace` says so.
    pub fn cleaning(
        &self,
        dirty: std::ops::Range<Offset>,
        rules: CleanRules,
        pace: &mut Pace<'_>,
    ) -> Result<Cleaning<'_>, StorageError> {
        let records = u64::try_from(dirty.end - dirty.start).unwrap_or(0);
        let keys = KeyTable::new(records, rules.table_bytes_max, rules.table_load_factor);
        let transactions = Transactions::default();
        let (bound, end, groups) = (dirty.end, dirty.start, VecDeque::new());
        let mut cleaning = Cleaning { log: self, rules, keys, transactions, bound, end, groups };
        cleaning.collect_keys(dirty, pace)?;
        cleaning.group_segments();
        Ok(cleaning)
    }
}

impl Cleaning<'_> {
    /// Up to here the log is clean once every group is swapped. It is the start where the table has no room for the keys
    /// of a single batch.
    pub fn end_offset(&self) -> Offset {
        self.end
    }

    /// Number of keys in the dirty part.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The next segments to be made one.
    pub fn next_group(&mut self) -> Option<Group> {
        self.groups.pop_front()
    }

    /// Writes what stays of `group` and makes it durable.
    ///
    /// # Errors
    /// Of the disk; `Corrupt`; `Interrupted` when `pace` says so. The output is then of no use.
    pub fn fill(
        &mut self,
        group: &Group,
        cleaned: &mut Cleaned,
        pace: &mut Pace<'_>,
    ) -> Result<(), StorageError> {
        let ends = group.segments.iter().skip(1).map(|next| next.base_offset).chain([group.end]);
        for (segment, end) in group.segments.iter().zip(ends) {
            self.transactions.expect(self.log.aborted_transactions(segment.base_offset, end)?);
            each_batch(segment, 0, pace, |batch| {
                let (kept, aborted) = self.judge(batch)?;
                Ok(cleaned.push(kept, aborted))
            })?;
            cleaned.write()?;
        }
        cleaned.finish(group.segments.last().and_then(|last| last.modified()))
    }

    fn collect_keys(
        &mut self,
        dirty: std::ops::Range<Offset>,
        pace: &mut Pace<'_>,
    ) -> Result<(), StorageError> {
        let segments = self.log.segments.load_full();
        let mut transactions = Transactions::default();
        transactions.expect(self.log.aborted_transactions(dirty.start, dirty.end)?);
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1).map_or(dirty.end, |next| next.base_offset);
            if segment.base_offset >= dirty.end || next <= dirty.start {
                continue;
            }
            let from = segment.find(dirty.start.max(segment.base_offset), segment.end())?;
            let mut is_full = false;
            if let Some((position, _)) = from {
                each_batch(segment, position, pace, |batch| {
                    is_full = !self.note_keys(batch, &mut transactions, dirty.start)?;
                    Ok(!is_full)
                })?;
            }
            if is_full {
                return Ok(());
            }
            self.end = next.min(dirty.end);
        }
        Ok(())
    }

    /// False where there is no room for all keys of the batch.
    fn note_keys(
        &mut self,
        batch: &RecordBatch,
        transactions: &mut Transactions,
        start: Offset,
    ) -> Result<bool, BatchError> {
        let header = batch.header();
        if transactions.pass(batch)? == Fate::Needed && !header.attributes.is_control() {
            for record in batch.records()? {
                let record = record?;
                let Some(key) = record.key.filter(|_| record.offset >= start) else { continue };
                if !self.keys.put(&key, record.offset) {
                    return Ok(false);
                }
            }
        }
        self.end = self.end.max(header.next_offset());
        Ok(true)
    }

    /// What stays of a batch, and the aborted transaction whose marker it is.
    fn judge(
        &mut self,
        batch: &RecordBatch,
    ) -> Result<(Option<RecordBatch>, Option<crate::AbortedTransaction>), BatchError> {
        let header = *batch.header();
        let fate = self.transactions.pass(batch)?;
        let aborted = if let Fate::Aborts(aborted) = fate { Some(aborted) } else { None };
        let is_marker = header.attributes.is_control();
        let has_expired = header.attributes.has_delete_horizon() && header.base_timestamp <= self.rules.now;
        let is_unneeded = fate == Fate::Unneeded;
        let horizon = DeleteHorizon {
            at: Timestamp(self.rules.now.0.saturating_add(self.rules.delete_retention_ms)),
            always: is_unneeded && is_marker,
        };
        let filtered = if is_unneeded && (!is_marker || has_expired) {
            Filtered::Empty
        } else {
            batch.filter(horizon, |record| is_marker || self.keeps(record, has_expired))?
        };
        let kept = match filtered {
            Filtered::Same => Some(batch.clone()),
            Filtered::Changed(changed) => Some(changed),
            Filtered::Empty => self.must_stay(batch).then(|| batch.emptied()),
        };
        Ok((kept, aborted))
    }

    /// Whether a record is the last of its key, and no tombstone whose time is over.
    fn keeps(&self, record: &Record, has_expired: bool) -> bool {
        if record.offset >= self.end {
            return true;
        }
        let Some(key) = &record.key else { return false };
        let is_last = self.keys.get(key).is_none_or(|last| record.offset >= last);
        is_last && (record.value.is_some() || !has_expired)
    }

    /// Whether a batch is needed without its records: its producer goes on after it, or the cleaned part ends with it.
    fn must_stay(&self, batch: &RecordBatch) -> bool {
        let header = batch.header();
        let is_last_of_producer = match self.rules.producers.get(&header.producer_id) {
            _ if !header.has_producer_id() => false,
            Some(LastBatch::Data(offset)) => header.last_offset() == *offset,
            Some(LastBatch::Marker(epoch)) => {
                header.attributes.is_control() && header.producer_epoch == *epoch
            }
            None => false,
        };
        is_last_of_producer || header.next_offset() == self.bound
    }

    fn group_segments(&mut self) {
        let segments = self.log.segments.load_full();
        let config = self.log.lock().config;
        let mut group: Option<(Group, Size)> = None;
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            if segment.base_offset >= self.end {
                break;
            }
            let (size, end) = (Size::of(segment), next.base_offset);
            match &mut group {
                Some((group, total)) if total.fits(&size, &config) && group.reaches(end) => {
                    group.segments.push(segment.clone());
                    group.end = end;
                    *total = total.plus(&size);
                }
                _ => {
                    let begun = (Group { segments: vec![segment.clone()], end }, size);
                    self.groups.extend(group.replace(begun).map(|(group, _)| group));
                }
            }
        }
        self.groups.extend(group.map(|(group, _)| group));
    }
}

impl Group {
    fn base_offset(&self) -> Offset {
        self.segments.first().map_or(self.end, |first| first.base_offset)
    }

    /// Whether offsets below `end` can be written relative to the base.
    fn reaches(&self, end: Offset) -> bool {
        end - self.base_offset() <= i64::from(i32::MAX)
    }
}

/// Bytes of a segment's files.
#[derive(Debug, Clone, Copy)]
struct Size {
    log: u64,
    offsets: u64,
    times: u64,
}

impl Size {
    fn of(segment: &Segment) -> Self {
        Self {
            log: segment.end().position.into(),
            offsets: (segment.offsets.len() * OffsetEntry::SIZE) as u64,
            times: (segment.times.len() * TimeEntry::SIZE) as u64,
        }
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            log: self.log + other.log,
            offsets: self.offsets + other.offsets,
            times: self.times + other.times,
        }
    }

    fn fits(&self, other: &Self, config: &super::LogConfig) -> bool {
        let sum = self.plus(other);
        sum.log <= u64::from(config.segment_bytes)
            && sum.offsets.max(sum.times) <= u64::from(config.index_bytes_max)
    }
}

/// Shows every batch from `position` on to `see`, until it says false.
fn each_batch(
    segment: &Segment,
    position: u32,
    pace: &mut Pace<'_>,
    mut see: impl FnMut(&RecordBatch) -> Result<bool, BatchError>,
) -> Result<(), StorageError> {
    let mut batches = BatchCheck::new(segment, position);
    let mut next = u64::from(position);
    for found in &mut batches {
        let (at, batch) = found?;
        if !pace(batch.size_bytes() as u64) {
            return Err(StorageError::Interrupted { path: segment.path.clone() });
        }
        if !see(&batch).map_err(|error| StorageError::corrupt(&segment.path, at, error))? {
            return Ok(());
        }
        next = at + batch.size_bytes() as u64;
    }
    match batches.damage() {
        Some(damage) => Err(StorageError::corrupt(&segment.path, next, damage)),
        None => Ok(()),
    }
}
