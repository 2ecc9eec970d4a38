//! Opening a log: which segments are there, where the last one ends, and what a crash left of the tail.
//!
//! After a stop in order nothing is read: names and sizes tell the segments, the recovery point is the end, and the
//! producer snapshot that a stop leaves there confirms it. The first append looks at the end of the last segment. After
//! a crash every segment is read from the last index entry before the recovery point on: each batch must be whole, carry
//! a valid CRC and follow the one before. From the first that does not, the segment is cut and later segments are
//! removed; indexes and epochs beyond the recovery point are made again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use milena_protocol::records::BatchHeader;
use milena_protocol::{LeaderEpoch, Offset, Timestamp};

use super::listing::Listing;
use super::{EpochStart, Log, LogConfig, Opening, Repair, Writer, epochs};
use crate::disk::Disk;
use crate::error::{Context, StorageError};
use crate::segment::scan::{BatchCheck, find_whole_batch};
use crate::segment::{ListedSegment, Segment, SegmentEnd, batch_size};

pub(super) fn open(
    disk: Arc<dyn Disk>,
    folder: &Path,
    config: LogConfig,
    opening: Opening,
) -> Result<Log, StorageError> {
    disk.create_dir_all(folder).context("make", folder)?;
    let listing = Listing::of(&*disk, folder)?;
    let known_epochs = epochs::load(&*disk, folder)?;
    let mut recovery = Recovery {
        disk: &*disk,
        folder,
        opening,
        epochs: known_epochs.clone().unwrap_or_default(),
        segments: Vec::new(),
        repair: None,
        scanned_bytes: 0,
        writer: Writer::new(config, opening.now),
    };
    recovery.load(&listing)?;
    let (start_offset, end) = recovery.range();
    // A crash may take the note of a new start away, and not that its epochs were forgotten.
    let covers = |first: &EpochStart| first.start_offset <= start_offset;
    if known_epochs.is_none() || start_offset < end && !recovery.epochs.first().is_some_and(covers) {
        recovery.collect_epochs()?;
    }
    recovery.epochs.retain(|start| start.start_offset < end);
    let Recovery { epochs, segments, repair, scanned_bytes, mut writer, .. } = recovery;
    writer.is_unused = start_offset == end;
    if known_epochs.as_deref().unwrap_or_default() != epochs {
        epochs::save(&*disk, folder, &epochs, false)?;
    }
    let recovery_point =
        if opening.clean { end } else { opening.recovery_point.unwrap_or(Offset(0)).min(end) };
    let epochs_synced = u64::from(epochs.is_empty() || opening.clean && known_epochs.is_some());
    Ok(Log {
        disk,
        folder: folder.to_owned(),
        segments: ArcSwap::from_pointee(segments),
        start_offset: AtomicI64::new(start_offset.0),
        durable_end: AtomicI64::new(recovery_point.0),
        recovery_point: AtomicI64::new(recovery_point.0),
        truncations: AtomicU64::new(0),
        epochs: ArcSwap::from_pointee(epochs),
        names_changed: AtomicU64::new(1),
        names_synced: AtomicU64::new(u64::from(opening.clean && !listing.segments.is_empty())),
        epochs_changed: AtomicU64::new(1),
        epochs_synced: AtomicU64::new(epochs_synced),
        snapshots: Mutex::new(Some(listing.snapshots)),
        has_aborted: Mutex::default(),
        scanned_bytes,
        repair,
        condemned: Mutex::default(),
        has_failed: Mutex::default(),
        is_retired: AtomicBool::new(false),
        writer: Mutex::new(writer),
    })
}

struct Recovery<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    opening: Opening,
    epochs: Vec<EpochStart>,
    segments: Vec<Arc<Segment>>,
    repair: Option<Repair>,
    scanned_bytes: u64,
    writer: Writer,
}

