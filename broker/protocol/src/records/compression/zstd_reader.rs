//! Decompresses a zstd block: at once where the buffer holds all of it, else a buffer at a time. The latter needs a window
//! of its own, 2 MiB for what most producers send, and a copy out of it. A context costs more to make than a small batch
//! to decompress, so each thread keeps the last one, unless a block made it large.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use bytes::Bytes;
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective, get_error_name};

/// Decompressed bytes held at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// A context above this size is not kept.
const KEPT_CONTEXT_BYTES_MAX: usize = 512 * 1024;

thread_local! {
    static KEPT: Cell<Option<Box<Working>>> = const { Cell::new(None) };
}

struct Working {
    context: DCtx<'static>,
    buffer: Vec<u8>,
}

/// A reader over the decompressed block.
pub(super) struct ZstdReader {
    /// Present until the reader is dropped.
    working: Option<Box<Working>>,
    block: Bytes,
    /// Compressed bytes taken.
    taken: usize,
    /// Decompressed bytes in the buffer, and how many of them were consumed.
    filled: usize,
    consumed: usize,
    /// A frame was begun and has not ended, or none was begun yet.
    is_open: bool,
}

impl ZstdReader {
    pub(super) fn new(block: Bytes) -> io::Result<Self> {
        let kept = KEPT.with(Cell::take);
        let working = match kept {
            Some(working) => working,
            None => {
                let context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                Box::new(Working { context, buffer: vec![0; BUFFER_BYTES] })
            }
        };
        Ok(Self { working: Some(working), block, taken: 0, filled: 0, consumed: 0, is_open: true })
    }

    /// Fills the empty buffer, as far as the block goes.
    fn refill(&mut self) -> io::Result<()> {
        let Some(working) = &mut self.working else { return Ok(()) };
        (self.filled, self.consumed) = (0, 0);
        if self.taken == 0 && (1..=BUFFER_BYTES).contains(&self.block.len()) {
            // What fails is larger than the buffer, or broken: the slower way tells which.
            if let Ok(filled) = working.context.decompress(&mut working.buffer[..], &self.block) {
                (self.filled, self.taken, self.is_open) = (filled, self.block.len(), false);
                return Ok(());
            }
            working.context.reset(ResetDirective::SessionOnly).map_err(broken)?;
        }
        while self.filled == 0 && (self.taken < self.block.len() || self.is_open) {
            let mut output = OutBuffer::around(&mut working.buffer[..]);
            let mut input = InBuffer::around(&self.block[self.taken..]);
            let hint = working.context.decompress_stream(&mut output, &mut input).map_err(broken)?;
            let (filled, taken) = (output.pos(), input.pos());
            if filled == 0 && taken == 0 && hint != 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame"));
            }
            self.filled = filled;
            self.taken += taken;
            self.is_open = hint != 0;
        }
        Ok(())
    }
}

fn broken(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, get_error_name(code))
}

impl BufRead for ZstdReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.filled {
            self.refill()?;
        }
        let buffer = self.working.as_ref().map_or(&[][..], |working| &working.buffer[..]);
        Ok(&buffer[self.consumed..self.filled])
    }

    fn consume(&mut self, amount: usize) {
        self.consumed = (self.consumed + amount).min(self.filled);
    }
}

impl Read for ZstdReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl Drop for ZstdReader {
    fn drop(&mut self) {
        let Some(mut working) = self.working.take() else { return };
        let is_clean = working.context.reset(ResetDirective::SessionOnly).is_ok();
        if is_clean && working.context.sizeof() <= KEPT_CONTEXT_BYTES_MAX {
            // A thread that is ending has no place left to keep it.
            let _ = KEPT.try_with(|kept| kept.set(Some(working)));
        }
    }
}
