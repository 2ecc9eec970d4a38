//! TCP between hosts. A listener's backlog, handshakes and closing are the kernel's business and go on while the host is
//! stopped.
//!
//! | segment | on arrival |
//! |---|---|
//! | Syn | joins the listener's backlog, answered by SynAck; where nobody listens, by Rst |
//! | SynAck | the connect is done |
//! | Data | waits for its reader; where nobody holds the socket any more, answered by Rst |
//! | Fin | the reader finds the end behind what arrived before |
//! | Rst | reading and writing fail |
//!
//! Segments of one direction arrive in order. One that cannot pass (a cut, a host without power) waits, and those behind
//! it, until it can: the sender's kernel repeats it for longer than anybody here waits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{HostId, State, World, with};

mod resolve;
mod stream;

pub use resolve::{Resolve, lookup_host};
pub use stream::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream};

/// Bytes that one direction of a connection may hold before its writer waits.
const WINDOW_BYTES: usize = 256 * 1024;

#[derive(Debug)]
enum Segment {
    Syn,
    SynAck,
    Data(Bytes),
    Fin,
    Rst,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    host: HostId,
    address: SocketAddr,
    /// Somebody holds it: a stream, a backlog, or a connect under way.
    is_held: bool,
    /// On their way from here, the next first.
    sent: VecDeque<Segment>,
    /// When the last one arrives, in milliseconds.
    last_at: u64,
    /// Those of `sent` that could not pass.
    stalled: usize,
    /// Bytes that went out and were not read yet.
    unread_bytes: usize,
    has_finished: bool,
    arrived: VecDeque<Bytes>,
    is_established: bool,
    is_ended: bool,
    is_reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl End {
    fn new(host: HostId, address: SocketAddr) -> Self {
        Self {
            host,
            address,
            is_held: true,
            sent: VecDeque::new(),
            last_at: 0,
            stalled: 0,
            unread_bytes: 0,
            has_finished: false,
            arrived: VecDeque::new(),
            is_established: false,
            is_ended: false,
            is_reset: false,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

/// A connection and one of its ends: 0 asked for it, 1 accepted it.
type Side = (u64, usize);

#[derive(Debug, Default)]
struct Listening {
    backlog: VecDeque<u64>,
    waiting: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) latency_ms: (u64, u64),
    pub(crate) cuts: BTreeSet<(HostId, HostId)>,
    pub(crate) deliveries: u64,
    connections: BTreeMap<u64, [End; 2]>,
    listening: BTreeMap<(HostId, u16), Listening>,
    /// When the next segment of a side arrives.
    due: BinaryHeap<Reverse<(u64, u64, Side)>>,
    /// Counts what is due, so that what is due at once keeps its order.
    count: u64,
    next_port: u16,
    moved: Arc<Notify>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            latency_ms: (1, 3),
            cuts: BTreeSet::new(),
            deliveries: 0,
            connections: BTreeMap::new(),
            listening: BTreeMap::new(),
            due: BinaryHeap::new(),
            count: 0,
            next_port: 40_000,
            moved: Arc::default(),
        }
    }
}

impl Network {
    /// The host's power is gone: it holds no ends, sends nothing more, listens nowhere.
    pub(crate) fn forget(&mut self, host: HostId) {
        for ends in self.connections.values_mut() {
            for end in ends.iter_mut().filter(|end| end.host == host) {
                (end.is_held, end.stalled) = (false, 0);
                end.sent.clear();
                end.arrived.clear();
            }
        }
        self.listening.retain(|(at, _), _| *at != host);
        self.connections
            .retain(|_, [a, b]| a.is_held || b.is_held || !a.sent.is_empty() || !b.sent.is_empty());
    }

    fn schedule(&mut self, at: u64, side: Side) {
        let is_next = self.due.peek().is_none_or(|Reverse((next, ..))| at < *next);
        self.count += 1;
        self.due.push(Reverse((at, self.count, side)));
        if is_next {
            self.moved.notify_one();
        }
    }
}

impl World {
    fn send(&mut self, (id, side): Side, segment: Segment) {
        let (min, max) = self.network.latency_ms;
        let latency = self.random.between(min, max);
        let now = self.now_ms();
        let Some(ends) = self.network.connections.get_mut(&id) else { return };
        let is_local = ends[0].host == ends[1].host;
        let end = &mut ends[side];
        end.last_at = end.last_at.max(if is_local { now } else { now + latency });
        end.sent.push_back(segment);
        let at = end.last_at;
        self.network.schedule(at, (id, side));
    }

    fn may_pass(&self, from: HostId, to: HostId) -> bool {
        !self.network.cuts.contains(&(from, to)) && self.hosts[to.0].state != State::Off
    }

    /// Sends what was held and may pass now.
    pub(crate) fn release(&mut self) {
        let (now, mut passing) = (self.now_ms(), Vec::new());
        for (id, ends) in &self.network.connections {
            let may = |from: usize, to: usize| {
                ends[from].stalled > 0 && self.may_pass(ends[from].host, ends[to].host)
            };
            passing.extend([(0, 1), (1, 0)].into_iter().filter(|(f, t)| may(*f, *t)).map(|(f, _)| (*id, f)));
        }
        for (id, side) in passing {
            let latency = self.random.between(self.network.latency_ms.0, self.network.latency_ms.1);
            let Some(ends) = self.network.connections.get_mut(&id) else { continue };
            let end = &mut ends[side];
            end.last_at = end.last_at.max(now + latency);
            let (count, at) = (std::mem::take(&mut end.stalled), end.last_at);
            (0..count).for_each(|_| self.network.schedule(at, (id, side)));
        }
    }

