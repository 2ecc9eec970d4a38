//! Appends, and the rolling of segments before them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use milena_protocol::records::STAMP_BYTES;
use milena_protocol::{Offset, Timestamp};

use super::{Appended, Log, LogConfig, Placed, Writer};
use crate::dir;
use crate::error::{Context, StorageError};
use crate::index::{Entry, OffsetEntry, TimeEntry};
use crate::segment::{self, Segment, SegmentEnd, batch_size, segment_path};

/// The largest segment, in bytes: positions in the index are signed 32 bit numbers to Apache Kafka.
const SEGMENT_BYTES_LIMIT: u64 = i32::MAX as u64;

impl Log {
    /// Appends `batches` in one write, without copying them. `now` decides about `segment.ms` alone.
    ///
    /// # Errors
    /// `OutOfRange` for a base offset below the end, and those of the disk. The log is then as it was before.
    pub fn append(&self, batches: &[Placed<'_>], now: Timestamp) -> Result<Appended, StorageError> {
        let mut writer = self.lock();
        let Some(last) = batches.last() else {
            return Ok(Appended { end_offset: self.end_offset(), rolled_at: None });
        };
        self.check_order(batches)?;
        self.remove_half_made(&mut writer)?;
        self.begin_use(&mut writer)?;
        writer.resume_once(&self.active())?;
        let end_offset = last.base_offset + (i64::from(last.batch.header().last_offset_delta) + 1);
        let bytes = batches.iter().map(|placed| placed.batch.size_bytes() as u64).sum();
        let (active, rolled_at) = self.segment_for(&mut writer, batches, (bytes, end_offset), now)?;
        let start = active.end().position;
        let end = u64::from(start) + bytes;
        let Some(end) = u32::try_from(end).ok().filter(|end| u64::from(*end) <= SEGMENT_BYTES_LIMIT) else {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge)).context("append to", &active.path);
        };
        let written = write(&active, batches, start).and_then(|()| {
            self.assign_epochs(batches.iter().map(|placed| (placed.leader_epoch, placed.base_offset)))
        });
        if let Err(error) = written {
            // What is left beyond the end is cut before the segment is finished, should this fail too.
            let _ = active.cut_to_end();
            return Err(error);
        }
        active.set_end(SegmentEnd { position: end, offset: end_offset });
        writer.index(&active, batches, start);
        Ok(Appended { end_offset, rolled_at })
    }

    /// Thousands of logs are made without waiting for the disk, so that this is left to the first records.
    fn begin_use(&self, writer: &mut Writer) -> Result<(), StorageError> {
        if writer.is_unused {
            dir::sync_topic_id(&*self.disk, &self.folder)?;
            writer.is_unused = false;
        }
        Ok(())
    }

    /// Begins a new segment at the end of the log, where the active one holds anything.
    ///
    /// # Errors
    /// Of the disk. The log is then as it was before.
    pub fn begin_segment(&self, now: Timestamp) -> Result<(), StorageError> {
        let mut writer = self.lock();
        let end = self.active().end();
        if end.position > 0 {
            self.roll(&mut writer, end.offset, now)?;
        }
        Ok(())
    }

    fn check_order(&self, batches: &[Placed<'_>]) -> Result<(), StorageError> {
        let mut end = self.end_offset();
        for placed in batches {
            if placed.base_offset < end || placed.batch.header().last_offset_delta < 0 {
                return Err(self.out_of_range(placed.base_offset));
            }
            end = placed.base_offset + (i64::from(placed.batch.header().last_offset_delta) + 1);
        }
        Ok(())
    }

    /// The segment that takes the batches: the active one, or a new one.
    fn segment_for(
        &self,
        writer: &mut Writer,
        batches: &[Placed<'_>],
        (bytes, end_offset): (u64, Offset),
        now: Timestamp,
    ) -> Result<(Arc<Segment>, Option<Offset>), StorageError> {
        let active = self.active();
        let max_timestamp = batches.iter().map(|placed| placed.batch.header().max_timestamp).max();
        let age_ms = writer.age_ms(max_timestamp.unwrap_or(Timestamp(-1)), now);
        let end = active.end();
        let too_large = u64::from(end.position) + bytes > u64::from(writer.config.segment_bytes);
        let too_far = end_offset - active.base_offset > i64::from(i32::MAX);
        let is_full = too_large
            || too_far
            || age_ms > self.age_ms_max(&writer.config, active.base_offset)
            || writer.index_is_full(&active);
        if end.position == 0 && !too_far || !is_full {
            return Ok((active, None));
        }
        // The new segment begins where its first batch does, so that a gap before it is not part of any segment.
        let base_offset = batches.first().map_or(end.offset, |placed| placed.base_offset);
        Ok((self.roll(writer, base_offset, now)?, Some(base_offset)))
    }

    /// How old a segment may get: jitter spreads the rolls of logs that began at the same time.
    fn age_ms_max(&self, config: &LogConfig, base_offset: Offset) -> i64 {
        let jitter_max = config.segment_jitter_ms.min(config.segment_age_ms_max);
        if jitter_max <= 0 {
            return config.segment_age_ms_max;
        }
        let mut hasher = DefaultHasher::new();
        (&self.folder, base_offset).hash(&mut hasher);
        let jitter = hasher.finish() % jitter_max.cast_unsigned();
        config.segment_age_ms_max - jitter.cast_signed()
    }

    pub(super) fn active(&self) -> Arc<Segment> {
        self.segments.load().last().cloned().expect("a log always has a segment")
    }

    /// Seals the active segment and begins a new one.
    pub(super) fn roll(
        &self,
        writer: &mut Writer,
        base_offset: Offset,
        now: Timestamp,
    ) -> Result<Arc<Segment>, StorageError> {
        let active = self.active();
        writer.resume_once(&active)?;
        writer.seal(&active)?;
        active.cut_excess()?;
        self.remove_half_made(writer)?;
        writer.half_made = Some(base_offset);
        let segment = Arc::new(Segment::make(&*self.disk, &self.folder, base_offset)?);
        if writer.config.preallocate {
            segment.reserve(writer.config.segment_bytes)?;
        }
        let mut segments = self.segments.load_full().to_vec();
        segments.push(segment.clone());
        self.segments.store(Arc::new(segments));
        self.names_changed.fetch_add(1, Ordering::AcqRel);
        writer.begin(now);
        writer.half_made = None;
        Ok(segment)
    }

    /// Removes what a failed roll has left: by its name, the next start would take it for where the segment before ends.
    pub(super) fn remove_half_made(&self, writer: &mut Writer) -> Result<(), StorageError> {
        if let Some(base_offset) = writer.half_made {
            segment::remove_files(&*self.disk, &segment_path(&self.folder, base_offset, "log"))?;
            self.names_changed.fetch_add(1, Ordering::AcqRel);
            writer.half_made = None;
        }
        Ok(())
    }
}

fn write(active: &Segment, batches: &[Placed<'_>], position: u32) -> Result<(), StorageError> {
    if let [placed] = batches {
        let stamp = placed.batch.stamp(placed.base_offset, placed.leader_epoch);
        return active.write(&[&stamp, &placed.batch.bytes()[STAMP_BYTES..]], position);
    }
    let stamps: Vec<[u8; STAMP_BYTES]> =
        batches.iter().map(|placed| placed.batch.stamp(placed.base_offset, placed.leader_epoch)).collect();
    let parts: Vec<&[u8]> = batches
        .iter()
        .zip(&stamps)
        .flat_map(|(placed, stamp)| [&stamp[..], &placed.batch.bytes()[STAMP_BYTES..]])
        .collect();
    active.write(&parts, position)
}

impl Writer {
    /// Forgets the segment before.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.is_resumed = true;
        self.unindexed_bytes = 0;
        self.max_timestamp = (Timestamp(-1), Offset(-1));
        self.first_timestamp = None;
        self.opened = now;
    }

    /// Writes the last entry of the time index, which every finished segment has.
    pub(super) fn seal(&self, active: &Segment) -> Result<(), StorageError> {
        self.index_time(active)?;
        active.offsets.write()?;
        active.times.write()
    }

    fn age_ms(&self, timestamp: Timestamp, now: Timestamp) -> i64 {
        match self.first_timestamp {
            Some(first) if first.0 >= 0 => timestamp.ms_since(first),
            _ => now.ms_since(self.opened),
        }
    }

    fn index_is_full(&self, active: &Segment) -> bool {
        let max = self.config.index_bytes_max as usize;
        // The time index keeps room for its last entry.
        active.offsets.len() >= max / OffsetEntry::SIZE || active.times.len() + 1 >= max / TimeEntry::SIZE
    }

    /// Indexes batches that were written from `position` on. A failure leaves entries in memory, to be written later.
    fn index(&mut self, active: &Segment, batches: &[Placed<'_>], mut position: u32) {
        for placed in batches {
            let header = placed.batch.header();
            let last_offset = placed.base_offset + i64::from(header.last_offset_delta);
            self.see(active, (header.max_timestamp, last_offset), (position, batch_size(header)));
            position += batch_size(header);
        }
        active.set_max_timestamp(self.max_timestamp.0);
    }

    /// Notes a batch: its largest timestamp and last offset, its position and size.
    pub(super) fn see(
        &mut self,
        active: &Segment,
        (timestamp, last_offset): (Timestamp, Offset),
        (position, size): (u32, u32),
    ) {
        self.first_timestamp.get_or_insert(timestamp);
        if timestamp > self.max_timestamp.0 {
            self.max_timestamp = (timestamp, last_offset);
        }
        if self.unindexed_bytes > self.config.index_interval_bytes {
            if let Some(relative_offset) = relative(active, last_offset) {
                active.offsets.push(OffsetEntry { relative_offset, position });
            }
            // The entry stays in memory where the file cannot be written; sealing reports that.
            let _ = self.index_time(active);
            self.unindexed_bytes = 0;
        }
        self.unindexed_bytes = self.unindexed_bytes.saturating_add(size);
    }

    fn index_time(&self, active: &Segment) -> Result<(), StorageError> {
        let (timestamp, offset) = self.max_timestamp;
        let last = active.times.last()?.map_or(-1, |entry| entry.timestamp);
        if let Some(relative_offset) = relative(active, offset).filter(|_| timestamp.0 > last) {
            active.times.push(TimeEntry { timestamp: timestamp.0, relative_offset });
        }
        Ok(())
    }
}

fn relative(segment: &Segment, offset: Offset) -> Option<u32> {
    u32::try_from(offset - segment.base_offset).ok()
}
