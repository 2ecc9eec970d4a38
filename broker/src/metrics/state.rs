//! What the broker knows when the page is asked for: its state, the metadata, groups, memory in flight.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use milena_core::group::{ListFilter, Reply, Request};
use milena_core::lifecycle::State;
use milena_core::metadata::MetadataImage;

use super::page::{Family, Page, family};
use crate::broker::Broker;
use crate::quorum::{self, QuorumLeader};

/// How long the page waits for coordinators; those that answer later are missing from it.
const GROUPS_PATIENCE: Duration = Duration::from_millis(500);
/// Every state of a group, so that none of them is missing when it is 0.
const STATES: [&str; 4] = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"];

/// Groups that this broker coordinates, by state.
pub(super) type Groups = BTreeMap<&'static str, i64>;

/// Asks every coordinator that runs here.
pub(super) async fn count_groups(broker: &Broker) -> Groups {
    let request = Request::List(ListFilter::default());
    let asked = broker.coordinators.call_all(&request);
    let replies = tokio::time::timeout(GROUPS_PATIENCE, asked).await.unwrap_or_default();
    let mut groups: Groups = STATES.into_iter().map(|state| (state, 0)).collect();
    for reply in replies {
        if let Ok(Reply::List(listed)) = reply {
            listed.iter().for_each(|group| *groups.entry(group.state).or_default() += 1);
        }
    }
    groups
}

pub(super) fn write(broker: Option<&Broker>, groups: &Groups, page: &mut Page<'_>) -> fmt::Result {
    page.gauge(STATE, kafka_state(broker.map(Broker::state).unwrap_or_default()))?;
    page.gauge(IN_FLIGHT, broker.map_or(0, |broker| number(broker.request_memory.held_bytes())))?;
    let responses = broker.map_or(0, |broker| number(broker.response_memory.used_bytes()));
    page.gauge(RESPONSES, responses)?;
    page.gauges(GROUPS, groups.iter().map(|(state, count)| ([("state", *state)], *count)))?;
    write_snapshot(broker, page)?;
    write_quorum(&broker.map(|broker| broker.quorum.leader().borrow().clone()).unwrap_or_default(), page)?;
    write_metadata(&broker.map(Broker::image).unwrap_or_default(), page)
}

/// Kafka's `BrokerState`.
fn kafka_state(state: State) -> i64 {
    match state {
        State::NotRunning => 0,
        State::Starting => 1,
        State::Recovery => 2,
        State::Running => 3,
        State::PendingControlledShutdown => 6,
        State::ShuttingDown => 7,
    }
}

/// Without a snapshot all of it is 0.
fn write_snapshot(broker: Option<&Broker>, page: &mut Page<'_>) -> fmt::Result {
    let newest = broker.and_then(|broker| quorum::newest_snapshot(&broker.config));
    let (offset, file) = newest.map_or((0, None), |(offset, file)| (offset.0, Some(file)));
    let written = file.as_ref().and_then(|file| file.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    page.gauge(SNAPSHOT_OFFSET, offset)?;
    page.gauge(SNAPSHOT_SIZE, file.map_or(0, |file| file.len()))?;
    page.gauge(SNAPSHOT_TIME, written.unwrap_or_default().as_secs_f64())
}

fn write_quorum(leader: &QuorumLeader, page: &mut Page<'_>) -> fmt::Result {
    page.gauge(LEADER, leader.id.map_or(-1, |id| i64::from(id.0)))?;
    page.gauge(EPOCH, i64::from(leader.epoch.0))?;
    page.gauge(ACTIVE, i64::from(leader.is_local))
}

fn write_metadata(image: &MetadataImage, page: &mut Page<'_>) -> fmt::Result {
    let partitions = || image.topics().flat_map(|topic| topic.partitions());
    let offline = partitions().filter(|(_, partition)| partition.leader.0 < 0).count();
    let lagging =
        partitions().filter(|(_, partition)| partition.isr.len() < partition.replicas.len()).count();
    let fenced = image.brokers().filter(|broker| broker.fenced).count();
    page.gauge(OFFSET, image.next_offset().0 - 1)?;
    let level = image.features().get("metadata.version").copied().unwrap_or(0);
    page.gauge(VERSION, i64::from(level))?;
    page.gauge(BROKERS, number(image.brokers().count()))?;
    page.gauge(FENCED_BROKERS, number(fenced))?;
    page.gauge(TOPICS, number(image.topics().count()))?;
    page.gauge(PARTITIONS, number(partitions().count()))?;
    page.gauge(OFFLINE, number(offline))?;
    page.gauge(LAGGING, number(lagging))
}

fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const STATE: Family = family(
    "milena_broker_state",
    "Kafka's numbers: 0 not a broker, 1 starting, 2 recovering, 3 running, 6 handing over, 7 stopping",
);
const LEADER: Family = family("milena_quorum_leader", "Node that leads the metadata quorum, -1 if unknown");
const EPOCH: Family = family("milena_quorum_epoch", "Epoch of the metadata quorum");
const ACTIVE: Family = family("milena_active_controller", "1 where this process is the active controller");
const IN_FLIGHT: Family =
    family("milena_requests_in_flight_bytes", "Memory that large requests hold until they are answered");
const RESPONSES: Family =
    family("milena_responses_in_flight_bytes", "Memory that finished responses hold until they are sent");
const GROUPS: Family = family("milena_groups", "Groups that this broker coordinates");
const OFFSET: Family =
    family("milena_metadata_offset", "Offset of the last metadata record that took effect here");
const VERSION: Family = family("milena_metadata_version", "Finalized level of metadata.version");
const SNAPSHOT_OFFSET: Family =
    family("milena_metadata_snapshot_offset", "What lies below is in the newest metadata snapshot");
const SNAPSHOT_SIZE: Family =
    family("milena_metadata_snapshot_size_bytes", "Size of the newest metadata snapshot");
const SNAPSHOT_TIME: Family = family(
    "milena_metadata_snapshot_timestamp_seconds",
    "When the newest metadata snapshot was written, since the epoch",
);
const BROKERS: Family = family("milena_cluster_brokers", "Registered brokers");
const FENCED_BROKERS: Family = family("milena_cluster_fenced_brokers", "Registered brokers that are fenced");
const TOPICS: Family = family("milena_cluster_topics", "Topics of the cluster");
const PARTITIONS: Family = family("milena_cluster_partitions", "Partitions of the cluster");
const OFFLINE: Family = family("milena_cluster_offline_partitions", "Partitions that nobody leads");
const LAGGING: Family =
    family("milena_cluster_under_replicated_partitions", "Partitions with replicas that are not in sync");
