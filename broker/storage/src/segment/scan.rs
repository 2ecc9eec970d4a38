//! Walks through the batches of a segment: headers alone for lookups, whole batches with their CRC for recovery.

use bytes::Bytes;
use milena_protocol::records::{BATCH_HEADER_BYTES, BatchError, BatchHeader, RecordBatch};

use super::{Segment, batch_size};
use crate::error::StorageError;

/// Bytes read at once while walking headers.
const WALK_BYTES: usize = 4 * 1024;
/// Bytes read at once while checking whole batches.
const CHECK_BYTES: usize = 1024 * 1024;

/// Yields the position and header of each batch in a range that is known to hold whole batches.
pub(crate) struct HeaderWalk<'a> {
    segment: &'a Segment,
    position: u32,
    end: u32,
    chunk: Vec<u8>,
    chunk_start: u32,
}

impl<'a> HeaderWalk<'a> {
    pub(super) fn new(segment: &'a Segment, position: u32, end: u32) -> Self {
        Self { segment, position, end, chunk: Vec::new(), chunk_start: 0 }
    }

    fn header(&mut self) -> Result<BatchHeader, StorageError> {
        let within = self.position.checked_sub(self.chunk_start).map(|at| at as usize);
        let cached = within.and_then(|at| self.chunk.get(at..at + BATCH_HEADER_BYTES)).is_some();
        if !cached {
            let left = (self.end - self.position) as usize;
            self.chunk.resize(WALK_BYTES.min(left), 0);
            let read = self.segment.read_at(&mut self.chunk, self.position.into())?;
            self.chunk.truncate(read);
            self.chunk_start = self.position;
        }
        let at = (self.position - self.chunk_start) as usize;
        BatchHeader::parse(&self.chunk[at..])
            .map_err(|error| StorageError::corrupt(&self.segment.path, self.position.into(), error))
    }
}

impl Iterator for HeaderWalk<'_> {
    type Item = Result<(u32, BatchHeader), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.end {
            return None;
        }
        let position = self.position;
        let header = self.header();
        // After an error, or a batch that claims to end beyond the range, there is nothing to go on with.
        let next = header.as_ref().ok().and_then(|header| position.checked_add(batch_size(header)));
        self.position = next.unwrap_or(self.end).min(self.end);
        Some(header.map(|header| (position, header)))
    }
}

/// Reads whole batches off the file and checks each one's CRC. Ends before the first that is not whole.
pub(crate) struct BatchCheck<'a> {
    segment: &'a Segment,
    position: u64,
    chunk: Bytes,
    damage: Option<BatchError>,
}

impl<'a> BatchCheck<'a> {
    pub(crate) fn new(segment: &'a Segment, position: u32) -> Self {
        Self { segment, position: position.into(), chunk: Bytes::new(), damage: None }
    }

    /// Why the walk ended before the end of the file.
    pub(crate) fn damage(self) -> Option<BatchError> {
        self.damage
    }

    fn read(&mut self, size: usize) -> Result<bool, StorageError> {
        let mut buffer = vec![0; size];
        let read = self.segment.read_at(&mut buffer, self.position)?;
        buffer.truncate(read);
        let grew = read > self.chunk.len();
        self.chunk = buffer.into();
        Ok(grew)
    }

    fn take(&mut self) -> Result<Option<Result<RecordBatch, BatchError>>, StorageError> {
        loop {
            match RecordBatch::take(&mut self.chunk) {
                Err(BatchError::Truncated { needed, .. }) => {
                    let left = self.segment.file_size()?.saturating_sub(self.position);
                    if left == 0 {
                        return Ok(None);
                    }
                    let size = (needed as u64).max(CHECK_BYTES as u64).min(left);
                    if !self.read(usize::try_from(size).unwrap_or(usize::MAX))? {
                        return Ok(Some(Err(BatchError::Truncated { needed, available: self.chunk.len() })));
                    }
                }
                result => return Ok(Some(result.and_then(|batch| batch.check_crc().map(|()| batch)))),
            }
        }
    }
}

impl Iterator for BatchCheck<'_> {
    type Item = Result<(u64, RecordBatch), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.damage.is_some() {
            return None;
        }
        match self.take() {
            Ok(None) => None,
            Ok(Some(Ok(batch))) => {
                let position = self.position;
                self.position += batch.size_bytes() as u64;
                Some(Ok((position, batch)))
            }
            Ok(Some(Err(damage))) => {
                self.damage = Some(damage);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// The position of the first whole batch at or after `from`, wherever it begins.
pub(crate) fn find_whole_batch(segment: &Segment, from: u64) -> Result<Option<u64>, StorageError> {
    let size = segment.file_size()?;
    let mut start = from;
    while start + BATCH_HEADER_BYTES as u64 <= size {
        let length = usize::try_from(size - start).unwrap_or(usize::MAX).min(CHECK_BYTES);
        let mut chunk = vec![0; length];
        let read = segment.read_at(&mut chunk, start)?;
        chunk.truncate(read);
        for (at, window) in chunk.windows(BATCH_HEADER_BYTES).enumerate() {
            let position = start + at as u64;
            let fits = |header: BatchHeader| position + u64::from(batch_size(&header)) <= size;
            if BatchHeader::parse(window).is_ok_and(fits) && is_whole(segment, position)? {
                return Ok(Some(position));
            }
        }
        // Less than a header was read: the file is shorter than it was a moment ago.
        let Some(scanned) = (read + 1).checked_sub(BATCH_HEADER_BYTES).filter(|n| *n > 0) else { break };
        start += scanned as u64;
    }
    Ok(None)
}

fn is_whole(segment: &Segment, position: u64) -> Result<bool, StorageError> {
    let mut check = BatchCheck { segment, position, chunk: Bytes::new(), damage: None };
    check.next().transpose().map(|found| found.is_some())
}
