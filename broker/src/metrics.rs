//! What the broker counts, in Prometheus form. Names are stable: `milena_` + noun + unit.
//!
//! Counting costs an atomic addition: the per-API series are made once and indexed by API key.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::dispatch;

mod storage;

pub(crate) use storage::StorageMetrics;

/// Upper bounds of the request time histogram, in seconds.
const REQUEST_SECONDS: [f64; 12] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

/// Handles to every series; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Series>);

struct Series {
    registry: Registry,
    /// Indexed by API key; `None` where the table has no such API.
    requests: Vec<Option<Histogram>>,
    received: Counter,
    sent: Counter,
    connections: Family<ListenerLabel, Gauge>,
    storage: StorageMetrics,
}

/// One open connection; dropping it counts it out.
pub(crate) struct OpenConnection(Gauge<i64, AtomicI64>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("milena");
        let time = Family::<ApiLabel, Histogram, fn() -> Histogram>::new_with_constructor(|| {
            Histogram::new(REQUEST_SECONDS)
        });
        registry.register_with_unit(
            "request_time",
            "From a decoded frame to its answer, by API",
            Unit::Seconds,
            time.clone(),
        );
        let received = Counter::default();
        registry.register_with_unit("received", "Bytes of requests", Unit::Bytes, received.clone());
        let sent = Counter::default();
        registry.register_with_unit("sent", "Bytes of responses", Unit::Bytes, sent.clone());
        let connections = Family::<ListenerLabel, Gauge>::default();
        registry.register("connections", "Open client connections, by listener", connections.clone());
        let apis = dispatch::advertised();
        let keys = apis.iter().map(|api| api.key).max().unwrap_or(0);
        let requests = (0..=keys)
            .map(|key| apis.iter().find(|api| api.key == key))
            .map(|api| api.map(|api| time.get_or_create_owned(&ApiLabel { api: api.name })))
            .collect();
        let storage = StorageMetrics::register(&mut registry);
        Self(Arc::new(Series { registry, requests, received, sent, connections, storage }))
    }

    /// Counts an answered request.
    pub(crate) fn request(&self, key: i16, time: Duration) {
        let series = usize::try_from(key).ok().and_then(|key| self.0.requests.get(key)?.as_ref());
        if let Some(histogram) = series {
            histogram.observe(time.as_secs_f64());
        }
    }

    pub(crate) fn bytes_received(&self, bytes: usize) {
        self.0.received.inc_by(bytes as u64);
    }

    pub(crate) fn bytes_sent(&self, bytes: usize) {
        self.0.sent.inc_by(bytes as u64);
    }

    /// Counts a connection until the returned value is dropped.
    pub(crate) fn connection_opened(&self, listener: &str) -> OpenConnection {
        let gauge = self.0.connections.get_or_create_owned(&ListenerLabel { listener: listener.to_owned() });
        gauge.inc();
        OpenConnection(gauge)
    }

    /// What the logs count.
    pub(crate) fn storage(&self) -> StorageMetrics {
        self.0.storage.clone()
    }

    /// The text exposition of every series.
    pub(crate) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}
