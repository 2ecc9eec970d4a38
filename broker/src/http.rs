//! The side door for machines: `/metrics`, `/livez`, `/readyz`.
//!
//! `/livez` says that the process turns its event loop and never depends on the quorum: restarting a broker does not
//! mend its peers. `/readyz` says that the logs are recovered and this broker is registered and unfenced; of a process
//! that is only a controller, that it knows a leader of the quorum.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::metrics::Metrics;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages show; the broker appears once its quorum runs.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) metrics: Metrics,
    pub(crate) broker: Arc<std::sync::OnceLock<Arc<Broker>>>,
}

/// Serves the pages on `socket` until `stop`.
pub(crate) async fn serve(socket: TcpListener, pages: Pages, stop: CancellationToken) {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(pages);
    let served =
        axum::serve(socket, router).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::error!(%error, "http listener failed");
    }
}

async fn ready(State(pages): State<Pages>) -> Response {
    match pages.broker.get().map_or(Err("recovering"), |broker| broker.readiness()) {
        Ok(()) => "ok\n".into_response(),
        Err(instead) => (StatusCode::SERVICE_UNAVAILABLE, format!("{instead}\n")).into_response(),
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    match pages.metrics.render(pages.broker.get().cloned()).await {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot write metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
