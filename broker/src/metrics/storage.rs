//! What the logs and their directories count.

use std::fmt;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::cleaner::Cleaner;
use super::page::{Family, Page, family};

const REMAINING: Family = family("milena_recovery_logs_remaining", "Logs that the start has still to open");
const SCANNED: Family = family(
    "milena_recovery_scanned_bytes",
    "What the start read of logs because it follows a recovery point",
);

const OFFLINE: Family = family("milena_log_directory_offline", "Log directories that are full or failed");

/// Handles to the series; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageMetrics {
    remaining: Gauge,
    scanned: Counter,
    offline: Gauge,
    pub(crate) cleaner: Arc<Cleaner>,
}

impl StorageMetrics {
    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge(REMAINING, self.remaining.get())?;
        page.counter(SCANNED, self.scanned.get())?;
        page.gauge(OFFLINE, self.offline.get())?;
        self.cleaner.write(page)
    }

    /// A directory can no longer be used, or can again.
    pub(crate) fn directory_offline(&self, is_offline: bool) {
        if is_offline {
            self.offline.inc()
        } else {
            self.offline.dec()
        };
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
