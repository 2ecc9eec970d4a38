//! Opening a log: which segments are there, where the last one ends, and what a crash left of the tail.
//!
//! After a stop in order nothing but the end of the last segment is read. After a crash every segment that reaches the
//! recovery point is read from its start: each batch must be whole, carry a valid CRC and follow the one before. From
//! the first that does not, the segment is cut and later segments are removed; indexes and epochs are made again.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use milena_protocol::{LeaderEpoch, Offset, Timestamp};

use super::{EpochStart, Log, LogConfig, Opening, Repair, Writer, epochs};
use crate::disk::Disk;
use crate::error::{Context, StorageError};
use crate::segment::scan::{BatchCheck, find_whole_batch};
use crate::segment::{Segment, SegmentEnd, batch_size, offset_of_name};

/// Names in the folder of a log that a crash left half done.
const LEFTOVERS: [&str; 4] = [".tmp", ".deleted", ".cleaned", ".swap"];

pub(super) fn open(
    disk: Arc<dyn Disk>,
    folder: &Path,
    config: LogConfig,
    opening: Opening,
) -> Result<Log, StorageError> {
    disk.create_dir_all(folder).context("make", folder)?;
    let bases = segments_in(&*disk, folder)?;
    let known_epochs = epochs::load(&*disk, folder)?;
    let mut recovery = Recovery {
        disk: &*disk,
        folder,
        opening,
        epochs: known_epochs.clone().unwrap_or_default(),
        segments: Vec::new(),
        repair: None,
        writer: Writer::new(config, opening.now),
    };
    recovery.load(&bases)?;
    if known_epochs.is_none() {
        recovery.collect_epochs()?;
    }
    let end = recovery.end();
    recovery.epochs.retain(|start| start.start_offset < end);
    let Recovery { epochs, segments, repair, writer, .. } = recovery;
    if known_epochs.as_deref().unwrap_or_default() != epochs {
        epochs::save(&*disk, folder, &epochs)?;
    }
    let first = segments.first().map_or(Offset(0), |segment: &Arc<Segment>| segment.base_offset);
    let start_offset = opening.start_offset.unwrap_or(first).max(first).min(end);
    let recovery_point = opening.recovery_point.unwrap_or(Offset(0)).min(end);
    Ok(Log {
        disk,
        folder: folder.to_owned(),
        segments: ArcSwap::from_pointee(segments),
        start_offset: AtomicI64::new(start_offset.0),
        recovery_point: AtomicI64::new(if opening.clean { end.0 } else { recovery_point.0 }),
        epochs: ArcSwap::from_pointee(epochs),
        names_changed: AtomicU64::new(1),
        names_synced: AtomicU64::new(0),
        repair,
        writer: Mutex::new(writer),
    })
}

/// The base offsets of the segments, ascending. Leftovers are removed.
fn segments_in(disk: &dyn Disk, folder: &Path) -> Result<Vec<Offset>, StorageError> {
    let mut bases = Vec::new();
    for entry in disk.list(folder).context("list", folder)? {
        if LEFTOVERS.iter().any(|leftover| entry.name.ends_with(leftover)) {
            let path = folder.join(&entry.name);
            disk.remove_file(&path).context("remove", &path)?;
        }
        bases.extend(offset_of_name(&entry.name, "log"));
    }
    bases.sort_unstable();
    Ok(bases)
}

struct Recovery<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    opening: Opening,
    epochs: Vec<EpochStart>,
    segments: Vec<Arc<Segment>>,
    repair: Option<Repair>,
    writer: Writer,
}

