//! What the log cleaner did.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Histogram;
use super::page::{Family, Page, family};

const TIME: Family = family("milena_cleaner_time_seconds", "Cleaning a compacted log once");
const READ: Family = family("milena_cleaner_read_bytes", "Bytes of segments that were cleaned");
const WRITTEN: Family = family("milena_cleaner_written_bytes", "Bytes of them that were kept");

/// Finished cleanings; clones of [`super::StorageMetrics`] share it.
#[derive(Debug)]
pub(crate) struct Cleaner {
    time: Histogram,
    read: AtomicU64,
    written: AtomicU64,
}

impl Default for Cleaner {
    fn default() -> Self {
        Self { time: Histogram::of_times(), read: AtomicU64::new(0), written: AtomicU64::new(0) }
    }
}

impl Cleaner {
    /// A log was cleaned.
    pub(crate) fn cleaned(&self, bytes_before: u64, bytes_after: u64, time: Duration) {
        self.time.observe_time(time);
        self.read.fetch_add(bytes_before, Ordering::Relaxed);
        self.written.fetch_add(bytes_after, Ordering::Relaxed);
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.histogram(TIME, &self.time)?;
        page.counter(READ, self.read.load(Ordering::Relaxed))?;
        page.counter(WRITTEN, self.written.load(Ordering::Relaxed))
    }
}
