//! Writes primitives into one buffer; records, and slices of files, are spliced between its parts without a copy.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::Records;

/// Byte fields from this length on are spliced; below it a copy is cheaper than one more segment.
const SPLICE_BYTES_MIN: usize = 1024;
/// First size of an encoder's buffer, in bytes: most responses fit.
const BUFFER_BYTES: usize = 256;

/// Bytes of a file that are on their way to a socket.
#[derive(Debug, Clone)]
pub struct FileSlice {
    /// The open file.
    pub file: Arc<File>,
    /// Where the slice starts, in bytes.
    pub position: u64,
    /// How many bytes it has.
    pub len: u64,
}

impl FileSlice {
    /// Reads the slice into memory.
    pub fn read(&self) -> io::Result<Bytes> {
        let length = usize::try_from(self.len).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes.into())
    }
}

/// The same range of the same open file.
impl PartialEq for FileSlice {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && (self.position, self.len) == (other.position, other.len)
    }
}

/// A piece of an encoded message.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a file.
    File(FileSlice),
}

impl Segment {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => usize::try_from(slice.len).unwrap_or(usize::MAX),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, read from the file if need be.
    pub fn into_bytes(self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::File(slice) => slice.read(),
        }
    }
}

impl From<Bytes> for Segment {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<FileSlice> for Segment {
    fn from(slice: FileSlice) -> Self {
        Self::File(slice)
    }
}

/// A message being written.
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: BytesMut,
    /// What stands between the parts of the buffer, each with the buffer's length before it; ascending.
    splices: Vec<(usize, Segment)>,
    spliced_bytes: usize,
    flexible: bool,
}

macro_rules! fixed {
    ($($name:ident: $type:ty => $put:ident;)*) => {
        $(
            #[doc = concat!("Writes a big-endian `", stringify!($type), "`.")]
            pub fn $name(&mut self, value: $type) {
                self.buffer.$put(value);
            }
        )*
    };
}

impl Encoder {
    /// An empty encoder of the older form.
    pub fn new() -> Self {
        Self { buffer: BytesMut::with_capacity(BUFFER_BYTES), ..Self::default() }
    }

    /// Whether lengths are compact and structs carry tagged fields.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Switches between the two forms; yields the one before.
    pub fn set_flexible(&mut self, flexible: bool) -> bool {
        std::mem::replace(&mut self.flexible, flexible)
    }

