//! Reads: slices of a segment for the socket, and lookups by time.

use milena_protocol::records::{BatchHeader, RecordBatch};
use milena_protocol::{LeaderEpoch, Offset, Records, Timestamp};

use super::Log;
use crate::error::StorageError;
use crate::segment::{Segment, SegmentEnd, batch_size};

/// What a read may yield.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// No batch at or after this offset; a batch boundary, as the high watermark is.
    pub end_offset: Offset,
    /// Bytes of whole batches.
    pub bytes_max: usize,
    /// The first batch comes even if it is larger than `bytes_max`, so that a reader always moves on.
    pub at_least_one: bool,
}

/// Where a timestamp lookup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// The record's offset.
    pub offset: Offset,
    /// Epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
}

impl Log {
    /// Whole batches from the one that holds `from` on, all of one segment, as a slice of its file. Empty where `from`
    /// is the end, or the limits leave nothing.
    ///
    /// # Errors
    /// `OutOfRange` below the start or beyond the end; those of the disk.
    pub fn read(&self, from: Offset, limits: ReadLimits) -> Result<Records, StorageError> {
        let segments = self.segments.load_full();
        let end = segments.last().map_or(Offset(0), |segment| segment.end().offset);
        if from < self.start_offset() || from > end {
            return Err(self.out_of_range(from));
        }
        if from >= limits.end_offset.min(end) {
            return Ok(Records::EMPTY);
        }
        let first = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        for segment in &segments[first..] {
            let end = segment.end();
            if let Some((position, header)) = segment.find(from, end)? {
                return read_segment(segment, (position, &header), end, limits);
            }
        }
        Ok(Records::EMPTY)
    }

    /// The offset after the batches of a read that began at `from` and yielded `bytes`.
    ///
    /// # Errors
    /// Of the disk; `Corrupt`.
    pub fn offset_after(&self, from: Offset, bytes: usize) -> Result<Offset, StorageError> {
        let segments = self.segments.load_full();
        let first = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        for segment in &segments[first..] {
            let end = segment.end();
            if let Some((position, _)) = segment.find(from, end)? {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                let last = segment.walk(position, position.saturating_add(bytes).min(end.position)).last();
                return Ok(last.transpose()?.map_or(from, |(_, header)| header.next_offset()));
            }
        }
        Ok(from)
    }

    /// The first record at or after the log start, and before `end_offset`, whose timestamp is `timestamp` or later.
    ///
    /// # Errors
    /// Of the disk; `Corrupt`.
    pub fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        end_offset: Offset,
    ) -> Result<Option<TimestampedOffset>, StorageError> {
        self.first_not_older(timestamp, self.start_offset(), end_offset)
    }

    fn first_not_older(
        &self,
        timestamp: Timestamp,
        start: Offset,
        end_offset: Offset,
    ) -> Result<Option<TimestampedOffset>, StorageError> {
        for segment in self.segments.load_full().iter() {
            if segment.end().offset <= start || segment.max_timestamp()? < timestamp {
                continue;
            }
            if let Some(found) = find_timestamp(segment, timestamp, start)? {
                return Ok(Some(found).filter(|found| found.offset < end_offset));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of the log, be it a deleted one whose segment is still there (as Apache
    /// Kafka).
    ///
    /// # Errors
    /// Of the disk; `Corrupt`.
    pub fn offset_of_max_timestamp(
        &self,
        end_offset: Offset,
    ) -> Result<Option<TimestampedOffset>, StorageError> {
        let mut max = Timestamp(-1);
        for segment in self.segments.load_full().iter() {
            max = max.max(segment.max_timestamp()?);
        }
        if max.0 >= 0 { self.first_not_older(max, Offset::ZERO, end_offset) } else { Ok(None) }
    }
}

fn read_segment(
    segment: &Segment,
    (position, header): (u32, &BatchHeader),
    end: SegmentEnd,
    limits: ReadLimits,
) -> Result<Records, StorageError> {
    let to = if limits.end_offset >= end.offset {
        end.position
    } else {
        segment.find(limits.end_offset, end)?.map_or(end.position, |(position, _)| position)
    };
    let limit = u64::from(position) + limits.bytes_max as u64;
    let to = match u32::try_from(limit) {
        Ok(limit) if limit < to => segment.last_boundary(position, limit, to)?,
        _ => to,
    };
    if to > position {
        return segment.slice(position, to);
    }
    let first_end = position + batch_size(header);
    if limits.at_least_one && first_end <= end.position {
        return segment.slice(position, first_end);
    }
    Ok(Records::EMPTY)
}

fn find_timestamp(
    segment: &Segment,
    timestamp: Timestamp,
    start: Offset,
) -> Result<Option<TimestampedOffset>, StorageError> {
    let end = segment.end();
    let before = segment.times.last_where(|entry| entry.timestamp < timestamp.0)?;
    let skipped =
        before.map_or(segment.base_offset, |entry| segment.base_offset + i64::from(entry.relative_offset));
    let Some((position, _)) = segment.find(skipped.max(start), end)? else { return Ok(None) };
    for found in segment.walk(position, end.position) {
        let (position, header) = found?;
        if header.max_timestamp < timestamp {
            continue;
        }
        let batch = read_batch(segment, position, &header)?;
        let damage = |error| StorageError::corrupt(&segment.path, position.into(), error);
        for record in batch.records().map_err(damage)? {
            let record = record.map_err(damage)?;
            if record.timestamp >= timestamp && record.offset >= start {
                let leader_epoch = header.leader_epoch;
                let (timestamp, offset) = (record.timestamp, record.offset);
                return Ok(Some(TimestampedOffset { timestamp, offset, leader_epoch }));
            }
        }
    }
    Ok(None)
}

fn read_batch(segment: &Segment, position: u32, header: &BatchHeader) -> Result<RecordBatch, StorageError> {
    let left = segment.end().position.saturating_sub(position);
    if header.size_bytes() as u64 > u64::from(left) {
        return Err(StorageError::corrupt(
            &segment.path,
            position.into(),
            "batch is longer than its segment",
        ));
    }
    let mut buffer = vec![0; header.size_bytes()];
    let read = segment.read_at(&mut buffer, position.into())?;
    buffer.truncate(read);
    RecordBatch::take(&mut buffer.into())
        .map_err(|error| StorageError::corrupt(&segment.path, position.into(), error))
}
