//! Reads primitives from one frame, never past its end.

use bytes::Bytes;
use bytestring::ByteString;
use uuid::Uuid;

/// How many bytes of memory the collections of a message may take for each byte of its frame. Honest messages stay
/// below: their smallest elements, one-letter strings, take 16.
pub const DECODED_BYTES_PER_BYTE_MAX: usize = 16;
/// Memory that the collections of a message may take however small its frame is.
const DECODED_BYTES_FREE: usize = 1024 * 1024;

/// Why bytes are not the message they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {position}")]
pub struct DecodeError {
    /// Bytes of the frame that were read before.
    pub position: usize,
    /// What is wrong with the next ones.
    pub reason: DecodeReason,
}

/// The reasons of a [`DecodeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeReason {
    /// A value is longer than the rest of the frame.
    #[error("{wanted} bytes wanted, {left} left")]
    Truncated {
        /// Bytes that the value takes.
        wanted: u64,
        /// Bytes that the frame still has.
        left: usize,
    },
    /// A varint has more bytes, or bits, than its type.
    #[error("varint is too long")]
    Varint,
    /// A field that must have a value is null.
    #[error("null where a value is required")]
    Null,
    /// A string is not UTF-8.
    #[error("string is not UTF-8")]
    Utf8,
    /// A tagged field is shorter or longer than it says.
    #[error("tagged field ends elsewhere than its size says")]
    TagSize,
    /// The collections of the message would take more than [`DECODED_BYTES_PER_BYTE_MAX`] allows.
    #[error("collections take too much memory")]
    Memory,
    /// A message ended before its bytes did, where that is not allowed.
    #[error("{0} bytes follow the end")]
    Trailing(usize),
    /// The version is not one that the message has.
    #[error("version {0} is unknown")]
    Version(i16),
    /// The frame type or message type is not known.
    #[error("type {0} is unknown")]
    Type(u32),
}

/// A cursor over one frame. Strings and byte fields come out as slices of it.
#[derive(Debug, Clone)]
pub struct Decoder {
    bytes: Bytes,
    position: usize,
    /// Where reading must stop: the end of the frame, or of the tagged field that is being read.
    end: usize,
    flexible: bool,
    /// Memory that collections may still take.
    memory_left: usize,
}

macro_rules! fixed {
    ($($name:ident: $type:ty;)*) => {
        $(
            #[doc = concat!("The next big-endian `", stringify!($type), "`.")]
            pub fn $name(&mut self) -> Result<$type, DecodeError> {
                self.array().map(<$type>::from_be_bytes)
            }
        )*
    };
}

impl Decoder {
    /// Reads `bytes` from their start, in the older form until [`Decoder::set_flexible`] says otherwise.
    pub fn new(bytes: Bytes) -> Self {
        let memory_left =
            DECODED_BYTES_FREE.saturating_add(bytes.len().saturating_mul(DECODED_BYTES_PER_BYTE_MAX));
        Self { end: bytes.len(), bytes, position: 0, flexible: false, memory_left }
    }

    /// Whether lengths are compact and structs carry tagged fields.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Switches between the two forms; yields the one before.
    pub fn set_flexible(&mut self, flexible: bool) -> bool {
        std::mem::replace(&mut self.flexible, flexible)
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// The bytes not read yet, as a slice of the frame.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.position..self.end)
    }

    /// An error if bytes are left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(DecodeReason::Trailing(left))),
        }
    }

    /// `reason` at the current position.
    pub fn error(&self, reason: DecodeReason) -> DecodeError {
        DecodeError { position: self.position, reason }
    }

    fixed! {
        i8: i8;
        i16: i16;
        u16: u16;
        i32: i32;
        u32: u32;
        i64: i64;
        f64: f64;
    }

    /// The next byte; everything but zero is true.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// The next 16 bytes.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.array().map(Uuid::from_bytes)
    }

    /// The next `length` bytes as a slice of the frame.
    pub fn bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.check(length)?;
        let slice = self.bytes.slice(self.position..self.position + length);
        self.position += length;
        Ok(slice)
    }

    /// The next unsigned varint: at most five bytes and 32 bits.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let value = self.base128(5)?;
        u32::try_from(value).map_err(|_| self.error(DecodeReason::Varint))
    }

    /// The next zigzag varint of 32 bits.
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        let value = self.uvarint()?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// The next zigzag varint of 64 bits.
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        let value = self.base128(10)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn base128(&mut self, length_max: u32) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for index in 0..length_max {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * index);
            if shifted >> (7 * index) != bits {
                break;
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error(DecodeReason::Varint))
    }

    /// The next nullable string.
    pub fn string(&mut self) -> Result<Option<ByteString>, DecodeError> {
        let length = if self.flexible { self.compact_length()? } else { self.i16()?.into() };
        let Some(bytes) = self.bytes_or_null(length)? else { return Ok(None) };
        ByteString::try_from(bytes).map(Some).map_err(|_| self.error(DecodeReason::Utf8))
    }

    /// The next nullable byte field.
    pub fn blob(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let length = if self.flexible { self.compact_length()? } else { self.i32()?.into() };
        self.bytes_or_null(length)
    }

    /// The number of elements of the next nullable array, whose elements take `element_bytes` of memory each.
    pub fn count(&mut self, element_bytes: usize) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible { self.compact_length()? } else { self.i32()?.into() };
        let Some(count) = Self::length_or_null(length) else { return Ok(None) };
        // Every element takes a byte at least, so a larger count is a lie before anything is reserved for it.
        self.check(count)?;
        let memory = count.saturating_mul(element_bytes);
        self.memory_left = self.memory_left.checked_sub(memory).ok_or(self.error(DecodeReason::Memory))?;
        Ok(Some(count))
    }

    /// Reads the tagged fields that end a struct: `read` takes the tags it knows and says `false` to the others,
    /// which are skipped. Does nothing in the older form.
    pub fn tagged_fields(
        &mut self,
        read: &mut dyn FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            self.check(size)?;
            let field_end = self.position + size;
            let outer_end = std::mem::replace(&mut self.end, field_end);
            if !read(self, tag)? {
                self.position = field_end;
            }
            if self.position != field_end {
                return Err(self.error(DecodeReason::TagSize));
            }
            self.end = outer_end;
        }
        Ok(())
    }

    fn compact_length(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from(self.uvarint()?) - 1)
    }

    fn bytes_or_null(&mut self, length: i64) -> Result<Option<Bytes>, DecodeError> {
        match Self::length_or_null(length) {
            Some(length) => self.bytes(length).map(Some),
            None => Ok(None),
        }
    }

    /// Every length below zero says null, as in Kafka, which reads a length as 32 bits.
    fn length_or_null(length: i64) -> Option<usize> {
        usize::try_from(length as i32).ok()
    }

    fn check(&self, wanted: usize) -> Result<(), DecodeError> {
        if wanted <= self.remaining() {
            return Ok(());
        }
        Err(self.error(DecodeReason::Truncated { wanted: wanted as u64, left: self.remaining() }))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.bytes[self.position..self.end].first_chunk() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(self.error(DecodeReason::Truncated { wanted: N as u64, left: self.remaining() })),
        }
    }
}
