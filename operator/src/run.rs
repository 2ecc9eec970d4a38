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
use crate::http::{self, Readiness};
use crate::kafka::Sessions;
use crate::lease::Candidate;
use crate::metrics::Metrics;
use crate::names::{ClusterKey, MANAGER};
use crate::operator::Operator;
use crate::queue::{Again, Queue};
use crate::{cluster, topic};

/// Clusters worked on at a time, and clusters whose topics are worked on at a time.
const WORKERS: usize = 8;
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs until SIGTERM or SIGINT, or until the Lease is lost.
pub(crate) async fn run(options: RunOptions) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    stop_on_signals(&stop)?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let socket = TcpListener::bind(options.http_listen)
        .await
        .with_context(|| format!("bind {}", options.http_listen))?;
    tracing::info!(address = %socket.local_addr()?, "pages are served");
    tasks.spawn(http::serve(socket, metrics.clone(), readiness.clone(), stop.clone()));
    let client = Client::try_default().await.context("find the API server")?;
    let candidate =
        Candidate::new(client.clone(), &options.namespace, &options.identity, options.lease_duration);
    let acquired = stop.run_until_cancelled(candidate.acquire(|reached| readiness.set(reached))).await;
    let Some(lease) = acquired else { return Ok(()) };
    readiness.set(false);
    metrics.lead(true);
    tracing::info!(identity = options.identity, "leading");
    let lead = lead(client, options, metrics, &stop, &tasks, readiness);
    let outcome = tokio::select! {
        outcome = lead => outcome,
        () = candidate.hold(lease) => std::process::exit(1),
    };
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(STOP_TIMEOUT, tasks.wait()).await.is_err() {
        tracing::warn!("some work did not end in time");
    }
    candidate.release().await;
    outcome
}

async fn lead(
    client: Client,
    options: RunOptions,
    metrics: Metrics,
    stop: &CancellationToken,
    tasks: &TaskTracker,
    readiness: Readiness,
) -> anyhow::Result<()> {
    let queues = Arc::new(Queues::default());
    let watches = Watches {
        client: client.clone(),
        namespaces: options.scope.namespaces(),
        queues: queues.clone(),
        stop: stop.clone(),
        tasks,
    };
    let Some(caches) = stop.run_until_cancelled(watches.start()).await.transpose()? else { return Ok(()) };
    let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(options.identity.clone()) };
    let operator = Arc::new(Operator {
        events: Recorder::new(client.clone(), reporter),
        sessions: Sessions::new(options.broker_address_override.clone()),
        normalised: Normalised::default(),
        client,
        options,
        caches,
        queues,
        metrics,
    });
    for _ in 0..WORKERS {
        tasks.spawn(work_on_clusters(operator.clone(), stop.clone()));
        tasks.spawn(work_on_topics(operator.clone(), stop.clone()));
    }
    readiness.set(true);
    stop.cancelled().await;
    Ok(())
}

async fn work_on_clusters(operator: Arc<Operator>, stop: CancellationToken) {
    while let Some(key) = stop.run_until_cancelled(operator.queues.clusters.next()).await {
        let begun = Instant::now();
        let result = cluster::reconcile(&operator, &key).await;
        let result = result.map_err(|error| (error.reason(), error.to_string()));
        finish(&operator, "cluster", &operator.queues.clusters, key, begun, result);
    }
}

async fn work_on_topics(operator: Arc<Operator>, stop: CancellationToken) {
    while let Some(key) = stop.run_until_cancelled(operator.queues.topics.next()).await {
        let begun = Instant::now();
        let result = topic::reconcile(&operator, &key).await;
        let result = result.map_err(|error| (error.reason(), error.to_string()));
        finish(&operator, "topic", &operator.queues.topics, key, begun, result);
    }
}

fn finish(
    operator: &Operator,
    kind: &'static str,
    queue: &Queue,
    key: ClusterKey,
    begun: Instant,
    result: Result<Again, (&'static str, String)>,
) {
    operator.metrics.passed(kind, begun.elapsed());
    let again = result.unwrap_or_else(|(reason, error)| {
        tracing::warn!(kind, cluster = %key, reason, error, "a pass failed and is tried again");
        operator.metrics.failed(kind, reason);
        Again::Backoff
    });
    queue.done(&key, again);
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