    pub(crate) fn reset(&mut self, a: HostId, b: HostId) -> usize {
        let mut broken = 0;
        for ends in self.network.connections.values_mut() {
            let hosts = (ends[0].host, ends[1].host);
            if hosts == (a, b) || hosts == (b, a) {
                broken += 1;
                for end in ends {
                    end.is_reset = true;
                    end.sent.clear();
                    end.stalled = 0;
                    end.arrived.clear();
                    end.wake();
                }
            }
        }
        broken
    }

    fn connect(&mut self, from: HostId, to: SocketAddr) -> io::Result<u64> {
        let to_host = self.hosts.iter().position(|host| IpAddr::V4(host.address) == to.ip()).map(HostId);
        let to_host = to_host.ok_or(io::ErrorKind::HostUnreachable)?;
        let network = &mut self.network;
        network.count += 1;
        network.next_port = network.next_port.checked_add(1).unwrap_or(40_000);
        let id = network.count;
        let own = SocketAddr::new(IpAddr::V4(self.hosts[from.0].address), network.next_port);
        let mut ends = [End::new(from, own), End::new(to_host, to)];
        ends[1].is_held = false;
        network.connections.insert(id, ends);
        self.send((id, 0), Segment::Syn);
        Ok(id)
    }

    /// Nobody holds the end any more.
    fn close(&mut self, (id, side): Side) {
        let Some(ends) = self.network.connections.get_mut(&id) else { return };
        let end = &mut ends[side];
        if !end.is_held {
            return;
        }
        end.is_held = false;
        let is_unread = !end.arrived.is_empty();
        end.arrived.clear();
        let (has_finished, is_reset) = (std::mem::replace(&mut end.has_finished, true), end.is_reset);
        if is_unread {
            self.send((id, side), Segment::Rst);
        } else if !has_finished && !is_reset {
            self.send((id, side), Segment::Fin);
        }
        self.forget_if_over(id);
    }

    fn forget_if_over(&mut self, id: u64) {
        let is_over = |ends: &[End; 2]| ends.iter().all(|end| !end.is_held && end.sent.is_empty());
        if self.network.connections.get(&id).is_some_and(is_over) {
            self.network.connections.remove(&id);
        }
    }

    /// The next segment of a side comes to the other, or waits.
    fn arrive(&mut self, (id, side): Side) {
        let Some(ends) = self.network.connections.get(&id) else { return };
        let (from, to) = (ends[side].host, ends[1 - side].host);
        let may_pass = self.may_pass(from, to);
        let Some(ends) = self.network.connections.get_mut(&id) else { return };
        let end = &mut ends[side];
        if end.sent.is_empty() {
            return;
        }
        if !may_pass || end.stalled > 0 {
            end.stalled += 1;
            return;
        }
        let Some(segment) = end.sent.pop_front() else { return };
        self.network.deliveries += 1;
        let length = if let Segment::Data(bytes) = &segment { bytes.len() as u64 } else { 0 };
        self.happened(1000 + side as u64, (id << 20) | length);
        self.take((id, 1 - side), segment);
        self.forget_if_over(id);
    }

    fn take(&mut self, (id, side): Side, segment: Segment) {
        let Some(ends) = self.network.connections.get_mut(&id) else { return };
        let end = &mut ends[side];
        match segment {
            Segment::Syn => {
                let key = (end.host, end.address.port());
                match self.network.listening.get_mut(&key) {
                    Some(listening) => {
                        (end.is_held, end.is_established) = (true, true);
                        listening.backlog.push_back(id);
                        listening.waiting.take().into_iter().for_each(Waker::wake);
                        self.send((id, side), Segment::SynAck);
                    }
                    None => self.send((id, side), Segment::Rst),
                }
            }
            Segment::SynAck => {
                end.is_established = true;
                end.wake();
            }
            Segment::Data(_) if !end.is_held => self.send((id, side), Segment::Rst),
            Segment::Data(bytes) => {
                end.arrived.push_back(bytes);
                end.wake();
            }
            Segment::Fin => {
                end.is_ended = true;
                end.wake();
            }
            Segment::Rst => {
                end.is_reset = true;
                end.arrived.clear();
                end.wake();
            }
        }
    }

    /// Everything that arrives by now.
    fn arrive_due(&mut self) {
        let now = self.now_ms();
        while let Some(Reverse((at, _, side))) = self.network.due.peek().copied() {
            if at > now {
                return;
            }
            self.network.due.pop();
            self.arrive(side);
        }
    }
}

/// Delivers segments when they are due, for as long as the world is there.
pub(crate) async fn deliver() {
    let (began, moved) = with(|world| (world.began, world.network.moved.clone()));
    let mut seen_at = None;
    loop {
        let now = Some(Instant::now());
        if std::mem::replace(&mut seen_at, now) != now {
            crate::step();
        }
        let next = with(|world| {
            world.arrive_due();
            world.network.due.peek().map(|Reverse((at, ..))| *at)
        });
        match next {
            Some(at) => {
                tokio::select! {
                    biased;
                    () = moved.notified() => {}
                    () = tokio::time::sleep_until(began + Duration::from_millis(at)) => {}
                }
            }
            None => moved.notified().await,
        }
    }
}
