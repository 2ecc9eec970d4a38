//! The broker process: its arguments, its allocator, its log lines and its signals. The rest is the library.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use milena_broker::{Config, LogFormat, install_telemetry};
use milena_storage::FsDisk;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    log_format: LogFormat,
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
    install_telemetry(arguments.log_format);
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

async fn run(config: Config, http_listen: &str, linger: Duration) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let stop = async || signals.next().await;
    milena_broker::run(config, Arc::new(FsDisk), Some(http_listen), linger, stop).await
}
