//! `/metrics`, `/livez` and `/readyz`.
//!
//! Ready is who does the work and has seen everything, or who stands by and reaches the API server: an update of the
//! Deployment must not wait for a Lease that the old pod holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Set by who knows; read by `/readyz`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn answer(&self) -> (StatusCode, &'static str) {
        if self.0.load(Ordering::Relaxed) {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

/// Serves the pages until `stop`.
pub(crate) async fn serve(
    socket: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) {
    let pages = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(move || async move { readiness.answer() }))
        .route(
            "/metrics",
            get(move || async move { metrics.text().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR) }),
        );
    let served =
        axum::serve(socket, pages).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::error!(%error, "the pages stopped");
    }
}
