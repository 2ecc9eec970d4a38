//! What the operator counts, for `/metrics`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Seconds: 1 ms to 16 s.
fn pass_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 8))
}

type Labels = Vec<(&'static str, String)>;

#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    passes: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram>,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("milena_operator");
        let passes = Family::default();
        let failures = Family::default();
        let seconds = Family::new_with_constructor(pass_buckets as fn() -> Histogram);
        let leader = Gauge::default();
        registry.register("passes", "Passes over clusters and over the topics of a cluster", passes.clone());
        registry.register("failures", "Passes that failed, by reason", failures.clone());
        registry.register("pass_seconds", "Duration of passes", seconds.clone());
        registry.register("leader", "1 while this process holds the Lease", leader.clone());
        Self { registry: Arc::new(Mutex::new(registry)), passes, failures, seconds, leader }
    }
}

impl Metrics {
    pub(crate) fn passed(&self, kind: &'static str, took: Duration) {
        let labels = vec![("kind", kind.to_owned())];
        self.passes.get_or_create(&labels).inc();
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// `reason` is the name of an error's variant, so the number of series is bounded.
    pub(crate) fn failed(&self, kind: &'static str, reason: &str) {
        self.failures.get_or_create(&vec![("kind", kind.to_owned()), ("reason", reason.to_owned())]).inc();
    }

    pub(crate) fn lead(&self, leading: bool) {
        self.leader.set(i64::from(leading));
    }

    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}
