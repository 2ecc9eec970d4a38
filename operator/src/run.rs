//! The process: lead, watch, work, stop in order.
//!
//! Order of a stop: workers finish the pass that they are in (no longer than [`STOP_TIMEOUT`]), then the Lease is released,
//! so that the next operator goes on at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::{Queues, Watches};
use crate::cli::RunOptions;
use crate::cluster::apply::Normalised;
use crate::cluster::zone;
use crate::http::{self, Readiness};
use crate::kafka::Sessions;
use crate::lease::Candidate;
use crate::metrics::Metrics;
use crate::names::{ClusterKey, MANAGER};
use crate::operator::Operator;
use crate::queue::Again;
use crate::{cluster, topic};

/// Clusters worked on at a time, and clusters whose topics are worked on at a time.
const WORKERS: usize = 8;
/// Shorter than a Lease holds without renewal: what is still under way must end before somebody else may begin.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// What all parts of the process share.
#[derive(Clone)]
struct Process {
    options: RunOptions,
    client: Client,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Runs until SIGTERM or SIGINT, or until the Lease is lost.
pub(crate) async fn run(options: RunOptions) -> anyhow::Result<()> {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    stop_on_signals(&stop)?;
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let socket = TcpListener::bind(options.http_listen)
        .await
        .with_context(|| format!("bind {}", options.http_listen))?;
    tracing::info!(address = %socket.local_addr()?, "serving metrics and health");
    tasks.spawn(http::serve(socket, metrics.clone(), readiness.clone(), stop.clone()));
    let client = Client::try_default().await.context("find the API server")?;
    let candidate =
        Candidate::new(client.clone(), &options.namespace, &options.identity, options.lease_duration);
    let acquired = stop.run_until_cancelled(candidate.acquire(|reached| readiness.set(reached))).await;
    let Some(lease) = acquired else { return Ok(()) };
    let process = Process { options, client, metrics, readiness, stop, tasks };
    let outcome = tokio::select! {
        outcome = process.lead() => outcome,
        // Nothing of what is under way may go on.
        () = candidate.hold(lease) => std::process::exit(1),
    };
    process.end().await;
    candidate.release().await;
    outcome
}

impl Process {
    async fn lead(&self) -> anyhow::Result<()> {
        tracing::info!(identity = self.options.identity, "leading");
        self.readiness.set(false);
        self.metrics.lead(true);
        let Some(operator) = self.stop.run_until_cancelled(self.operator()).await.transpose()? else {
            return Ok(());
        };
        let operator = Arc::new(operator);
        for _ in 0..WORKERS {
            self.tasks.spawn(work_on_clusters(operator.clone(), self.stop.clone()));
            self.tasks.spawn(work_on_topics(operator.clone(), self.stop.clone()));
        }
        self.readiness.set(true);
        self.stop.cancelled().await;
        Ok(())
    }

    /// Begins to watch, and waits until everything there is has been seen.
    async fn operator(&self) -> anyhow::Result<Operator> {
        let queues = Arc::new(Queues::default());
        let watches = Watches {
            client: self.client.clone(),
            namespaces: self.options.scope.namespaces(),
            queues: queues.clone(),
            stop: self.stop.clone(),
            tasks: &self.tasks,
        };
        let reporter =
            Reporter { controller: MANAGER.to_owned(), instance: Some(self.options.identity.clone()) };
        let copies_zones = match self.options.copy_zones {
            Some(copies) => copies,
            None => zone::is_copied(&self.client).await.context("ask for the API server's version")?,
        };
        Ok(Operator {
            copies_zones,
            caches: watches.start().await?,
            queues,
            events: Recorder::new(self.client.clone(), reporter),
            sessions: Sessions::new(self.options.broker_address_override.clone()),
            normalised: Normalised::default(),
            client: self.client.clone(),
            options: self.options.clone(),
            metrics: self.metrics.clone(),
        })
    }

    async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some work did not end in time");
        }
    }
}

async fn work_on_clusters(operator: Arc<Operator>, stop: CancellationToken) {
    let queue = &operator.queues.clusters;
    while let Some(key) = stop.run_until_cancelled(queue.next()).await {
        let begun = Instant::now();
        let result = cluster::reconcile(&operator, &key).await;
        operator.metrics.passed("cluster", begun.elapsed());
        let again =
            result.unwrap_or_else(|error| failed(&operator, "cluster", &key, (error.reason(), &error)));
        queue.done(&key, again);
    }
}

async fn work_on_topics(operator: Arc<Operator>, stop: CancellationToken) {
    let queue = &operator.queues.topics;
    while let Some(key) = stop.run_until_cancelled(queue.next()).await {
        let begun = Instant::now();
        let result = topic::reconcile(&operator, &key).await;
        operator.metrics.passed("topic", begun.elapsed());
        let again = result.unwrap_or_else(|error| failed(&operator, "topic", &key, (error.reason(), &error)));
        queue.done(&key, again);
    }
}

fn failed(
    operator: &Operator,
    kind: &'static str,
    key: &ClusterKey,
    (reason, error): (&'static str, &dyn std::error::Error),
) -> Again {
    tracing::warn!(kind, cluster = %key, reason, %error, "a pass failed and is tried again");
    operator.metrics.failed(kind, reason);
    Again::Backoff
}

fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}
