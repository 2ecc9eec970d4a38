//! The codecs of a records block, bounded: a block that claims or turns out to be larger than
//! [`DECOMPRESSED_BYTES_MAX`] is an error, and memory grows with the bytes that really come out.
//!
//! Snappy comes in two framings: xerial's (a 16 byte header, then blocks of a big-endian length and raw snappy), which
//! the Java client and most others write, and one raw block. LZ4 is the standard frame format, of blocks that do not depend on
//! each other: the Java client reads no others.
//! Source: the `compression` package of Apache Kafka's clients; snappy-java's stream header.

use std::io::{self, BufRead, Cursor, Read, Write};

use bytes::Bytes;

use super::BatchError;

mod zstd_reader;

use zstd_reader::ZstdReader;

/// The largest records block after decompression, in bytes.
pub const DECOMPRESSED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// First bytes of xerial's framing; two version numbers of four bytes follow.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
/// Uncompressed size of a block that we write in xerial's framing, in bytes; the Java client's default.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// Snappy emits at most 64 bytes for a copy element of at least two bytes.
const SNAPPY_RATIO_MAX: usize = 32;

/// How a records block is compressed. The discriminants are the wire ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Snappy in xerial's framing, or one raw block.
    Snappy = 2,
    /// LZ4 frames.
    Lz4 = 3,
    /// RFC 8878.
    Zstd = 4,
}

impl Compression {
    /// The codec of this wire id.
    pub fn from_id(id: i16) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|compression| *compression as i16 == id)
    }

    /// The name that `compression.type` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Decompresses a whole block.
    pub(super) fn decompress(self, block: Bytes) -> Result<Bytes, BatchError> {
        if self == Self::None {
            return Ok(block);
        }
        let mut reader = self.reader(block)?;
        let mut out = Vec::new();
        reader
            .by_ref()
            .take(DECOMPRESSED_BYTES_MAX as u64 + 1)
            .read_to_end(&mut out)
            .map_err(|error| self.broken(&error))?;
        if out.len() > DECOMPRESSED_BYTES_MAX {
            return Err(BatchError::TooLarge);
        }
        Ok(out.into())
    }

    /// A reader over the decompressed block that holds a small buffer at a time. It has no limit of its own.
    pub(super) fn reader(self, block: Bytes) -> Result<Box<dyn BufRead + Send>, BatchError> {
        let block = Cursor::new(block);
        Ok(match self {
            Self::None => Box::new(block),
            Self::Gzip => Box::new(io::BufReader::new(flate2::bufread::MultiGzDecoder::new(block))),
            Self::Snappy => Box::new(SnappyReader::new(block.into_inner())),
            Self::Lz4 => {
                check_lz4_flags(block.get_ref()).map_err(|error| self.broken(&error))?;
                Box::new(io::BufReader::new(lz4_flex::frame::FrameDecoder::new(block)))
            }
            Self::Zstd => {
                let reader = ZstdReader::new(block.into_inner()).map_err(|error| self.broken(&error))?;
                Box::new(reader)
            }
        })
    }

    /// Compresses a block with the codec's usual effort.
    pub(super) fn compress(self, block: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.encode(None, &mut &block[..], &mut out)?;
        Ok(out)
    }

    /// Compresses all that `block` yields into `out`. `level` is the codec's own measure of effort; lz4 and snappy have
    /// none here.
    pub(super) fn encode(
        self,
        level: Option<i32>,
        block: &mut dyn Read,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::None => io::copy(block, out).map(drop),
            Self::Gzip => {
                let level = level.and_then(|level| u32::try_from(level).ok());
                let level = level.map_or(flate2::Compression::default(), flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(out, level);
                io::copy(block, &mut encoder)?;
                encoder.finish().map(drop)
            }
            Self::Snappy => encode_xerial(block, out),
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
                io::copy(block, &mut encoder)?;
                Ok(encoder.finish().map(drop)?)
            }
            Self::Zstd => {
                let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
                let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
                io::copy(block, &mut encoder)?;
                encoder.finish().map(drop)
            }
        }
    }

    pub(super) fn broken(self, error: &io::Error) -> BatchError {
        BatchError::Compressed { codec: self.name(), reason: error.to_string() }
    }
}

/// The flags of an LZ4 frame that Kafka reads: version 1, independent blocks, no dictionary.
fn check_lz4_flags(frame: &[u8]) -> io::Result<()> {
    const FLAGS_AT: usize = 4;
    let flags = *frame.get(FLAGS_AT).ok_or(io::ErrorKind::UnexpectedEof)?;
    let is_readable = flags >> 6 == 1 && flags & (1 << 5) != 0 && flags & 0b11 == 0;
    is_readable.then_some(()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "frame depends on more than its own blocks")
    })
}

fn encode_xerial(block: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&XERIAL_MAGIC)?;
    out.write_all(&1_i32.to_be_bytes())?;
    out.write_all(&1_i32.to_be_bytes())?;
    let (mut encoder, mut chunk) = (snap::raw::Encoder::new(), Vec::with_capacity(XERIAL_BLOCK_BYTES));
    while block.take(XERIAL_BLOCK_BYTES as u64).read_to_end(&mut chunk)? > 0 {
        let compressed = encoder.compress_vec(&chunk)?;
        out.write_all(&u32::try_from(compressed.len()).map_err(io::Error::other)?.to_be_bytes())?;
        out.write_all(&compressed)?;
        chunk.clear();
    }
    Ok(())
}

/// Decompresses both framings of snappy, one raw block at a time.
struct SnappyReader {
    rest: Bytes,
    is_xerial: bool,
    block: Cursor<Vec<u8>>,
}

impl SnappyReader {
    fn new(block: Bytes) -> Self {
        let is_xerial = block.starts_with(&XERIAL_MAGIC) && block.len() >= XERIAL_HEADER_BYTES;
        let rest = if is_xerial { block.slice(XERIAL_HEADER_BYTES..) } else { block };
        Self { rest, is_xerial, block: Cursor::default() }
    }

    fn next_raw(&mut self) -> io::Result<Bytes> {
        if !self.is_xerial {
            return Ok(std::mem::take(&mut self.rest));
        }
        // Streams that were appended to each other repeat the header.
        if self.rest.starts_with(&XERIAL_MAGIC) && self.rest.len() >= XERIAL_HEADER_BYTES {
            self.rest = self.rest.slice(XERIAL_HEADER_BYTES..);
        }
        let Some(prefix) = self.rest.first_chunk::<4>() else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "block length is cut off"));
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > self.rest.len() - 4 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "block is cut off"));
        }
        let _ = self.rest.split_to(4);
        Ok(self.rest.split_to(length))
    }

    fn refill(&mut self) -> io::Result<()> {
        while self.block.position() as usize >= self.block.get_ref().len() && !self.rest.is_empty() {
            let raw = self.next_raw()?;
            let length = snap::raw::decompress_len(&raw)?;
            if length > raw.len().saturating_mul(SNAPPY_RATIO_MAX).min(DECOMPRESSED_BYTES_MAX) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "claimed size cannot be reached"));
            }
            self.block = Cursor::new(snap::raw::Decoder::new().decompress_vec(&raw)?);
        }
        Ok(())
    }
}

impl BufRead for SnappyReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.refill()?;
        self.block.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.block.consume(amount);
    }
}

impl Read for SnappyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.refill()?;
        self.block.read(out)
    }
}
