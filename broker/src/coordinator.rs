//! The group coordinators of this broker: one task for each partition of `__consumer_offsets` that it leads.
//!
//! Called by the handlers of group APIs with the group they are about, and by whoever follows the metadata image.
//! A group belongs to the partition that the hash of its id names; the leader of that partition coordinates it.
//!
//! - While a coordinator reads its log, callers wait for a moment and then hear COORDINATOR_LOAD_IN_PROGRESS.
//! - Where this broker does not lead, they hear NOT_COORDINATOR and look the coordinator up again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use milena_core::config::Properties;
use milena_core::config::broker::coordinators as keys;
use milena_core::group::{GroupSettings, Reply, Request};
use milena_core::metadata::{MetadataDelta, MetadataImage};
use milena_protocol::records::Compression;
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, PartitionIndex, TopicId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, RequestContext};
use crate::partitions::Partitions;
use journal::Journal;
use led::Led;
use task::{CALLS_MAX, Call, Settings};

mod journal;
mod led;
mod offsets_topic;
mod task;

/// The topic that remembers groups and their offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// How long a caller waits for a coordinator that is being loaded, before it is sent away.
const LOAD_PATIENCE: Duration = Duration::from_millis(500);

/// How long a coordinator that ended by itself stays down: its log may be one that cannot be read.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// The coordinators that run here.
pub(crate) struct Coordinators {
    node_id: NodeId,
    settings: Settings,
    running: Mutex<BTreeMap<PartitionIndex, Running>>,
    /// Counts the changes of `running`.
    changes: watch::Sender<u64>,
    creation: tokio::sync::Mutex<()>,
    /// No more are started.
    is_stopped: AtomicBool,
}

/// The leadership that a coordinator lives and dies with.
type Term = (TopicId, LeaderEpoch);

/// One coordinator.
struct Running {
    term: Term,
    calls: mpsc::Sender<Call>,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    started: Instant,
}

impl Running {
    fn may_start_again(&self) -> bool {
        self.task.is_finished() && self.started.elapsed() >= RESTART_PAUSE
    }
}

