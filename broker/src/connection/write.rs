//! Writes one response: byte segments with `writev`, file segments with `sendfile`, without a copy in between.
//!
//! `sendfile` moves pages of the page cache into the socket; a page that is not resident is read by the kernel while
//! this worker waits, which read-ahead keeps short for the sequential reads that consumers make.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use milena_protocol::{Encoder, FileSlice, Segment};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// Byte segments that one `writev` takes.
const SLICES_PER_WRITE_MAX: usize = 64;

/// Writes all of `response` and yields the bytes written.
pub(super) async fn response(stream: &mut TcpStream, response: Encoder) -> io::Result<usize> {
    let mut written = 0;
    let mut run = VecDeque::new();
    for segment in response.into_segments() {
        match segment {
            Segment::Bytes(bytes) => {
                written += bytes.len();
                run.push_back(bytes);
            }
            Segment::File(slice) => {
                write_run(stream, &mut run).await?;
                written += usize::try_from(slice.len).unwrap_or(usize::MAX);
                send_file(stream, slice).await?;
            }
        }
    }
    write_run(stream, &mut run).await?;
    Ok(written)
}

async fn write_run(stream: &mut TcpStream, run: &mut VecDeque<Bytes>) -> io::Result<()> {
    while !run.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            run.iter().take(SLICES_PER_WRITE_MAX).map(|bytes| IoSlice::new(bytes)).collect();
        let mut taken = stream.write_vectored(&slices).await?;
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

async fn send_file(stream: &TcpStream, slice: FileSlice) -> io::Result<()> {
    let mut position = slice.position;
    let end = slice.position + slice.len;
    while position < end {
        stream.writable().await?;
        let count = usize::try_from(end - position).unwrap_or(usize::MAX);
        let sent = stream.try_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(stream, &*slice.file, Some(&mut position), count)?)
        });
        match sent {
            // The size went out in the frame's prefix already, so the peer must not wait for the rest.
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "log segment ended inside a read slice",
                ));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
