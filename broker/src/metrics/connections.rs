//! Connections by listener: open, accepted and closed; refused, delayed and expired by their limits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::page::{Family, Page, family};

/// The series of every listener that had a connection.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<BTreeMap<String, Arc<Listener>>>);

/// The series of one listener.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    accepted: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    delayed: AtomicU64,
    expired: AtomicU64,
}

impl Listener {
    /// An address had as many connections as it may have.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection had to wait for a limit before it was accepted.
    pub(crate) fn delayed(&self) {
        self.delayed.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was idle for too long.
    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    fn open(&self) -> i64 {
        let closed = self.closed.load(Ordering::Relaxed);
        i64::try_from(self.accepted.load(Ordering::Relaxed).saturating_sub(closed)).unwrap_or(i64::MAX)
    }
}

/// One open connection; dropping it counts it out.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Listener>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Connections {
    /// Counts a connection until the returned value is dropped.
    pub(crate) fn accepted(&self, listener: &str) -> OpenConnection {
        let series = self.of(listener);
        series.accepted.fetch_add(1, Ordering::Relaxed);
        OpenConnection(series)
    }

    /// The series of `listener`.
    pub(crate) fn of(&self, listener: &str) -> Arc<Listener> {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match listeners.get(listener) {
            Some(series) => series.clone(),
            None => listeners.entry(listener.to_owned()).or_default().clone(),
        }
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let each = |of: fn(&Listener) -> u64| {
            listeners.iter().map(move |(name, series)| ([("listener", name.as_str())], of(series)))
        };
        let open = listeners.iter().map(|(name, series)| ([("listener", name.as_str())], series.open()));
        page.gauges(OPEN, open)?;
        page.counters(ACCEPTED, each(|series| series.accepted.load(Ordering::Relaxed)))?;
        page.counters(CLOSED, each(|series| series.closed.load(Ordering::Relaxed)))?;
        page.counters(REFUSED, each(|series| series.refused.load(Ordering::Relaxed)))?;
        page.counters(DELAYED, each(|series| series.delayed.load(Ordering::Relaxed)))?;
        page.counters(EXPIRED, each(|series| series.expired.load(Ordering::Relaxed)))
    }
}

const OPEN: Family = family("milena_connections", "Open connections");
const ACCEPTED: Family = family("milena_connections_accepted", "Connections accepted");
const CLOSED: Family = family("milena_connections_closed", "Connections that have ended");
const REFUSED: Family =
    family("milena_connections_refused", "Connections of an address that had as many as it may have");
const DELAYED: Family =
    family("milena_connections_delayed", "Connections that waited for a limit before they were accepted");
const EXPIRED: Family = family("milena_connections_expired", "Connections that were idle for too long");
