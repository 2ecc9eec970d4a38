//! What leaves a log: old segments at its start, records that must not be at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use milena_protocol::{Offset, Timestamp};

use super::Log;
use crate::error::{Context as _, StorageError};
use crate::segment::{Segment, SegmentEnd};

/// How long and how much a log keeps; `None` is without bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// `retention.ms`, by the largest timestamp of a segment.
    pub age_ms_max: Option<i64>,
    /// `retention.bytes`: segments go while what remains is at least this.
    pub bytes_max: Option<u64>,
}

impl Log {
    /// Deletes the oldest segments that `retention` no longer keeps, none that reaches beyond `high_watermark`. Yields
    /// how many.
    ///
    /// # Errors
    /// Of the disk. Segments whose files could not be removed are gone from the log all the same.
    pub fn delete_old(
        &self,
        now: Timestamp,
        retention: Retention,
        high_watermark: Offset,
    ) -> Result<usize, StorageError> {
        let (removed, rolled) = {
            let mut writer = self.lock();
            let mut count = self.count_old(now, retention, high_watermark)?;
            let mut rolled = Ok(());
            if count == self.segment_count() {
                rolled = self.roll(&mut writer, self.end_offset(), now).map(drop);
                // A full disk may have no room for a new segment before the others are gone.
                count -= usize::from(rolled.is_err());
            }
            (self.unlist_first(count), rolled)
        };
        // Large files take their time to go; appends do not wait for that.
        self.remove(&removed)?;
        rolled.map(|()| removed.len())
    }

