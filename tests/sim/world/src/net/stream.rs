//! Listeners and streams, with the names and the ways of tokio's.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{End, Listening, Resolve, Segment, Side, WINDOW_BYTES};
use crate::{CURRENT, HostId, with};

/// Bytes of the largest segment; a write goes out in segments of any size up to this.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024;

fn here() -> HostId {
    CURRENT.get().expect("a task of a host uses the network")
}

/// Accepts connections to one port of its host.
#[derive(Debug)]
pub struct TcpListener {
    host: HostId,
    address: SocketAddr,
}

impl TcpListener {
    /// Listens on a port of this host.
    ///
    /// # Errors
    /// `AddrInUse` where somebody does already.
    pub async fn bind(address: impl Resolve) -> io::Result<Self> {
        let (host, address) = (here(), address.resolve()?);
        with(|world| match world.network.listening.entry((host, address.port())) {
            std::collections::btree_map::Entry::Occupied(_) => Err(io::ErrorKind::AddrInUse.into()),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(Listening::default());
                Ok(Self { host, address })
            }
        })
    }

    /// The next connection, and where it comes from.
    ///
    /// # Errors
    /// `NotConnected` where the host has forgotten this listener.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            with(|world| {
                let network = &mut world.network;
                let Some(listening) = network.listening.get_mut(&(self.host, self.address.port())) else {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                };
                while let Some(id) = listening.backlog.pop_front() {
                    if let Some(ends) = network.connections.get(&id) {
                        return Poll::Ready(Ok((TcpStream::new((id, 1)), ends[0].address)));
                    }
                }
                listening.waiting = Some(context.waker().clone());
                Poll::Pending
            })
        })
        .await
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        with(|world| {
            let listening = world.network.listening.remove(&(self.host, self.address.port()));
            for id in listening.into_iter().flat_map(|listening| listening.backlog) {
                world.send((id, 1), Segment::Rst);
                world.close((id, 1));
            }
        });
    }
}

/// Closes its end when the last half is dropped.
#[derive(Debug)]
struct Held(Side);

impl Drop for Held {
    fn drop(&mut self) {
        with(|world| world.close(self.0));
    }
}

impl Held {
    fn end<R>(&self, act: impl FnOnce(&mut End) -> R) -> Option<R> {
        let (id, side) = self.0;
        with(|world| world.network.connections.get_mut(&id).map(|ends| act(&mut ends[side])))
    }

    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (id, side) = self.0;
        with(|world| {
            let Some(ends) = world.network.connections.get_mut(&id) else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            };
            let end = &mut ends[side];
            let Some(first) = end.arrived.front_mut() else {
                if end.is_reset {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                if end.is_ended {
                    return Poll::Ready(Ok(()));
                }
                end.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            let count = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..count]);
            first.advance(count);
            if first.is_empty() {
                end.arrived.pop_front();
            }
            let peer = &mut ends[1 - side];
            peer.unread_bytes = peer.unread_bytes.saturating_sub(count);
            peer.writer.take().into_iter().for_each(std::task::Waker::wake);
            Poll::Ready(Ok(()))
        })
    }

    fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let (id, side) = self.0;
        with(|world| {
            let most = usize::try_from(world.random.between(1024, SEGMENT_BYTES_MAX)).unwrap_or(1024);
            let Some(ends) = world.network.connections.get_mut(&id) else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            let end = &mut ends[side];
            if end.is_reset || end.has_finished {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if end.unread_bytes >= WINDOW_BYTES {
                end.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            let bytes = gathered(slices, most);
            let count = bytes.len();
            if count > 0 {
                end.unread_bytes += count;
                world.send((id, side), Segment::Data(bytes));
            }
            Poll::Ready(Ok(count))
        })
    }

    fn finish(&self) {
        let (id, side) = self.0;
        with(|world| {
            let Some(ends) = world.network.connections.get_mut(&id) else { return };
            if !std::mem::replace(&mut ends[side].has_finished, true) {
                world.send((id, side), Segment::Fin);
            }
        });
    }
}

fn gathered(slices: &[IoSlice<'_>], most: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    for slice in slices {
        let room = most - bytes.len();
        bytes.extend_from_slice(&slice[..slice.len().min(room)]);
    }
    bytes.freeze()
}

/// One end of a connection.
#[derive(Debug)]
pub struct TcpStream(Held);

impl TcpStream {
    fn new(side: Side) -> Self {
        Self(Held(side))
    }

    /// Connects to an address; waits for as long as nothing answers.
    ///
    /// # Errors
    /// `ConnectionRefused` where nobody listens, and those of the name.
    pub async fn connect(address: impl Resolve) -> io::Result<Self> {
        let (from, to) = (here(), address.resolve()?);
        let stream = Self::new((with(|world| world.connect(from, to))?, 0));
        let answered = |context: &mut Context<'_>| -> Poll<io::Result<()>> {
            let poll = stream.0.end(|end| {
                if end.is_reset {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
                }
                if end.is_established {
                    return Poll::Ready(Ok(()));
                }
                end.reader = Some(context.waker().clone());
                Poll::Pending
            });
            poll.unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())))
        };
        poll_fn(answered).await?;
        Ok(stream)
    }

    /// Changes nothing: segments never wait for more.
    ///
    /// # Errors
    /// None.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Resolves when a read would not wait.
    ///
    /// # Errors
    /// None: the read tells.
    pub async fn readable(&self) -> io::Result<()> {
        let waits = |end: &mut End, context: &mut Context<'_>| {
            if end.is_reset || end.is_ended || !end.arrived.is_empty() {
                return Poll::Ready(Ok(()));
            }
            end.reader = Some(context.waker().clone());
            Poll::Pending
        };
        poll_fn(|context| self.0.end(|end| waits(end, context)).unwrap_or(Poll::Ready(Ok(())))).await
    }

    /// Two halves, each with the end as a whole in its hand.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let held = Arc::new(self.0);
        (OwnedReadHalf(held.clone()), OwnedWriteHalf(held))
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(context, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.finish();
        Poll::Ready(Ok(()))
    }
}

/// The half that reads.
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<Held>);

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(context, buffer)
    }
}

/// The half that writes.
#[derive(Debug)]
pub struct OwnedWriteHalf(Arc<Held>);

impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, &[IoSlice::new(bytes)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        self.0.finish();
    }
}
