//! What the owner of a log must know of its segments to decide what is to be cleaned.

use std::sync::Arc;

use milena_protocol::{Offset, Timestamp};

use super::Log;
use crate::error::StorageError;
use crate::segment::Segment;

/// A segment, as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The offset in its name.
    pub base_offset: Offset,
    /// Bytes of batches.
    pub size_bytes: u64,
}

/// The ages of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentTimes {
    /// The largest timestamp of the first batch; -1 if it has none.
    pub first: Timestamp,
    /// The largest timestamp, or the time of the last write where no record has one.
    pub largest: Timestamp,
}

impl Log {
    /// Every segment, in order; the last one is appended to. No file is touched.
    pub fn segments(&self) -> Vec<SegmentSummary> {
        let segments = self.segments.load();
        let summary = |segment: &Arc<Segment>| SegmentSummary {
            base_offset: segment.base_offset,
            size_bytes: segment.end().position.into(),
        };
        segments.iter().map(summary).collect()
    }

    /// The ages of the segment that begins at `base_offset`, if there still is one.
    ///
    /// # Errors
    /// Of the disk; `Corrupt`.
    pub fn times_of(&self, base_offset: Offset) -> Result<Option<SegmentTimes>, StorageError> {
        let segments = self.segments.load_full();
        let index = segments.binary_search_by_key(&base_offset, |segment| segment.base_offset);
        let Some(segment) = index.ok().and_then(|index| segments.get(index)) else { return Ok(None) };
        let first = segment.walk(0, segment.end().position).next().transpose()?;
        Ok(Some(SegmentTimes {
            first: first.map_or(Timestamp(-1), |(_, header)| header.max_timestamp),
            largest: segment.largest_timestamp()?.unwrap_or(Timestamp(-1)),
        }))
    }

    pub(crate) fn segment_base_of(&self, offset: Offset) -> Option<Offset> {
        let segments = self.segments.load();
        let count = segments.partition_point(|segment| segment.base_offset <= offset);
        count.checked_sub(1).and_then(|index| segments.get(index)).map(|segment| segment.base_offset)
    }

    /// Bases of the segment that holds `offset` and of those after it.
    pub(crate) fn segment_bases_from(&self, offset: Offset) -> Vec<Offset> {
        let from = self.segment_base_of(offset).unwrap_or(Offset(0));
        let segments = self.segments.load();
        segments.iter().map(|segment| segment.base_offset).filter(|base| *base >= from).collect()
    }
}