    fn count_old(
        &self,
        now: Timestamp,
        retention: Retention,
        high_watermark: Offset,
    ) -> Result<usize, StorageError> {
        let mut excess = retention.bytes_max.map(|max| self.size_bytes().saturating_sub(max));
        let is_old = |segment: &Segment| {
            let Some(max) = retention.age_ms_max else { return Ok(false) };
            let is_older = |at: Timestamp| now.ms_since(at) > max;
            Ok::<_, StorageError>(segment.largest_timestamp()?.is_some_and(is_older))
        };
        let mut too_many = |segment: &Segment| {
            let left = excess.and_then(|excess| excess.checked_sub(segment.end().position.into()));
            excess = left.or(excess.map(|_| 0));
            left.is_some()
        };
        let (mut count, active) = (0, self.active_base_offset());
        for segment in self.segments.load_full().iter() {
            let end = segment.end();
            // A cleaning may leave nothing of a segment.
            let holds_any = end.position > 0 || segment.base_offset < active;
            if !holds_any || end.offset > high_watermark || !(is_old(segment)? || too_many(segment)) {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Moves the log start up to `offset` and deletes segments that lie below it entirely.
    ///
    /// # Errors
    /// `OutOfRange` beyond the end; those of the disk.
    pub fn advance_start(&self, offset: Offset) -> Result<(), StorageError> {
        let removed = {
            let _writer = self.lock();
            if offset > self.end_offset() {
                return Err(self.out_of_range(offset));
            }
            self.start_offset.fetch_max(offset.0, Ordering::AcqRel);
            let segments = self.segments.load_full();
            self.unlist_first(segments.iter().skip(1).take_while(|next| next.base_offset <= offset).count())
        };
        self.remove(&removed)
    }

    /// Removes the record at `offset` and everything after it, from its batch on. Yields whether there was any.
    /// The recovery point moves back: whoever keeps it writes it down before the next append.
    ///
    /// # Errors
    /// Of the disk. The log must then be opened again.
    pub fn truncate_to(&self, offset: Offset) -> Result<bool, StorageError> {
        if offset >= self.end_offset() {
            return Ok(false);
        }
        if offset <= self.segments.load().first().map_or(Offset(0), |segment| segment.base_offset) {
            self.truncate_fully(offset)?;
            return Ok(true);
        }
        let mut writer = self.lock();
        self.remove_half_made(&mut writer)?;
        writer.resume_once(&self.active())?;
        self.truncations.fetch_add(1, Ordering::AcqRel);
        let segments = self.segments.load_full();
        let kept = segments.partition_point(|segment| segment.base_offset < offset);
        let mut list = segments[..kept].to_vec();
        self.remove_from_end(&list, &segments[kept..])?;
        if let Some(last) = list.pop() {
            let opened = writer.opened;
            writer.begin(opened);
            let cut = self.reopened(&last, offset)?;
            let position = cut.end().position;
            list.push(cut.clone());
            self.segments.store(Arc::new(list));
            cut.cut_to_end()?;
            cut.sync()?;
            writer.resume(&cut, position)?;
            // The batch may have begun before the start.
            self.start_offset.fetch_min(self.end_offset().0, Ordering::AcqRel);
        }
        self.forget_after(offset)?;
        Ok(true)
    }

    /// Removes everything, epochs too; the next record gets `offset`.
    ///
    /// # Errors
    /// Of the disk. The log must then be opened again.
    pub fn truncate_fully(&self, offset: Offset) -> Result<(), StorageError> {
        let mut writer = self.lock();
        self.remove_half_made(&mut writer)?;
        self.truncations.fetch_add(1, Ordering::AcqRel);
        let removed = self.segments.load_full();
        // The new segment may have the name of an old one, and would else be taken for what follows one that comes back.
        self.remove_from_end(&[], &removed)?;
        let segment = Segment::make(&*self.disk, &self.folder, offset)?;
        self.segments.store(Arc::new(vec![Arc::new(segment)]));
        self.start_offset.store(offset.0, Ordering::Release);
        let opened = writer.opened;
        writer.begin(opened);
        self.forget_after(offset)?;
        // Epochs and producers of what lay before are nothing to a log that begins here.
        self.truncate_epochs(Offset(i64::MIN))?;
        self.remove_producer_snapshots(|_| true)
    }

    /// Removes the last segments, of which `kept` come before. What a crash leaves is the beginning of the log, without a
    /// hole: each is gone for good before the one in front of it.
    fn remove_from_end(&self, kept: &[Arc<Segment>], removed: &[Arc<Segment>]) -> Result<(), StorageError> {
        if removed.is_empty() {
            return Ok(());
        }
        if !kept.is_empty() {
            self.segments.store(Arc::new(kept.to_vec()));
        }
        for segment in removed.iter().rev() {
            segment.remove(&*self.disk)?;
            self.disk.sync_dir(&self.folder).context("sync folder", &self.folder)?;
        }
        Ok(())
    }

    /// The same files with an end before the batch that holds `offset`.
    fn reopened(&self, segment: &Segment, offset: Offset) -> Result<Arc<Segment>, StorageError> {
        segment.offsets.write()?;
        segment.times.write()?;
        let found = segment.find(offset, segment.end())?;
        let end = match found {
            Some((position, header)) => SegmentEnd { position, offset: offset.min(header.base_offset) },
            None => segment.end(),
        };
        let reopened = Segment::open(&*self.disk, &self.folder, segment.base_offset)?;
        reopened.offsets.truncate(|entry| entry.position < end.position)?;
        let relative_end = end.offset - segment.base_offset;
        reopened.times.truncate(|entry| i64::from(entry.relative_offset) < relative_end)?;
        reopened.set_end(end);
        self.truncate_aborted(segment.base_offset, end.offset)?;
        Ok(Arc::new(reopened))
    }

    fn forget_after(&self, offset: Offset) -> Result<(), StorageError> {
        // The batch of `offset` may have begun before it.
        let end = self.end_offset().min(offset);
        self.durable_end.fetch_min(end.0, Ordering::AcqRel);
        self.recovery_point.fetch_min(end.0, Ordering::AcqRel);
        self.names_changed.fetch_add(1, Ordering::AcqRel);
        self.truncate_epochs(offset)?;
        self.remove_producer_snapshots(|at| at > offset)
    }

    /// Takes the first `count` segments out of the log; the caller holds the lock and removes the files.
    fn unlist_first(&self, count: usize) -> Vec<Arc<Segment>> {
        let segments = self.segments.load_full();
        let (removed, kept) = segments.split_at(count);
        if let Some(first) = kept.first() {
            self.start_offset.fetch_max(first.base_offset.0, Ordering::AcqRel);
        }
        if !removed.is_empty() {
            self.segments.store(Arc::new(kept.to_vec()));
            self.names_changed.fetch_add(1, Ordering::AcqRel);
        }
        removed.to_vec()
    }

    /// Removes the files first: a full disk has no room for the epochs before.
    fn remove(&self, segments: &[Arc<Segment>]) -> Result<(), StorageError> {
        if !segments.is_empty() {
            self.condemn(segments)?;
            self.sweep_unless_delayed()?;
            let first = self.segments.load().first().map_or(Offset(0), |segment| segment.base_offset);
            self.remove_producer_snapshots(|at| at < first)?;
        }
        let _writer = self.lock();
        self.trim_epochs(self.start_offset())
    }
}
