//! The listeners: bind first, accept once the broker is ready to answer, stop on demand.
//!
//! Binding comes before recovery, so that a configured port 0 is known when the broker registers itself, and early
//! clients wait in the backlog instead of being refused.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::{Broker, Origin};
use crate::config::{Config, Listener};
use crate::connection;
use crate::connections::{Slot, TooMany};
use crate::net::{TcpListener, TcpStream, listen, prepare};
use crate::prober::Heard;
use crate::task;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A listener with its socket.
pub(crate) struct Bound {
    listener: Arc<Listener>,
    socket: TcpListener,
}

impl Bound {
    /// Whether controllers are reached by it.
    pub(crate) fn is_controller(&self) -> bool {
        self.listener.is_controller
    }
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

/// Accepts on every bound listener until `stop`; connections are tracked by `tasks`.
pub(crate) fn accept(broker: &Arc<Broker>, bound: Vec<Bound>, tasks: &TaskTracker, stop: &CancellationToken) {
    for Bound { listener, socket } in bound {
        let (broker, connections, stop) = (broker.clone(), tasks.clone(), stop.clone());
        task::spawn(tasks.track_future(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    (slot, origin, stream) = next(&broker, &listener, &socket) => {
                        let (broker, stop) = (broker.clone(), stop.clone());
                        let open = broker.metrics.connections.accepted(&listener.name);
                        task::spawn(connections.track_future(async move {
                            connection::serve(broker, origin, stream, &slot, stop).await;
                            drop(open);
                        }));
                    }
                }
            }
        }));
    }
}

/// The next connection that may be served. While there is no room for one, nobody else is accepted on its listener.
async fn next(
    broker: &Arc<Broker>,
    listener: &Arc<Listener>,
    socket: &TcpListener,
) -> (Slot, Origin, TcpStream) {
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, listener = %listener.name, "accept failed");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let admit = broker.connections_of(listener).admit(listener, peer.ip());
        match delayed(admit, || broker.metrics.connections.of(&listener.name).delayed()).await {
            Ok(slot) => match prepare(&stream) {
                Ok(()) => {
                    return (
                        slot,
                        Origin { peer, listener: listener.clone(), heard: Heard::default() },
                        stream,
                    );
                }
                Err(error) => tracing::debug!(%error, %peer, "peer left before it was served"),
            },
            Err(TooMany(max)) => {
                broker.metrics.connections.of(&listener.name).refused();
                tracing::info!(%peer, max, "refused a connection: the address has as many as it may have");
            }
        }
    }
}

/// Tells if the future has to wait.
async fn delayed<F: Future>(future: F, tell: impl FnOnce()) -> F::Output {
    let mut future = std::pin::pin!(future);
    if let Poll::Ready(output) = futures::poll!(&mut future) {
        return output;
    }
    tell();
    future.await
}
