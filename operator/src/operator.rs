//! What every pass shares: the client, the caches, the options.

use std::sync::Arc;

use kube::runtime::events::Recorder;
use kube::{Client, Resource, ResourceExt};

use crate::cache::{Caches, Queues};
use crate::cli::RunOptions;
use crate::cluster::apply::Normalised;
use crate::crd::PAUSED;
use crate::kafka::Sessions;
use crate::metrics::Metrics;

pub(crate) struct Operator {
    pub(crate) client: Client,
    pub(crate) options: RunOptions,
    pub(crate) caches: Caches,
    pub(crate) queues: Arc<Queues>,
    /// Whether pods get the zone of their node from here.
    pub(crate) copies_zones: bool,
    pub(crate) sessions: Sessions,
    pub(crate) normalised: Normalised,
    pub(crate) events: Recorder,
    pub(crate) metrics: Metrics,
}

/// Whether somebody asked to leave this resource alone.
pub(crate) fn is_paused(resource: &impl Resource) -> bool {
    resource.annotations().get(PAUSED).is_some_and(|value| value == "true")
}