    /// Bytes written so far, spliced ones included.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.spliced_bytes
    }

    /// Bytes written so far, without slices of files.
    pub fn bytes_in_memory(&self) -> usize {
        let in_memory = |(_, segment): &(usize, Segment)| match segment {
            Segment::Bytes(bytes) => bytes.len(),
            Segment::File(_) => 0,
        };
        self.buffer.len() + self.splices.iter().map(in_memory).sum::<usize>()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fixed! {
        i8: i8 => put_i8;
        i16: i16 => put_i16;
        u16: u16 => put_u16;
        i32: i32 => put_i32;
        u32: u32 => put_u32;
        i64: i64 => put_i64;
        f64: f64 => put_f64;
    }

    /// Writes one byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(value.into());
    }

    /// Writes 16 bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(value.as_bytes());
    }

    /// Writes bytes as they are.
    pub fn slice(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// Writes an unsigned varint.
    pub fn uvarint(&mut self, value: u32) {
        self.base128(value.into());
    }

    /// Writes a zigzag varint of 32 bits.
    pub fn varint(&mut self, value: i32) {
        self.uvarint(((value << 1) ^ (value >> 31)) as u32);
    }

    /// Writes a zigzag varint of 64 bits.
    pub fn varlong(&mut self, value: i64) {
        self.base128(((value << 1) ^ (value >> 63)) as u64);
    }

    fn base128(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// Writes a nullable string. One that is too long for the older form is cut at a character.
    pub fn string(&mut self, value: Option<&str>) {
        let Some(value) = value else { return self.string_length(None) };
        let value =
            if self.flexible { value } else { &value[..value.floor_char_boundary(i16::MAX as usize)] };
        self.string_length(Some(value.len()));
        self.buffer.put_slice(value.as_bytes());
    }

    fn string_length(&mut self, length: Option<usize>) {
        if self.flexible {
            return self.compact_length(length);
        }
        self.i16(length.map_or(-1, |length| length as i16));
    }

    /// Writes a nullable byte field.
    pub fn blob(&mut self, value: Option<&Bytes>) {
        self.count(value.map(Bytes::len));
        if let Some(bytes) = value {
            self.splice(Segment::Bytes(bytes.clone()));
        }
    }

    /// Writes a nullable records field.
    pub fn records(&mut self, value: Option<&Records>) {
        self.count(value.map(Records::len));
        match value {
            None => {}
            Some(Records::Bytes(bytes)) => self.splice(Segment::Bytes(bytes.clone())),
            Some(Records::File(slice)) => self.splice(Segment::File(slice.clone())),
            Some(Records::Many(segments)) => {
                segments.iter().cloned().for_each(|segment| self.splice(segment))
            }
        }
    }

    /// Writes the length of a nullable array or byte field.
    pub fn count(&mut self, count: Option<usize>) {
        if self.flexible {
            return self.compact_length(count);
        }
        self.i32(count.map_or(-1, |count| i32::try_from(count).unwrap_or(i32::MAX)));
    }

    fn compact_length(&mut self, length: Option<usize>) {
        self.uvarint(length.map_or(0, |length| u32::try_from(length + 1).unwrap_or(u32::MAX)));
    }

    fn splice(&mut self, segment: Segment) {
        match segment {
            Segment::Bytes(bytes) if bytes.len() < SPLICE_BYTES_MIN => self.buffer.put_slice(&bytes),
            Segment::File(slice) if slice.len == 0 => {}
            segment => {
                self.spliced_bytes += segment.len();
                self.splices.push((self.buffer.len(), segment));
            }
        }
    }

    /// Ends a struct that has no tagged field to write. Does nothing in the older form.
    pub fn no_tagged_fields(&mut self) {
        if self.flexible {
            self.uvarint(0);
        }
    }

    /// Writes one tagged field: tag, size, and what `write` writes.
    pub fn tagged_field(&mut self, tag: u32, write: &mut dyn FnMut(&mut Self)) {
        self.uvarint(tag);
        let (start, before) = (self.buffer.len(), self.len());
        write(self);
        let size = u32::try_from(self.len() - before).unwrap_or(u32::MAX);
        let end = self.buffer.len();
        self.uvarint(size);
        // The size stands before the field, but is known only after it.
        let size_bytes = self.buffer.len() - end;
        self.buffer[start..].rotate_right(size_bytes);
        for (position, _) in self.splices.iter_mut().filter(|(position, _)| *position >= start) {
            *position += size_bytes;
        }
    }

    /// Overwrites the four bytes at `position` of the buffer, which must lie before every splice.
    pub(crate) fn patch_i32(&mut self, position: usize, value: i32) {
        self.buffer[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// The message as the pieces to write one after the other.
    pub fn into_segments(self) -> Vec<Segment> {
        let buffer = self.buffer.freeze();
        let mut segments = Vec::with_capacity(2 * self.splices.len() + 1);
        let mut start = 0;
        for (position, splice) in self.splices {
            if position > start {
                segments.push(Segment::Bytes(buffer.slice(start..position)));
            }
            segments.push(splice);
            start = position;
        }
        if start < buffer.len() {
            segments.push(Segment::Bytes(buffer.slice(start..)));
        }
        segments
    }

    /// The message in one piece; file slices are read.
    pub fn into_bytes(self) -> io::Result<Bytes> {
        if self.splices.is_empty() {
            return Ok(self.buffer.freeze());
        }
        let mut whole = BytesMut::with_capacity(self.len());
        for segment in self.into_segments() {
            whole.put_slice(&segment.into_bytes()?);
        }
        Ok(whole.freeze())
    }
}