impl Recovery<'_> {
    fn load(&mut self, listing: &Listing) -> Result<(), StorageError> {
        let mut is_whole = true;
        let mut checked_end = None;
        for (index, listed) in listing.segments.iter().enumerate() {
            let next = listing.segments.get(index + 1).map(|next| next.base_offset);
            let segment = Segment::listed(self.disk, self.folder, listed)?;
            let base = listed.base_offset;
            let follows = |end: Offset| end == base || end < base && self.opening.may_have_gaps;
            // A gap after a checked segment means that its last batches were lost without a trace.
            if !is_whole || !checked_end.is_none_or(follows) {
                is_whole = false;
                if self.opening.one_unsynced_batch && listed.log_bytes > 0 {
                    let reason = "does not follow the segment before it, whose end is damaged or missing";
                    return Err(StorageError::corrupt(&segment.path, 0, reason));
                }
                segment.remove(self.disk)?;
                continue;
            }
            checked_end = None;
            self.writer.begin(self.opening.now);
            if self.must_check(listed, next) {
                is_whole = self.check(&segment, next.is_some())?;
                // No crash took anything from a durable segment, whose index alone was lost.
                let may_have_lost = !self.is_durable(next) || self.opening.one_unsynced_batch;
                checked_end = may_have_lost.then(|| segment.end().offset);
            } else {
                self.trust(&segment, listed, (next, &listing.snapshots))?;
            }
            self.segments.push(Arc::new(segment));
        }
        if self.segments.is_empty() {
            let base = self.opening.start_offset.unwrap_or(Offset(0));
            let segment = Segment::make(self.disk, self.folder, base)?;
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    /// The log start and the log end.
    fn range(&self) -> (Offset, Offset) {
        let end = self.segments.last().map_or(Offset(0), |segment| segment.end().offset);
        let first = self.segments.first().map_or(Offset(0), |segment| segment.base_offset);
        (self.opening.start_offset.unwrap_or(first).max(first).min(end), end)
    }

    /// Whether nothing of the segment before `next` was unsynced.
    fn is_durable(&self, next: Option<Offset>) -> bool {
        let recovery_point = self.opening.recovery_point.unwrap_or(Offset(0));
        self.opening.clean || next.is_some_and(|next| next <= recovery_point)
    }

    fn must_check(&self, listed: &ListedSegment, next: Option<Offset>) -> bool {
        // A finished segment has an entry in its time index, or lost it.
        let is_indexed =
            listed.index_bytes.is_some() && listed.time_index_bytes.is_some_and(|bytes| bytes > 0);
        !self.is_durable(next) || listed.log_bytes > 0 && next.is_some() && !is_indexed
    }

    /// Takes a segment as it is: it ends where the next one begins, or where the last stop said.
    fn trust(
        &mut self,
        segment: &Segment,
        listed: &ListedSegment,
        (next, snapshots): (Option<Offset>, &[Offset]),
    ) -> Result<(), StorageError> {
        let size = listed.log_bytes;
        let position = u32::try_from(size)
            .map_err(|_| StorageError::corrupt(&segment.path, size, "segment is too large"))?;
        segment.set_checkpointed(position);
        let stopped_at = self.opening.recovery_point.filter(|end| {
            *end > segment.base_offset && snapshots.contains(end) && listed.time_index_bytes > Some(0)
        });
        match next.or(stopped_at) {
            Some(offset) if position > 0 || next.is_some() => {
                segment.leave_max_timestamp();
                segment.set_end(SegmentEnd { position, offset });
                self.writer.is_resumed = false;
                Ok(())
            }
            _ => match self.writer.resume(segment, position) {
                Err(StorageError::Corrupt { .. }) => {
                    self.writer.begin(self.opening.now);
                    self.check(segment, false).map(|_| ())
                }
                resumed => resumed,
            },
        }
    }

    /// Reads what may not be durable of the segment, or all of it, and cuts it before the first damage. True when there
    /// was none.
    fn check(&mut self, segment: &Segment, is_finished: bool) -> Result<bool, StorageError> {
        let size = segment.file_size()?;
        let from = self.sound_until(segment, size)?;
        let mut batches = BatchCheck::new(segment, from);
        let mut end = self.scan(segment, from, &mut batches)?;
        if from > 0 && end.position == from {
            // What the index vouches for is damaged: everything before it is to be looked at.
            self.writer.begin(self.opening.now);
            segment.offsets.truncate(|_| false)?;
            segment.times.truncate(|_| false)?;
            batches = BatchCheck::new(segment, 0);
            end = self.scan(segment, 0, &mut batches)?;
        }
        self.scanned_bytes += u64::from(end.position.saturating_sub(from));
        segment.set_end(end);
        segment.set_max_timestamp(self.writer.max_timestamp.0);
        let reason = batches
            .damage()
            .map_or("batch does not follow the one before".to_owned(), |damage| damage.to_string());
        let position = u64::from(end.position);
        let is_whole = size == position;
        let is_indexed = segment.offsets.len() > 0;
        if is_finished || !is_whole || is_indexed {
            self.writer.seal(segment)?;
        }
        if is_indexed && self.opening.recovery_point.is_some_and(|point| point > segment.base_offset) {
            // Below the recovery point indexes are durable, whether they were before or not.
            segment.offsets.sync()?;
            segment.times.sync()?;
        }
        if is_whole {
            return Ok(true);
        }
        self.refuse_damage(segment, position, &reason)?;
        self.repair = Some(Repair { path: segment.path.clone(), position, bytes: size - position, reason });
        segment.cut_to_end()?;
        // Were the cut lost in the next crash, old batches could seem to follow new ones.
        segment.sync()?;
        Ok(false)
    }

    /// Takes in the batches from position `from` on, up to the first that is not whole or does not follow; yields the
    /// end of the last.
    fn scan(
        &mut self,
        segment: &Segment,
        from: u32,
        batches: &mut BatchCheck<'_>,
    ) -> Result<SegmentEnd, StorageError> {
        segment.set_checkpointed(from);
        let mut end = SegmentEnd { position: from, offset: segment.base_offset };
        for found in batches {
            let (position, batch) = found?;
            let header = batch.header();
            let next = position + batch.size_bytes() as u64;
            let is_first = from > 0 && position == u64::from(from);
            let is_next = is_first || header.base_offset == end.offset || !self.opening.one_unsynced_batch;
            let follows = header.base_offset >= end.offset && is_next && header.last_offset_delta >= 0;
            let Some(next) = u32::try_from(next).ok().filter(|_| follows) else { break };
            let place = (end.position, batch_size(header));
            self.writer.see(segment, (header.max_timestamp, header.last_offset()), place);
            self.begin_epoch(header.leader_epoch, header.base_offset);
            end = SegmentEnd { position: next, offset: header.next_offset() };
        }
        Ok(end)
    }

    /// The position up to which the indexes vouch for the segment: that of the last entry below the recovery point.
    /// Later entries are removed, all of them where the last one does not tell the truth.
    fn sound_until(&mut self, segment: &Segment, size: u64) -> Result<u32, StorageError> {
        let recovery_point = self.opening.recovery_point.unwrap_or(Offset(0));
        let relative = u32::try_from(recovery_point - segment.base_offset).unwrap_or(0);
        let entry = segment.offsets.keep_sound(|entry| entry.relative_offset < relative)?;
        let time = segment.times.keep_sound(|entry| entry.relative_offset < relative)?;
        let header = |position: u32| -> Result<Option<BatchHeader>, StorageError> {
            let mut walk = segment.walk(position, u32::try_from(size).unwrap_or(u32::MAX));
            match walk.next().transpose() {
                Ok(found) => Ok(found.map(|(_, header)| header)),
                Err(StorageError::Corrupt { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        if let (Some(entry), Some(time)) = (entry, time)
            && header(entry.position)?.is_some_and(|header| {
                header.last_offset() - segment.base_offset == entry.relative_offset.into()
            })
            && let Some(first) = header(0)?
        {
            let offset = segment.base_offset + i64::from(time.relative_offset);
            self.writer.max_timestamp = (Timestamp(time.timestamp), offset);
            self.writer.first_timestamp = Some(first.max_timestamp);
            return Ok(entry.position);
        }
        segment.offsets.truncate(|_| false)?;
        segment.times.truncate(|_| false)?;
        Ok(0)
    }

    /// Fails where damage cannot be what a crash left of the last batch.
    fn refuse_damage(&self, segment: &Segment, position: u64, reason: &str) -> Result<(), StorageError> {
        let is_behind = self.opening.unsynced_from.is_some_and(|from| segment.end().offset >= from);
        if !self.opening.one_unsynced_batch || is_behind {
            return Ok(());
        }
        match find_whole_batch(segment, position)? {
            None => Ok(()),
            Some(found) => {
                let reason = format!("{reason}; a whole batch follows at byte {found}");
                Err(StorageError::corrupt(&segment.path, position, reason))
            }
        }
    }

    fn begin_epoch(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        if self.epochs.last().is_none_or(|last| last.epoch < epoch) && epoch.0 >= 0 {
            self.epochs.push(EpochStart { epoch, start_offset });
        }
    }

    fn collect_epochs(&mut self) -> Result<(), StorageError> {
        self.epochs.clear();
        for segment in self.segments.clone() {
            for found in segment.walk(0, segment.end().position) {
                let (_, header) = found?;
                self.begin_epoch(header.leader_epoch, header.base_offset);
            }
        }
        Ok(())
    }
}

impl Writer {
    fn new(config: LogConfig, now: Timestamp) -> Self {
        Self {
            config,
            is_unused: false,
            is_resumed: true,
            unindexed_bytes: 0,
            max_timestamp: (Timestamp(-1), Offset(-1)),
            first_timestamp: None,
            opened: now,
            half_made: None,
        }
    }

    /// Looks at the end of the active segment, where that was put off at the start.
    pub(super) fn resume_once(&mut self, active: &Segment) -> Result<(), StorageError> {
        if self.is_resumed {
            return Ok(());
        }
        let end = active.end();
        self.begin(self.opened);
        let found = self.resume(active, end.position).map(|()| active.end());
        self.is_resumed = found.as_ref().is_ok_and(|found| *found == end);
        if !self.is_resumed {
            active.set_end(end);
        }
        match found {
            Ok(found) if found != end => {
                let reason = format!("it ends at offset {}, not at {}", found.offset, end.offset);
                Err(StorageError::corrupt(&active.path, end.position.into(), reason))
            }
            found => found.map(drop),
        }
    }

    /// Goes on with a segment that holds whole batches up to `position`: finds its end from the last index entry.
    pub(super) fn resume(&mut self, segment: &Segment, position: u32) -> Result<(), StorageError> {
        let mut end = SegmentEnd { position: 0, offset: segment.base_offset };
        self.first_timestamp =
            segment.walk(0, position).next().transpose()?.map(|(_, header)| header.max_timestamp);
        if let Some(entry) = segment.times.last()? {
            let offset = segment.base_offset + i64::from(entry.relative_offset);
            self.max_timestamp = (Timestamp(entry.timestamp), offset);
        }
        let indexed = segment.offsets.last()?.map_or(0, |entry| entry.position);
        if indexed > position {
            return Err(StorageError::corrupt(&segment.path, position.into(), "indexed batch is missing"));
        }
        for found in segment.walk(indexed, position) {
            let (at, header) = found?;
            if header.max_timestamp > self.max_timestamp.0 {
                self.max_timestamp = (header.max_timestamp, header.last_offset());
            }
            end =
                SegmentEnd { position: at.saturating_add(batch_size(&header)), offset: header.next_offset() };
        }
        if end.position != position {
            return Err(StorageError::corrupt(&segment.path, end.position.into(), "last batch is not whole"));
        }
        self.unindexed_bytes = position - indexed;
        segment.set_end(end);
        segment.set_max_timestamp(self.max_timestamp.0);
        Ok(())
    }
}
