//! The listeners: bind first, accept once the broker is ready to answer, stop on demand.
//!
//! Binding comes before recovery, so that a configured port 0 is known when the broker registers itself, and early
//! clients wait in the backlog instead of being refused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::{Broker, Origin};
use crate::config::{Config, Listener};
use crate::connection;

/// Connections the kernel holds for a listener that is not accepting yet.
const BACKLOG: i32 = 1024;
/// Idle time after which the kernel probes a silent peer; below the 350 s at which cloud load balancers forget a flow.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A listener with its socket.
pub(crate) struct Bound {
    listener: Arc<Listener>,
    socket: TcpListener,
}

/// Binds every listener of `config` and writes the ports that the system chose back into it.
pub(crate) async fn bind(config: &mut Config) -> anyhow::Result<Vec<Bound>> {
    let mut bound = Vec::with_capacity(config.listeners.len());
    for listener in &mut config.listeners {
        let name = listener.name.clone();
        let socket = bind_one(listener)
            .await
            .with_context(|| format!("bind listener {name} to {}:{}", listener.bind_host, listener.port))?;
        let address = socket.local_addr()?;
        listener.bound_to(address.port());
        tracing::info!(listener = %name, %address, "listening");
        bound.push(Bound { listener: Arc::new(listener.clone()), socket });
    }
    Ok(bound)
}

async fn bind_one(listener: &Listener) -> io::Result<TcpListener> {
    let host = if listener.bind_host.is_empty() { "::" } else { listener.bind_host.as_str() };
    match listen(host, listener.port).await {
        // A machine without IPv6 still has every IPv4 address to listen on.
        Err(_) if host == "::" => listen("0.0.0.0", listener.port).await,
        result => result,
    }
}

async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
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

/// Accepts on every bound listener until `stop`; connections are tracked by `tasks`.
pub(crate) fn accept(broker: &Arc<Broker>, bound: Vec<Bound>, tasks: &TaskTracker, stop: &CancellationToken) {
    for Bound { listener, socket } in bound {
        let (broker, connections, stop) = (broker.clone(), tasks.clone(), stop.clone());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = socket.accept() => match accepted {
                        Ok((stream, peer)) => {
                            let origin = Origin { peer, listener: listener.clone() };
                            admit(&broker, origin, stream, &connections, &stop);
                        }
                        Err(error) => {
                            tracing::warn!(%error, listener = %listener.name, "accept failed");
                            tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                        }
                    }
                }
            }
        });
    }
}

fn admit(
    broker: &Arc<Broker>,
    origin: Origin,
    stream: TcpStream,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, peer = %origin.peer, "peer left before it was served");
        return;
    }
    let open = broker.metrics.connections.accepted(&origin.listener.name);
    let serve = connection::serve(broker.clone(), origin, stream, stop.clone());
    tasks.spawn(async move {
        serve.await;
        drop(open);
    });
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE))
}
