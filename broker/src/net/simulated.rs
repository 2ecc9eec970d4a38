//! Sockets of the simulation. Its disks are in memory, so that no file is ever sent.

use std::io;
use std::task::{Context, Poll};

use milena_protocol::FileSlice;
pub(crate) use milena_world::net::{TcpListener, TcpStream, lookup_host};

/// Listens on this host.
pub(crate) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

/// Nothing is to be set up.
pub(crate) fn prepare(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// Never works.
pub(crate) fn poll_send_file(
    _: &TcpStream,
    _: &mut Context<'_>,
    _: &FileSlice,
    _: &mut u64,
    _: usize,
) -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
}
