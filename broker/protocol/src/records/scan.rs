//! Walks the records of a block as a stream and skips their contents: what validation needs, in constant memory.
//!
//! Layout and limits are those of [`super::record`]; every byte is charged against the record's claimed length and
//! against [`DECOMPRESSED_BYTES_MAX`] before it is skipped.
//!
//! A record that lies in the reader's buffer as a whole, as nearly all do, is judged there in one step ([`whole`]). One
//! that is not, or is malformed, goes byte by byte, which also says what is wrong with it.

use std::io::{self, BufRead};

use super::record::{decode_unsigned, zigzag_decode};
use super::{BatchError, Compression, DECOMPRESSED_BYTES_MAX};

/// What the scan tells of one record.
pub(super) struct Scanned {
    pub(super) index: i32,
    pub(super) timestamp_delta: i64,
    pub(super) has_key: bool,
}

/// Calls `see` with each of the `count` records of the block that `reader` yields.
///
/// # Errors
/// `Record`, `Compressed`, `TooLarge`.
pub(super) fn scan<R: BufRead>(
    reader: R,
    count: i32,
    codec: Compression,
    mut see: impl FnMut(&Scanned),
) -> Result<(), BatchError> {
    let mut scanner = Scanner { reader, left: 0, total: 0 };
    for index in 0..count {
        let scanned = scanner.record(index).map_err(|error| error.of_record(index, codec))?;
        see(&scanned);
    }
    match scanner.reader.fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => Err(BatchError::Record { index: count, reason: "bytes remain after the last record" }),
        Err(error) => Err(codec.broken(&error)),
    }
}

/// The block ends in order, but too soon.
const CUT_OFF: ScanError = ScanError::Malformed("record is cut off");

enum ScanError {
    Malformed(&'static str),
    TooLarge,
    Io(io::Error),
}

impl ScanError {
    fn of_record(self, index: i32, codec: Compression) -> BatchError {
        match self {
            Self::Malformed(reason) => BatchError::Record { index, reason },
            Self::TooLarge => BatchError::TooLarge,
            Self::Io(error) => codec.broken(&error),
        }
    }
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads record frames off a stream and skips their contents.
struct Scanner<R> {
    reader: R,
    /// Bytes left of the current record, or the allowance of its length field.
    left: u64,
    /// Bytes read so far.
    total: u64,
}

impl<R: BufRead> Scanner<R> {
    fn record(&mut self, index: i32) -> Result<Scanned, ScanError> {
        if let Some((scanned, size)) = whole(self.reader.fill_buf()?, index) {
            self.left = size as u64;
            self.charge(size as u64)?;
            self.reader.consume(size);
            return Ok(scanned);
        }
        self.record_by_bytes(index)
    }

    fn record_by_bytes(&mut self, index: i32) -> Result<Scanned, ScanError> {
        self.left = 5;
        let length = self.varint()?;
        self.left = u64::try_from(length).map_err(|_| ScanError::Malformed("negative length"))?;
        self.skip(1)?;
        let timestamp_delta = self.varlong(10)?;
        if self.varint()? != i64::from(index) {
            return Err(ScanError::Malformed("offset delta does not follow that of the record before"));
        }
        let has_key = self.skip_nullable()?;
        self.skip_nullable()?;
        self.skip_headers()?;
        if self.left != 0 {
            return Err(ScanError::Malformed("record is shorter than its length"));
        }
        Ok(Scanned { index, timestamp_delta, has_key })
    }

    fn skip_headers(&mut self) -> Result<(), ScanError> {
        let count = self.varint()?;
        if count < 0 {
            return Err(ScanError::Malformed("negative number of headers"));
        }
        for _ in 0..count {
            if !self.skip_nullable()? {
                return Err(ScanError::Malformed("header key is null"));
            }
            self.skip_nullable()?;
        }
        Ok(())
    }

    /// Skips a length and that many bytes; false for null.
    fn skip_nullable(&mut self) -> Result<bool, ScanError> {
        let length = self.varint()?;
        if length < 0 {
            return if length == -1 {
                Ok(false)
            } else {
                Err(ScanError::Malformed("negative length inside"))
            };
        }
        self.skip(length.cast_unsigned())?;
        Ok(true)
    }

    fn skip(&mut self, count: u64) -> Result<(), ScanError> {
        self.charge(count)?;
        let mut rest = count;
        while rest > 0 {
            let available = self.reader.fill_buf()?.len() as u64;
            if available == 0 {
                return Err(CUT_OFF);
            }
            let step = available.min(rest);
            self.reader.consume(usize::try_from(step).unwrap_or(usize::MAX));
            rest -= step;
        }
        Ok(())
    }

    fn charge(&mut self, count: u64) -> Result<(), ScanError> {
        self.left =
            self.left.checked_sub(count).ok_or(ScanError::Malformed("record is longer than its length"))?;
        self.total += count;
        if self.total > DECOMPRESSED_BYTES_MAX as u64 { Err(ScanError::TooLarge) } else { Ok(()) }
    }

    fn varint(&mut self) -> Result<i64, ScanError> {
        let value = self.varlong(5)?;
        i32::try_from(value).map(i64::from).map_err(|_| ScanError::Malformed("varint is out of range"))
    }

    fn varlong(&mut self, size_max: u32) -> Result<i64, ScanError> {
        let mut raw = 0_u64;
        for index in 0..size_max {
            self.charge(1)?;
            let Some(byte) = self.reader.fill_buf()?.first().copied() else {
                return Err(CUT_OFF);
            };
            self.reader.consume(1);
            raw |= u64::from(byte & 0x7f) << (index * 7);
            if byte & 0x80 == 0 {
                return Ok(zigzag_decode(raw));
            }
        }
        Err(ScanError::Malformed("varint is too long"))
    }
}

/// The record at the start of `buffer` and its size, if all of it is there and nothing is wrong with it.
fn whole(buffer: &[u8], index: i32) -> Option<(Scanned, usize)> {
    let mut length = Body(buffer);
    let claimed = usize::try_from(length.varint()?).ok()?;
    let body = length.0.get(..claimed)?;
    let size = buffer.len() - length.0.len() + claimed;
    let mut body = Body(body.get(1..)?);
    let timestamp_delta = body.varlong(10)?;
    if body.varint()? != index {
        return None;
    }
    let has_key = body.skip_nullable()?;
    body.skip_nullable()?;
    for _ in 0..u32::try_from(body.varint()?).ok()? {
        // The key of a header is never null.
        body.skip_nullable()?.then_some(())?;
        body.skip_nullable()?;
    }
    body.0.is_empty().then_some((Scanned { index, timestamp_delta, has_key }, size))
}

/// What is left of a record.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn skip_nullable(&mut self) -> Option<bool> {
        let length = self.varint()?;
        if length == -1 {
            return Some(false);
        }
        self.0 = self.0.get(usize::try_from(length).ok()?..)?;
        Some(true)
    }

    fn varint(&mut self) -> Option<i32> {
        i32::try_from(self.varlong(5)?).ok()
    }

    fn varlong(&mut self, size_max: usize) -> Option<i64> {
        let (first, rest) = self.0.split_first()?;
        if first & 0x80 == 0 {
            self.0 = rest;
            return Some(zigzag_decode(u64::from(*first)));
        }
        let (raw, size) = decode_unsigned(self.0, size_max)?;
        self.0 = &self.0[size..];
        Some(zigzag_decode(raw))
    }
}
