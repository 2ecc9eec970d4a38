//! The value of a `records` field: record batches that are passed on unread.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};

use super::{FileSlice, Segment};

/// Record batches, in memory or in a file. Decoding yields bytes of the frame; encoding splices the pieces.
#[derive(Debug, Clone, PartialEq)]
pub enum Records {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(FileSlice),
    /// Several pieces, one after the other.
    Many(Vec<Segment>),
}

impl Records {
    /// No batch.
    pub const EMPTY: Self = Self::Bytes(Bytes::new());

    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => usize::try_from(slice.len).unwrap_or(usize::MAX),
            Self::Many(segments) => segments.iter().map(Segment::len).sum(),
        }
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches in one piece, without a copy where they are bytes already; files are read.
    pub fn into_bytes(self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::File(slice) => slice.read(),
            Self::Many(segments) => {
                let mut whole = BytesMut::new();
                for segment in segments {
                    whole.put_slice(&segment.into_bytes()?);
                }
                Ok(whole.freeze())
            }
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<FileSlice> for Records {
    fn from(slice: FileSlice) -> Self {
        Self::File(slice)
    }
}
