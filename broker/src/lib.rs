//! The broker: bind, recover, serve, stop in order. `main` reads the arguments and says when to stop.
//!
//! Order of a start: listeners are bound (early clients wait in the backlog), the quorum replays the metadata log,
//! controllers are served, the broker registers and catches up, partitions recover, the broker is unfenced, clients are
//! served. Order of a stop: leaderships move to others, whoever dials learns that this broker goes, no new connections,
//! what was begun is answered, coordinators and the quorum end, connections of controllers close, partitions are flushed
//! and marked clean.
//!
//! With the feature `simulation` the network and the tasks are those of the simulation (`net`, `task`), and nothing else
//! is different. A binary that is shipped never has it.

mod api;
mod broker;
mod config;
mod connection;
mod connections;
mod controller_channel;
mod controller_registration;
mod coordinator;
mod dispatch;
mod follower;
mod forward;
mod http;
#[cfg(feature = "simulation")]
pub mod inspect;
mod isr_changes;
mod lifecycle;
mod metrics;
mod net;
mod partition;
mod partitions;
mod prober;
mod quorum;
mod server;
mod task;
mod telemetry;
mod throttle;
mod topics;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use milena_storage::Disk;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::metrics::Metrics;
use crate::server::Bound;

pub use crate::config::Config;
pub use crate::telemetry::{LogFormat, install as install_telemetry};

/// How long an orderly stop waits for requests in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a broker until `stop` resolves, or it fails with the reason. `http_listen` is the address of its pages. One that was
/// told to stop goes on answering for `linger`, or until it is told again.
pub async fn run(
    mut config: Config,
    disk: Arc<dyn Disk>,
    http_listen: Option<&str>,
    linger: Duration,
    mut stop: impl AsyncFnMut(),
) -> anyhow::Result<()> {
    let bound = server::bind(&mut config).await?;
    let pages = http::Pages { metrics: Metrics::new(), broker: Arc::new(OnceLock::new()) };
    let pages_stop = CancellationToken::new();
    if let Some(address) = http_listen {
        show(address, pages.clone(), pages_stop.clone()).await?;
    }
    let broker = Broker::open(Arc::new(config), disk, pages.metrics.clone()).await?;
    #[cfg(feature = "simulation")]
    inspect::begun(&broker);
    // First, so that whoever was served finds its traces on the pages.
    pages.broker.set(broker.clone()).ok();
    let (of_controllers, of_clients): (Vec<_>, Vec<_>) = bound.into_iter().partition(Bound::is_controller);
    let (controllers, clients) = (Served::default(), Served::default());
    server::accept(&broker, of_controllers, &controllers.tasks, &controllers.stop);
    let failure = tokio::select! {
        () = stop() => None,
        failure = serve(&broker, of_clients, &clients) => Some(failure),
    };
    tracing::info!("broker stopping");
    let gone_at = Instant::now() + linger;
    broker.leave().await;
    if failure.is_none() {
        tokio::select! {
            () = tokio::time::sleep_until(gone_at) => {}
            () = stop() => {}
        }
    }
    clients.end().await;
    broker.end_quorum().await;
    controllers.end().await;
    broker.close().await?;
    pages_stop.cancel();
    tracing::info!("broker stopped");
    failure.map_or(Ok(()), Err)
}

/// Serves the pages at `address`.
async fn show(address: &str, pages: http::Pages, stop: CancellationToken) -> anyhow::Result<()> {
    let bound = tokio::net::TcpListener::bind(address).await;
    let socket = bound.with_context(|| format!("bind http listener {address}"))?;
    tracing::info!(address = %socket.local_addr()?, "serving metrics and health");
    task::spawn(http::serve(socket, pages, stop));
    Ok(())
}

/// Serves clients until the broker fails, and yields the reason.
async fn serve(broker: &Arc<Broker>, bound: Vec<Bound>, clients: &Served) -> anyhow::Error {
    let joined = tokio::select! {
        joined = broker.join(&clients.tasks, &clients.stop) => joined,
        failure = broker.failed() => Err(failure),
    };
    if let Err(failure) = joined {
        return failure;
    }
    tracing::info!(node_id = broker.node_id.0, cluster_id = %broker.cluster_id, "broker started");
    server::accept(broker, bound, &clients.tasks, &clients.stop);
    broker.failed().await
}

/// What serves one kind of listeners, and how it ends.
#[derive(Default)]
struct Served {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Served {
    /// Answers what was begun and closes every connection.
    async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "closing connections that did not drain");
        }
    }
}
