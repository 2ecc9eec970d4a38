//! Writes one response: byte segments with `writev`, file segments with `sendfile`, without a copy in between. Small
//! file segments are copied: one call, and one packet that wakes the peer once, cost less than two of each.
//!
//! `sendfile` moves pages of the page cache into the socket; a page that is not resident is read by the kernel while
//! this worker waits, which read-ahead keeps short for the sequential reads that consumers make.
//!
//! A peer that does not read is waited for as [`Pace`] says.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use milena_protocol::{Encoder, FileSlice, Segment};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, timeout};

use super::memory::ResponseMemory;
use super::patience::{PRESSED, Patience, Terms};
use crate::net::{TcpStream, poll_send_file};

/// Byte segments that one `writev` takes.
const SLICES_PER_WRITE_MAX: usize = 64;

/// File segments up to this size are copied, in bytes, and no more than [`COPIED_BYTES_MAX`] at a time.
const COPIED_SLICE_BYTES_MAX: u64 = 16 * 1024;
const COPIED_BYTES_MAX: u64 = 64 * 1024;

/// What a connection may hold in responses without being pressed to read them, in bytes.
const UNPRESSED_BYTES_MAX: usize = 16 * 1024;

/// How long a peer may take to read.
pub(super) struct Pace<'a> {
    patience: Patience,
    terms: Terms,
    /// Where others may wait for what this connection holds.
    memory: Option<&'a ResponseMemory>,
}

impl<'a> Pace<'a> {
    /// For a connection whose responses hold `held_bytes`. `terms` are those while nobody waits for memory.
    pub(super) fn new(terms: Terms, memory: &'a ResponseMemory, held_bytes: usize) -> Self {
        let memory = (held_bytes > UNPRESSED_BYTES_MAX).then_some(memory);
        Self { patience: Patience::new(terms), terms, memory }
    }

    /// Waits for one step of writing, which yields the bytes that were taken.
    async fn step(
        &mut self,
        mut write: impl FnMut(&mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> io::Result<usize> {
        loop {
            let is_pressed = self.memory.is_some_and(ResponseMemory::is_full);
            let terms = if is_pressed { PRESSED } else { self.terms };
            let Some(wait) = self.patience.wait(terms) else {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "peer does not read its responses"));
            };
            let started = Instant::now();
            let written = timeout(wait, poll_fn(&mut write)).await;
            let bytes = written.as_ref().map_or(0, |written| *written.as_ref().unwrap_or(&0));
            self.patience.moved(started.elapsed(), bytes, terms);
            if let Ok(written) = written {
                return written;
            }
        }
    }
}

/// Writes all of `response` and yields the bytes written.
pub(super) async fn response(
    stream: &mut TcpStream,
    response: Encoder,
    mut pace: Pace<'_>,
) -> io::Result<usize> {
    let (mut written, mut copied) = (0, 0);
    let mut run = VecDeque::new();
    for segment in response.into_segments() {
        match segment {
            Segment::Bytes(bytes) => {
                written += bytes.len();
                run.push_back(bytes);
            }
            Segment::File(slice) if slice.len <= COPIED_SLICE_BYTES_MAX => {
                if copied + slice.len > COPIED_BYTES_MAX {
                    write_run(stream, &mut run, &mut pace).await?;
                    copied = 0;
                }
                written += usize::try_from(slice.len).unwrap_or(usize::MAX);
                copied += slice.len;
                run.push_back(slice.read()?);
            }
            Segment::File(slice) => {
                write_run(stream, &mut run, &mut pace).await?;
                written += usize::try_from(slice.len).unwrap_or(usize::MAX);
                send_file(stream, slice, &mut pace).await?;
            }
        }
    }
    write_run(stream, &mut run, &mut pace).await?;
    Ok(written)
}

async fn write_run(stream: &mut TcpStream, run: &mut VecDeque<Bytes>, pace: &mut Pace<'_>) -> io::Result<()> {
    while !run.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            run.iter().take(SLICES_PER_WRITE_MAX).map(|bytes| IoSlice::new(bytes)).collect();
        let mut taken =
            pace.step(|context| Pin::new(&mut *stream).poll_write_vectored(context, &slices)).await?;
        while let Some(first) = run.front_mut() {
            if first.len() > taken {
                first.advance(taken);
                break;
            }
            taken -= first.len();
            run.pop_front();
        }
        if taken == 0 && run.front().is_some_and(Bytes::is_empty) {
            run.pop_front();
        }
    }
    Ok(())
}

async fn send_file(stream: &TcpStream, slice: FileSlice, pace: &mut Pace<'_>) -> io::Result<()> {
    let mut position = slice.position;
    let end = slice.position + slice.len;
    while position < end {
        let count = usize::try_from(end - position).unwrap_or(usize::MAX);
        let sent = pace.step(|context| poll_send_file(stream, context, &slice, &mut position, count));
        // The size went out in the frame's prefix already, so the peer must not wait for the rest.
        if sent.await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "log segment ended inside a read slice",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    const RELAXED: Terms = Terms { pause_max: Duration::from_secs(600), bytes_per_second_min: 1 };

    /// How a step ends that is never possible, and after how long.
    async fn stalled(memory: &Arc<ResponseMemory>, held_bytes: usize) -> Option<Duration> {
        let mut pace = Pace::new(RELAXED, memory, held_bytes);
        let started = Instant::now();
        let end = timeout(PRESSED.pause_max + Duration::from_millis(500), pace.step(|_| Poll::Pending)).await;
        end.is_ok_and(|written| written.is_err()).then(|| started.elapsed())
    }

    #[tokio::test]
    async fn slow_reader_is_ended_sooner_when_others_wait_for_its_memory() {
        let (full, free) = (ResponseMemory::new(100_000), ResponseMemory::new(100_001));
        let _held = [&full, &free].map(|memory| memory.charge(100_000));
        let (large, small, unwanted) = tokio::join!(
            stalled(&full, 100_000),
            stalled(&full, UNPRESSED_BYTES_MAX),
            stalled(&free, 100_000)
        );
        assert!(large.is_some_and(|elapsed| elapsed >= PRESSED.pause_max));
        assert_eq!(small, None, "what is small is not worth it");
        assert_eq!(unwanted, None, "nobody waits");
    }
}
