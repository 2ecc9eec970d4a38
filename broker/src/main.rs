//! The broker process: read the configuration, bind, recover, serve, stop in order.
//!
//! Order of a start: listeners are bound (early clients wait in the backlog), the quorum replays the metadata log,
//! controllers are served, the broker registers and catches up, partitions recover, the broker is unfenced, clients are
//! served. Order of a stop: leaderships move to others, whoever dials learns that this broker goes, no new connections,
//! what was begun is answered, coordinators and the quorum end, connections of controllers close, partitions are flushed
//! and marked clean.

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
mod isr_changes;
mod lifecycle;
mod metrics;
mod partition;
mod partitions;
mod prober;
mod quorum;
mod server;
mod telemetry;
mod throttle;
mod topics;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::server::Bound;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long an orderly stop waits for requests in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A Kafka broker.
#[derive(Debug, Parser)]
#[command(name = "milena-broker", version)]
struct Arguments {
    /// A server.properties file; without one and without KAFKA_* variables: localhost:9092, data in ./data.
    properties: Option<std::path::PathBuf>,
    /// A broker key that wins over file and environment; may be repeated.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Shape of log lines.
    #[arg(long, env = "MILENA_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: telemetry::LogFormat,
    /// Address of /metrics, /livez and /readyz.
    #[arg(long, env = "MILENA_HTTP_LISTEN", default_value = "0.0.0.0:9644")]
    http_listen: String,
    /// Milliseconds for which a broker that was told to stop goes on answering, though `/readyz` says no, so that
    /// whatever forwards connections to it finds out before they lead nowhere. A second signal ends it.
    #[arg(long, env = "MILENA_LINGER_MS", default_value_t = 0)]
    linger_ms: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::install(arguments.log_format);
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(arguments.properties.as_deref(), &arguments.overrides, std::env::vars())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("broker").build()?;
    runtime.block_on(run(config, &arguments.http_listen, Duration::from_millis(arguments.linger_ms)))
}

/// The signals that ask for an orderly stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves with the next one. Cancel safe.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn run(mut config: Config, http_listen: &str, linger: Duration) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let bound = server::bind(&mut config).await?;
    let pages = http::Pages { metrics: Metrics::new(), broker: Arc::new(OnceLock::new()) };
    let socket =
        TcpListener::bind(http_listen).await.with_context(|| format!("bind http listener {http_listen}"))?;
    tracing::info!(address = %socket.local_addr()?, "serving metrics and health");
    let pages_stop = CancellationToken::new();
    tokio::spawn(http::serve(socket, pages.clone(), pages_stop.clone()));

    let broker = Broker::open(Arc::new(config), pages.metrics.clone()).await?;
    // First, so that whoever was served finds its traces on the pages.
    pages.broker.set(broker.clone()).ok();
    let (of_controllers, of_clients): (Vec<_>, Vec<_>) = bound.into_iter().partition(Bound::is_controller);
    let (controllers, clients) = (Served::default(), Served::default());
    server::accept(&broker, of_controllers, &controllers.tasks, &controllers.stop);
    let failure = tokio::select! {
        () = signals.next() => None,
        failure = serve(&broker, of_clients, &clients) => Some(failure),
    };
    tracing::info!("broker stopping");
    let gone_at = Instant::now() + linger;
    broker.leave().await;
    if failure.is_none() {
        tokio::select! {
            () = tokio::time::sleep_until(gone_at) => {}
            () = signals.next() => {}
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
