//! One client connection: frames in, responses out, in request order.
//!
//! A single task owns the socket. It reads frames, starts each request by polling its handler once, and keeps the
//! unfinished ones in a queue whose front is the next response to leave. What must happen in request order (an
//! append, a coordinator's mailbox) happens before a handler's first await, so that pipelined produce requests are
//! appended in order while they wait for replication together.
//!
//! Limits: `socket.request.max.bytes` for a frame, [`REQUESTS_IN_FLIGHT_MAX`] requests a connection, and the broker's
//! [`RequestMemory`] once [`UNACCOUNTED_FRAME_BYTES_MAX`] of a frame are there. A length prefix reserves nothing: the buffer
//! grows with the bytes that arrive, or to what the frame before took, [`READ_AHEAD_BYTES_MAX`] at most. A connection
//! that waits for its next request holds no buffer. While a response is being written nothing is read, so a client that
//! never reads costs [`RESPONSE_BYTES_MAX`], one response and one buffer until `connections.max.idle.ms` ends it, or sooner
//! where responses fill the broker's [`ResponseMemory`].
//!
//! Source: the Kafka protocol guide, "Network"; `SocketServer` and `Processor` of Apache Kafka for what closes a
//! connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use milena_protocol::{Encoder, frames};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, Origin};
use crate::connections::Slot;
use crate::dispatch::{self, Close};
use crate::metrics::Timing;
use crate::net::TcpStream;

mod memory;
mod patience;
mod write;

use memory::{Charge, Grant};
pub(crate) use memory::{RequestMemory, ResponseMemory};
use patience::{ARRIVAL, PRESSED, Patience, Terms};
use write::Pace;

/// Requests of one connection that may be unanswered at a time; further frames stay in the socket.
const REQUESTS_IN_FLIGHT_MAX: usize = 64;
/// Finished responses that wait for one before them hold no more than this and the last of them; then no further
/// request of the connection is started.
const RESPONSE_BYTES_MAX: usize = 256 * 1024;
/// Free space made in the read buffer of a connection at a time, in bytes, until it has sent a larger frame.
const READ_CHUNK_BYTES: usize = 16 * 1024;
/// The same for one that has: the size of its last frame, at most this. Frames of one client are alike, so most arrive in
/// one read, in a buffer that is just large enough.
const READ_AHEAD_BYTES_MAX: usize = 128 * 1024;
/// Frames of which no more than this many bytes have arrived are not charged to [`RequestMemory`].
const UNACCOUNTED_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Frames up to this size are copied, so that a parked request does not keep the whole buffer it came in.
const COPIED_FRAME_BYTES_MAX: usize = READ_CHUNK_BYTES / 8;

/// A request whose response has not left yet.
struct InFlight {
    timing: Timing,
    response: BoxFuture<'static, Result<Option<Encoder>, Close>>,
    done: Option<Result<Option<Outgoing>, Close>>,
    _memory: Grant,
}

/// A finished response.
struct Outgoing {
    response: Encoder,
    charge: Charge,
}

impl Outgoing {
    fn new(memory: &Arc<ResponseMemory>, response: Encoder) -> Self {
        Self { charge: memory.charge(response.bytes_in_memory()), response }
    }
}

impl InFlight {
    fn finished(&self) -> Option<&Outgoing> {
        self.done.as_ref()?.as_ref().ok()?.as_ref()
    }

    /// Of a finished response, file slices included.
    fn response_bytes(&self) -> usize {
        self.finished().map_or(0, |outgoing| outgoing.response.len())
    }
}

/// What became of a request, and when.
type Answered = (Result<Option<Outgoing>, Close>, Timing);

/// Why a connection ended, for its one log line. `None` ends are ordinary.
type End = Option<String>;

/// Serves `stream` until the peer leaves, breaks the protocol, idles out, or `stop` is cancelled and what was
/// begun is answered.
pub(crate) async fn serve(
    broker: Arc<Broker>,
    origin: Origin,
    stream: TcpStream,
    slot: &Slot,
    stop: CancellationToken,
) {
    let peer = origin.peer;
    let mut connection = Connection {
        slot,
        idle: broker.config.connections_max_idle(),
        frame_bytes_max: broker.config.socket_request_max_bytes(),
        broker,
        origin,
        stream,
        buffer: BytesMut::new(),
        in_flight: VecDeque::new(),
        last_frame_bytes: 0,
        memory: Grant::default(),
        read_at: Instant::now(),
        is_gated: false,
    };
    let end = tokio::select! {
        end = connection.run(&stop) => end,
        () = slot.in_excess() => Some("in favour of another, as max.connections are open".to_owned()),
    };
    connection.broker.prober.closed(&connection.origin.heard);
    if let Some(reason) = end {
        tracing::info!(%peer, reason, "closed connection");
    }
}

struct Connection<'a> {
    slot: &'a Slot,
    broker: Arc<Broker>,
    origin: Origin,
    stream: TcpStream,
    buffer: BytesMut,
    in_flight: VecDeque<InFlight>,
    /// Size of the last whole frame, its prefix included.
    last_frame_bytes: usize,
    /// Granted for the frame that is arriving now.
    memory: Grant,
    /// When bytes came last.
    read_at: Instant,
    frame_bytes_max: usize,
    idle: Option<Duration>,
    /// Requests may not be started, for the responses of other connections.
    is_gated: bool,
}

