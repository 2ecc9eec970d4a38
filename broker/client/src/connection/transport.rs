//! The task behind a connection: frames out, frames in, each answer to the call that waits longest.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use milena_protocol::{Segment, frames};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::End;
use crate::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};

/// A request to write.
pub(super) struct Call {
    pub(super) frame: Vec<Segment>,
    pub(super) reply: Reply,
}

/// Who waits for its answer.
pub(super) struct Reply {
    pub(super) correlation_id: i32,
    pub(super) answer: oneshot::Sender<Bytes>,
    /// Held until the answer is in, even if the caller has given up: the request is in flight all the same.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// Calls whose requests went out, the oldest first. Bounded by the permits.
#[derive(Default)]
struct Waiting(Mutex<VecDeque<Reply>>);

impl Waiting {
    fn push(&self, reply: Reply) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(reply);
    }

    fn pop(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Runs until the last handle is dropped, the peer closes, or something is wrong; dropped calls see the end.
pub(super) async fn run(
    stream: TcpStream,
    mut queue: mpsc::Receiver<Call>,
    response_bytes_max: usize,
    end: Arc<End>,
) {
    let (reader, writer) = stream.into_split();
    let waiting = Waiting::default();
    let reason = tokio::select! {
        () = end.wanted.notified() => "asked to".to_owned(),
        result = write(writer, &mut queue, &waiting) => describe(result, "no handle is left"),
        result = read(reader, &waiting, response_bytes_max) => describe(result, "the peer closed it"),
    };
    // The reason stands before the waiting calls learn of the end.
    end.finish(reason);
}

fn describe(result: io::Result<()>, orderly: &str) -> String {
    result.map_or_else(|error| error.to_string(), |()| orderly.to_owned())
}

async fn write(
    mut writer: OwnedWriteHalf,
    queue: &mut mpsc::Receiver<Call>,
    waiting: &Waiting,
) -> io::Result<()> {
    while let Some(Call { frame, reply }) = queue.recv().await {
        waiting.push(reply);
        for segment in frame {
            writer.write_all(&segment.into_bytes()?).await?;
        }
    }
    Ok(())
}

async fn read(reader: OwnedReadHalf, waiting: &Waiting, response_bytes_max: usize) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    while let Some(frame) = read_frame(&mut reader, response_bytes_max).await? {
        let correlation_id = frames::correlation_id(&frame).map_err(invalid)?;
        let reply = waiting.pop().ok_or_else(|| invalid("an answer that nobody asked for"))?;
        if reply.correlation_id != correlation_id {
            return Err(invalid(format!("answer {correlation_id} in place of {}", reply.correlation_id)));
        }
        // A caller that gave up is no reason to stop.
        reply.answer.send(frame).ok();
    }
    Ok(())
}

/// None at an orderly end between frames.
async fn read_frame(
    reader: &mut BufReader<OwnedReadHalf>,
    response_bytes_max: usize,
) -> io::Result<Option<Bytes>> {
    let size = match reader.read_i32().await {
        Ok(size) => size,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = usize::try_from(size).ok().filter(|size| *size <= response_bytes_max);
    let size = size.ok_or_else(|| invalid("an answer of impossible size"))?;
    // Memory grows with what arrives, not with what was announced.
    let mut frame = BytesMut::new();
    let mut rest = reader.take(size as u64);
    while frame.len() < size {
        if rest.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(frame.freeze()))
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