impl Recovery<'_> {
    fn load(&mut self, bases: &[Offset]) -> Result<(), StorageError> {
        let mut is_whole = true;
        let mut checked_end = None;
        for (index, base) in bases.iter().enumerate() {
            let segment = Segment::open(self.disk, self.folder, *base)?;
            // A gap after a checked segment means that its last batches were lost without a trace.
            if !is_whole || checked_end.is_some_and(|end| end != *base) {
                is_whole = false;
                if self.opening.one_unsynced_batch && segment.file_size()? > 0 {
                    let reason = "does not follow the segment before it, whose end is damaged or missing";
                    return Err(StorageError::corrupt(&segment.path, 0, reason));
                }
                segment.remove(self.disk)?;
                continue;
            }
            checked_end = None;
            self.writer.begin(self.opening.now);
            if self.must_check(&segment, bases.get(index + 1))? {
                is_whole = self.check(&segment)?;
                checked_end = Some(segment.end().offset);
            } else {
                self.trust(&segment, bases.get(index + 1))?;
            }
            self.segments.push(Arc::new(segment));
        }
        if self.segments.is_empty() {
            let base = self.opening.start_offset.unwrap_or(Offset(0));
            let segment = Segment::open(self.disk, self.folder, base)?;
            segment.set_end(SegmentEnd { position: 0, offset: base });
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    fn end(&self) -> Offset {
        self.segments.last().map_or(Offset(0), |segment| segment.end().offset)
    }

    fn must_check(&self, segment: &Segment, next: Option<&Offset>) -> Result<bool, StorageError> {
        let recovery_point = self.opening.recovery_point.unwrap_or(Offset(0));
        let is_durable = self.opening.clean || next.is_some_and(|next| *next < recovery_point);
        // A finished segment has an entry in its time index, or lost it.
        Ok(!is_durable || next.is_some() && segment.times.len() == 0 && segment.file_size()? > 0)
    }

    /// Takes a segment as it is: it ends where the next one begins, or where its last whole batch does.
    fn trust(&mut self, segment: &Segment, next: Option<&Offset>) -> Result<(), StorageError> {
        let size = segment.file_size()?;
        let position = u32::try_from(size)
            .map_err(|_| StorageError::corrupt(&segment.path, size, "segment is too large"))?;
        match next {
            Some(next) => {
                let max_timestamp = segment.times.last()?.map_or(-1, |entry| entry.timestamp);
                segment.set_max_timestamp(Timestamp(max_timestamp));
                segment.set_end(SegmentEnd { position, offset: *next });
                Ok(())
            }
            None => match self.writer.resume(segment, position) {
                Err(StorageError::Corrupt { .. }) => {
                    self.writer.begin(self.opening.now);
                    self.check(segment).map(|_| ())
                }
                resumed => resumed,
            },
        }
    }

    /// Reads the whole segment and cuts it before the first damage. True when there was none.
    fn check(&mut self, segment: &Segment) -> Result<bool, StorageError> {
        segment.offsets.truncate(|_| false)?;
        segment.times.truncate(|_| false)?;
        let mut end = SegmentEnd { position: 0, offset: segment.base_offset };
        let mut batches = BatchCheck::new(segment, 0);
        for found in &mut batches {
            let (position, batch) = found?;
            let header = batch.header();
            let next = position + batch.size_bytes() as u64;
            let is_next = header.base_offset == end.offset || !self.opening.one_unsynced_batch;
            let follows = header.base_offset >= end.offset && is_next && header.last_offset_delta >= 0;
            let Some(next) = u32::try_from(next).ok().filter(|_| follows) else { break };
            let place = (end.position, batch_size(header));
            self.writer.see(segment, (header.max_timestamp, header.last_offset()), place);
            self.begin_epoch(header.leader_epoch, header.base_offset);
            end = SegmentEnd { position: next, offset: header.next_offset() };
        }
        segment.set_end(end);
        segment.set_max_timestamp(self.writer.max_timestamp.0);
        self.writer.seal(segment)?;
        let reason = batches
            .damage()
            .map_or("batch does not follow the one before".to_owned(), |damage| damage.to_string());
        let (position, size) = (u64::from(end.position), segment.file_size()?);
        if size == position {
            return Ok(true);
        }
        self.refuse_damage(segment, position, &reason)?;
        self.repair = Some(Repair { path: segment.path.clone(), position, bytes: size - position, reason });
        segment.cut_to_end()?;
        // Were the cut lost in the next crash, old batches could seem to follow new ones.
        segment.sync()?;
        Ok(false)
    }

    /// Fails where damage cannot be what a crash left of the last batch.
    fn refuse_damage(&self, segment: &Segment, position: u64, reason: &str) -> Result<(), StorageError> {
        if !self.opening.one_unsynced_batch {
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
            unindexed_bytes: 0,
            max_timestamp: (Timestamp(-1), Offset(-1)),
            first_timestamp: None,
            opened: now,
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