impl Coordinators {
    /// None so far.
    pub(crate) fn new(node_id: NodeId, properties: &Properties) -> Self {
        let codec = properties.int(&keys::OFFSETS_TOPIC_COMPRESSION_CODEC);
        let timeout_ms = properties.int(&keys::OFFSETS_COMMIT_TIMEOUT_MS);
        let settings = Settings {
            groups: GroupSettings::from(properties),
            commit_timeout: Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default()),
            compression: i16::try_from(codec).ok().and_then(Compression::from_id).unwrap_or_default(),
        };
        Self {
            node_id,
            settings,
            running: Mutex::default(),
            changes: watch::Sender::new(0),
            creation: tokio::sync::Mutex::default(),
            is_stopped: AtomicBool::default(),
        }
    }

    /// The partition that `group` belongs to. Creates the topic if this is the first group of all.
    pub(crate) async fn partition_for(
        &self,
        broker: &Arc<Broker>,
        context: &RequestContext,
        group: &str,
    ) -> Result<PartitionIndex, ErrorCode> {
        if let Some(partition) = partition_of(&broker.image(), group) {
            return Ok(partition);
        }
        // In a task of its own: a request that waits behind others of its connection must not keep the lock.
        let (creator, context) = (broker.clone(), context.clone());
        let created = crate::task::spawn(async move {
            // One creation at a time; whoever waited finds the topic.
            let _only = creator.coordinators.creation.lock().await;
            let is_missing = creator.image().topic(OFFSETS_TOPIC).is_none();
            if is_missing { offsets_topic::create(&creator, &context).await } else { Ok(()) }
        });
        created.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))?;
        partition_of(&broker.image(), group).ok_or(ErrorCode::CoordinatorNotAvailable)
    }

    /// Asks the coordinator of `group`.
    pub(crate) async fn call(
        &self,
        broker: &Broker,
        group: &str,
        request: Request,
    ) -> Result<Reply, ErrorCode> {
        let image = broker.image();
        let partition = partition_of(&image, group).ok_or(ErrorCode::NotCoordinator)?;
        let led = image.partition(OFFSETS_TOPIC, partition).filter(|led| led.leader == self.node_id);
        let epoch = led.ok_or(ErrorCode::NotCoordinator)?.leader_epoch;
        // Its log may have been missing, or failed, when this broker began to lead.
        if let Some(topic) = image.topic(OFFSETS_TOPIC) {
            let term = (topic.id, epoch);
            let stays = |running: &Running| running.term != term || !running.may_start_again();
            self.start_unless(&broker.partitions, partition, term, stays).ok();
        }
        drop(image);
        let calls = self.ready(partition).await?;
        ask(&calls, request).await
    }

    /// Asks every coordinator that runs here.
    pub(crate) async fn call_all(&self, request: &Request) -> Vec<Result<Reply, ErrorCode>> {
        let partitions: Vec<_> = self.table().keys().copied().collect();
        let asked = partitions.into_iter().map(|partition| async move {
            let calls = self.ready(partition).await?;
            ask(&calls, request.clone()).await
        });
        futures::future::join_all(asked).await
    }

    /// Waits until the coordinator of a partition led here serves.
    async fn ready(&self, partition: PartitionIndex) -> Result<mpsc::Sender<Call>, ErrorCode> {
        let serving = async {
            let mut changes = self.changes.subscribe();
            loop {
                let running = self.table().get(&partition).map(|one| (one.calls.clone(), one.ready.clone()));
                if let Some((calls, mut ready)) = running {
                    return ready
                        .wait_for(|ready| *ready)
                        .await
                        .map(|_| calls)
                        .map_err(|_| ErrorCode::NotCoordinator);
                }
                changes.changed().await.map_err(|_| ErrorCode::NotCoordinator)?;
            }
        };
        tokio::time::timeout(LOAD_PATIENCE, serving)
            .await
            .unwrap_or(Err(ErrorCode::CoordinatorLoadInProgress))
    }

    /// Starts and stops coordinators as leadership moves, and forgets offsets in topics that are gone. To be called
    /// after `partitions` has taken in the same change.
    pub(crate) fn apply(&self, partitions: &Partitions, delta: &MetadataDelta, image: &MetadataImage) {
        let topic = image.topic(OFFSETS_TOPIC);
        let led = topic.into_iter().flat_map(|topic| {
            let led = topic.partitions().filter(|(_, partition)| partition.leader == self.node_id);
            led.map(|(index, partition)| (index, (topic.id, partition.leader_epoch)))
        });
        let led: BTreeMap<_, _> = led.collect();
        self.stop_others(&led);
        for (index, term) in led {
            if let Err(code) = self.start_unless(partitions, index, term, |running| running.term == term) {
                tracing::warn!(%code, %index, "partition of groups is not there yet");
            }
        }
        self.forget_topics(delta);
    }

    fn start_unless(
        &self,
        partitions: &Partitions,
        index: PartitionIndex,
        term: Term,
        stays: impl Fn(&Running) -> bool,
    ) -> Result<(), ErrorCode> {
        let mut table = self.table();
        if !table.get(&index).is_some_and(stays) && !self.is_stopped.load(Ordering::Relaxed) {
            let led = Led::new(partitions.of(OFFSETS_TOPIC, index)?, term.1);
            table.insert(index, self.start(index, term, led));
            self.changes.send_modify(|changes| *changes += 1);
        }
        Ok(())
    }

    fn start(&self, index: PartitionIndex, term: Term, journal: impl Journal) -> Running {
        let (calls, received) = mpsc::channel(CALLS_MAX);
        let (serves, ready) = watch::channel(false);
        let stop = CancellationToken::new();
        let run = task::run(journal, self.settings.clone(), received, serves, stop.clone());
        let task = crate::task::spawn(run);
        tracing::debug!(%index, "group coordinator started");
        Running { term, calls, ready, stop, task, started: Instant::now() }
    }

    fn stop_others(&self, led: &BTreeMap<PartitionIndex, Term>) {
        self.table().retain(|index, running| {
            // A task that ended by itself lost its log; it starts anew if this broker leads again.
            let stays = led.get(index) == Some(&running.term) && !running.task.is_finished();
            if !stays {
                running.stop.cancel();
                tracing::debug!(%index, "group coordinator stopped");
            }
            stays
        });
    }

    fn forget_topics(&self, delta: &MetadataDelta) {
        let deleted: Vec<_> =
            delta.deleted_topics.iter().map(|topic| (topic.name.clone(), topic.id)).collect();
        if deleted.is_empty() {
            return;
        }
        let coordinators: Vec<_> = self.table().values().map(|running| running.calls.clone()).collect();
        crate::task::spawn(async move {
            for calls in coordinators {
                if let Err(code) = ask(&calls, Request::TopicsDeleted(deleted.clone())).await {
                    tracing::debug!(%code, "offsets of deleted topics stay");
                }
            }
        });
    }

    /// Ends every coordinator; whoever waits hears NOT_COORDINATOR.
    pub(crate) async fn stop(&self) {
        let running = {
            let mut table = self.table();
            self.is_stopped.store(true, Ordering::Relaxed);
            std::mem::take(&mut *table)
        };
        running.values().for_each(|one| one.stop.cancel());
        for one in running.into_values() {
            let _ = one.task.await;
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<PartitionIndex, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(calls: &mpsc::Sender<Call>, request: Request) -> Result<Reply, ErrorCode> {
    let (answer, answered) = oneshot::channel();
    calls.send(Call { request, answer }).await.map_err(|_| ErrorCode::NotCoordinator)?;
    answered.await.unwrap_or(Err(ErrorCode::NotCoordinator))
}

/// The partition of a group, if the topic exists.
fn partition_of(image: &MetadataImage, group: &str) -> Option<PartitionIndex> {
    let count = image.topic(OFFSETS_TOPIC)?.partition_count();
    (count > 0).then(|| PartitionIndex(java_hash(group).checked_abs().unwrap_or_default() % count))
}

/// Java's `String.hashCode`: over UTF-16 units, wrapping.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests;
