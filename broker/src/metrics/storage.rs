//! What the logs and their directory count.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Handles to the series; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageMetrics {
    remaining: Gauge,
    scanned: Counter,
}

impl StorageMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let remaining = metrics.remaining.clone();
        registry.register("recovery_logs_remaining", "Logs that the start has still to open", remaining);
        registry.register_with_unit(
            "recovery_scanned",
            "What the start read of logs because it follows a recovery point",
            Unit::Bytes,
            metrics.scanned.clone(),
        );
        metrics
    }

    /// The start has `logs` to open.
    pub(crate) fn recovery_begins(&self, logs: usize) {
        self.remaining.set(i64::try_from(logs).unwrap_or(i64::MAX));
    }

    /// One was opened, or could not be.
    pub(crate) fn recovered(&self, scanned_bytes: u64) {
        self.remaining.dec();
        self.scanned.inc_by(scanned_bytes);
    }
}