/// What the connection turns to next.
enum Step {
    Read(usize),
    Respond(Answered),
    /// Other connections have sent their responses.
    Room,
    Stop,
    Idle,
}

impl Connection<'_> {
    async fn run(&mut self, stop: &CancellationToken) -> End {
        loop {
            match self.start_buffered_requests().await {
                Ok(()) => {}
                Err(close) => return close.reason(),
            }
            if stop.is_cancelled() && self.in_flight.is_empty() {
                return None;
            }
            match self.step(stop).await {
                Ok(Step::Read(0)) => return self.end_of_stream(),
                Ok(Step::Read(_)) => self.read_at = Instant::now(),
                Ok(Step::Room | Step::Stop) => {}
                Ok(Step::Idle) => return self.idle_end(),
                Ok(Step::Respond(answered)) => {
                    if let Err(close) = self.respond(answered).await {
                        return close.reason();
                    }
                }
                Err(error) => return ordinary(error),
            }
        }
    }

    /// Waits for the first of: a response at the front of the queue, bytes, the stop, the idle limit.
    async fn step(&mut self, stop: &CancellationToken) -> std::io::Result<Step> {
        let memory = &self.broker.response_memory;
        let (may_read, is_gated) = (self.may_start() && !stop.is_cancelled(), self.is_gated);
        let idle = if self.in_flight.is_empty() { self.idle } else { None };
        let room = self.room();
        let Self { stream, buffer, in_flight, .. } = self;
        tokio::select! {
            biased;
            response = front(in_flight, memory) => Ok(Step::Respond(response)),
            () = stop.cancelled(), if may_read => Ok(Step::Stop),
            () = memory.room(), if may_read && is_gated => Ok(Step::Room),
            read = read(stream, buffer, room), if may_read && !is_gated => read.map(Step::Read),
            () = sleep(idle), if idle.is_some() => Ok(Step::Idle),
        }
    }

    /// Free space to make for a frame that is not charged.
    fn room(&self) -> usize {
        self.last_frame_bytes.clamp(READ_CHUNK_BYTES, READ_AHEAD_BYTES_MAX)
    }

    fn may_start(&self) -> bool {
        let response_bytes: usize = self.in_flight.iter().map(InFlight::response_bytes).sum();
        self.in_flight.len() < REQUESTS_IN_FLIGHT_MAX && response_bytes < RESPONSE_BYTES_MAX
    }

    fn idle_end(&self) -> End {
        self.broker.metrics.connections.of(&self.origin.listener.name).expired();
        Some("idle for connections.max.idle.ms".to_owned())
    }

    fn end_of_stream(&self) -> End {
        (!self.buffer.is_empty()).then(|| format!("stream ended {} bytes into a frame", self.buffer.len()))
    }

    /// Starts every whole frame of the buffer and makes room for the next read.
    async fn start_buffered_requests(&mut self) -> Result<(), Close> {
        while self.may_start() {
            self.is_gated = self.broker.response_memory.is_full();
            if self.is_gated {
                break;
            }
            let Some(frame) = self.next_frame().await? else { break };
            let memory = std::mem::take(&mut self.memory);
            self.start(frame, memory).await?;
        }
        Ok(())
    }

    /// Takes a whole frame off the buffer, or reserves what the next read needs.
    async fn next_frame(&mut self) -> Result<Option<Bytes>, Close> {
        let Some(prefix) = self.buffer.first_chunk::<4>() else {
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            return Ok(None);
        };
        let claimed = i32::from_be_bytes(*prefix);
        let length = usize::try_from(claimed)
            .ok()
            .filter(|length| *length <= self.frame_bytes_max)
            .ok_or_else(|| {
                Close::because(format!("request of {claimed} bytes is outside 0..={}", self.frame_bytes_max))
            })?;
        if self.buffer.len() < 4 + length && self.buffer.len() > UNACCOUNTED_FRAME_BYTES_MAX {
            self.receive_charged(length).await?;
        }
        if self.buffer.len() < 4 + length {
            self.buffer.reserve((4 + length - self.buffer.len()).min(self.room()));
            return Ok(None);
        }
        self.last_frame_bytes = 4 + length;
        self.slot.active();
        self.buffer.advance(4);
        let frame = self.buffer.split_to(length);
        let is_small = frame.len() <= COPIED_FRAME_BYTES_MAX;
        Ok(Some(if is_small { Bytes::copy_from_slice(&frame) } else { frame.freeze() }))
    }

    /// Receives the rest of a large frame, charged for the room it makes. Requests in flight are answered first: their
    /// memory may be what this frame waits for.
    async fn receive_charged(&mut self, length: usize) -> Result<(), Close> {
        while let Some(answered) = front_if_any(&mut self.in_flight, &self.broker.response_memory).await {
            self.respond(answered).await?;
        }
        let mut patience = Patience::new(ARRIVAL);
        while self.buffer.len() < 4 + length {
            let missing = 4 + length - self.buffer.len();
            if self.buffer.capacity() == self.buffer.len() {
                // Doubling keeps a stalled frame at twice what really arrived.
                let room = missing.min(self.buffer.len().max(self.room()));
                self.broker.request_memory.grow(&mut self.memory, room).await;
                self.buffer.reserve(room);
            }
            if self.receive(length, &mut patience).await? == 0 {
                return Err(Close::because(format!("stream ended with {missing} bytes of a frame missing")));
            }
            self.read_at = Instant::now();
        }
        Ok(())
    }

    /// Reads once, and nothing beyond the frame: a byte of the next one would keep the whole buffer. Only the client's time
    /// counts against its patience, not the wait for memory.
    async fn receive(&mut self, length: usize, patience: &mut Patience) -> Result<usize, Close> {
        loop {
            let terms = if self.broker.request_memory.is_wanted() { PRESSED } else { ARRIVAL };
            let Some(wait) = patience.wait(terms) else {
                return Err(Close::because(format!("frame of {length} bytes took too long to arrive")));
            };
            let started = Instant::now();
            let missing = 4 + length - self.buffer.len();
            let mut rest = (&mut self.buffer).limit(missing);
            let read = timeout(wait, self.stream.read_buf(&mut rest)).await;
            let bytes = read.as_ref().map_or(0, |read| *read.as_ref().unwrap_or(&0));
            patience.moved(started.elapsed(), bytes, terms);
            if let Ok(read) = read {
                return read.map_err(Close::from_io);
            }
        }
    }

    async fn start(&mut self, frame: Bytes, memory: Grant) -> Result<(), Close> {
        let bytes = frame.len() + 4;
        let request = frames::parse_request(frame).map_err(|error| Close::because(error.to_string()))?;
        let requests = &self.broker.metrics.requests;
        let mut timing = requests.started(request.key, bytes, self.read_at.into_std());
        let mut response = dispatch::dispatch(&self.broker, &self.origin, request)?;
        let done = match futures::poll!(&mut response) {
            std::task::Poll::Ready(result) => Some(outgoing(result, &self.broker.response_memory)),
            std::task::Poll::Pending => None,
        };
        self.broker.metrics.requests.polled(&mut timing, done.is_some());
        self.in_flight.push_back(InFlight { timing, response, done, _memory: memory });
        Ok(())
    }

    async fn respond(&mut self, (result, timing): Answered) -> Result<(), Close> {
        let bytes = match result? {
            Some(response) => Some(self.write(response).await.map_err(Close::from_end)?),
            None => None,
        };
        self.broker.metrics.requests.finished(&timing, bytes);
        Ok(())
    }

    async fn write(&mut self, outgoing: Outgoing) -> Result<usize, End> {
        let Outgoing { response, charge } = outgoing;
        let pause_max = self.idle.unwrap_or(Duration::MAX);
        let waiting = self.in_flight.iter().filter_map(InFlight::finished);
        let held_bytes = charge.bytes() + waiting.map(|waiting| waiting.charge.bytes()).sum::<usize>();
        let terms = Terms { pause_max, bytes_per_second_min: 1 };
        let pace = Pace::new(terms, &self.broker.response_memory, held_bytes);
        let bytes = write::response(&mut self.stream, response, pace).await.map_err(ordinary)?;
        self.slot.active();
        Ok(bytes)
    }
}

