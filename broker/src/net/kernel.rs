//! Sockets of the kernel, by tokio: how listeners and connections are set up, and files sent without a copy.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use milena_protocol::FileSlice;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
pub(crate) use tokio::net::{TcpListener, TcpStream, lookup_host};

/// Connections the kernel holds for a listener that is not accepting yet.
const BACKLOG: i32 = 1024;
/// Idle time after which the kernel probes a silent peer; below the 350 s at which cloud load balancers forget a flow.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two probes, and how many may go unanswered: a peer that is gone is known within two minutes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 6;

/// Binds the first address of `host` and listens.
pub(crate) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let address = lookup_host((host, port)).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Sets up an accepted connection.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Sends what the socket takes of the file from `position` on, up to `count` bytes, and moves `position`.
pub(crate) fn poll_send_file(
    stream: &TcpStream,
    context: &mut Context<'_>,
    slice: &FileSlice,
    position: &mut u64,
    count: usize,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        let send = || Ok(rustix::fs::sendfile(stream, &*slice.file, Some(position), count)?);
        match stream.try_io(Interest::WRITABLE, send) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}
