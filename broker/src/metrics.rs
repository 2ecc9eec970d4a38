//! What the broker counts, in Prometheus form; docs/metrics.md lists every metric and a test holds it against the page.
//!
//! Names are stable: `milena_` + noun + unit. What happens on the way of a request costs relaxed additions to atomics
//! that were made before ([`Requests`], [`Traffic`] inside each partition); everything that already is a number somewhere
//! (offsets, sizes, groups) is read when the page is asked for.
//!
//! The page is bounded: an API shows itself with its first request, and topics and partitions up to
//! [`partitions::PARTITIONS_MAX`].

use std::fmt;
use std::sync::Arc;

use milena_storage::Disk;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::broker::Broker;
use crate::task;

mod cleaner;
mod connections;
mod disk;
mod histogram;
mod page;
mod partitions;
mod process;
mod requests;
mod state;
mod storage;

use connections::Connections;
pub(crate) use histogram::Histogram;
pub(crate) use partitions::Traffic;
pub(crate) use requests::{Requests, Timing};
pub(crate) use storage::StorageMetrics;

use page::{Family, Page, family};

const SYNC_TIME: Family = family(
    "milena_fsync_time_seconds",
    "Making files and folders durable: logs, the metadata log, checkpoints, snapshots",
);

/// Handles to every series; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Series>);

/// The series by noun.
pub(crate) struct Series {
    pub(crate) requests: Requests,
    pub(crate) connections: Connections,
    pub(crate) storage: StorageMetrics,
    sync_time: Arc<Histogram>,
    process: process::Process,
}

impl std::ops::Deref for Metrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Series {
            requests: Requests::new(),
            connections: Connections::default(),
            storage: StorageMetrics::default(),
            sync_time: Arc::new(Histogram::of_times()),
            process: process::Process::started_now(),
        }))
    }

    /// `disk`, with the time measured that it takes to make something durable.
    pub(crate) fn measure(&self, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        Arc::new(disk::MeasuredDisk::new(disk, self.sync_time.clone()))
    }

    /// The text exposition of every series. `broker` is absent until it is recovered. May wait for a partition's lock.
    pub(crate) async fn render(&self, broker: Option<Arc<Broker>>) -> anyhow::Result<String> {
        let groups = match &broker {
            Some(broker) => state::count_groups(broker).await,
            None => state::Groups::default(),
        };
        let scrape = Scrape { metrics: self.clone(), broker, groups };
        task::spawn_blocking(move || {
            let mut registry = Registry::default();
            registry.register_collector(Box::new(scrape));
            let mut text = String::new();
            text::encode(&mut text, &registry)?;
            Ok(text)
        })
        .await?
    }
}

/// One page in the making.
struct Scrape {
    metrics: Metrics,
    broker: Option<Arc<Broker>>,
    groups: state::Groups,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        self.metrics.requests.write(&mut page)?;
        self.metrics.connections.write(&mut page)?;
        partitions::write(self.broker.as_deref(), &mut page)?;
        self.metrics.storage.write(&mut page)?;
        page.histogram(SYNC_TIME, &self.metrics.sync_time)?;
        state::write(self.broker.as_deref(), &self.groups, &mut page)?;
        self.metrics.process.write(&mut page)
    }
}