fn outgoing(
    result: Result<Option<Encoder>, Close>,
    memory: &Arc<ResponseMemory>,
) -> Result<Option<Outgoing>, Close> {
    result.map(|response| response.map(|response| Outgoing::new(memory, response)))
}

/// Makes room only when there is something to read. Cancel safe.
async fn read(stream: &mut TcpStream, buffer: &mut BytesMut, room: usize) -> std::io::Result<usize> {
    if buffer.capacity() == buffer.len() {
        stream.readable().await?;
        buffer.reserve(room);
    }
    stream.read_buf(buffer).await
}

/// Resolves with the response at the front of the queue, never while the queue is empty. Cancel safe.
async fn front(in_flight: &mut VecDeque<InFlight>, memory: &Arc<ResponseMemory>) -> Answered {
    match front_if_any(in_flight, memory).await {
        Some(answered) => answered,
        None => std::future::pending().await,
    }
}

async fn front_if_any(in_flight: &mut VecDeque<InFlight>, memory: &Arc<ResponseMemory>) -> Option<Answered> {
    let first = in_flight.front_mut()?;
    let response = match first.done.take() {
        Some(done) => done,
        None => outgoing((&mut first.response).await, memory),
    };
    let mut timing = first.timing;
    timing.answered();
    in_flight.pop_front();
    Some((response, timing))
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// A peer that vanishes is an ordinary end; every other error is worth its log line.
fn ordinary(error: std::io::Error) -> End {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut => None,
        _ => Some(error.to_string()),
    }
}

impl Close {
    fn from_io(error: std::io::Error) -> Self {
        Self::from_end(ordinary(error))
    }
}
