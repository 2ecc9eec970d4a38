//! What this broker follows: each partition by one fetcher of its leader, `num.replica.fetchers` of them per leader.
//!
//! [`Followers::apply`] is called once per new image, after the partitions have acted on it. A fetcher is a task with one
//! connection to the leader's listener among brokers; it ends when nothing is left to it. What it may do with a log
//! the partition decides, under its lock and for one leader epoch.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use milena_core::config::broker::server;
use milena_core::follower::{FetcherSettings, Key};
use milena_core::metadata::{MetadataDelta, TopicImage};
use milena_protocol::{LeaderEpoch, NodeId, Offset};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::partition::{Cut, Partition};
use crate::partitions::Partitions;
use crate::quorum::QuorumHandle;
use crate::task;
use crate::throttle::Throttle;

mod fetching;
mod link;

use fetching::Fetching;
use link::Links;

/// What every fetcher needs.
pub(crate) struct Surroundings {
    pub(crate) quorum: QuorumHandle,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) partitions: Partitions,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) stop: CancellationToken,
}

/// All fetchers; clones share them.
#[derive(Clone)]
pub(crate) struct Followers(Arc<Shared>);

struct Shared {
    settings: FetcherSettings,
    per_leader: u64,
    links: Links,
    partitions: Partitions,
    throttle: Arc<Throttle>,
    stop: CancellationToken,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    fetchers: BTreeMap<FetcherId, Arc<Fetching>>,
    assigned: HashMap<Key, FetcherId>,
}

/// One of the fetchers of a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FetcherId {
    leader: NodeId,
    number: u64,
}

impl Followers {
    /// Follows nothing yet.
    pub(crate) fn new(config: &Config, surroundings: Surroundings) -> Self {
        let Surroundings { quorum, lifecycle, partitions, throttle, stop } = surroundings;
        let properties = &config.properties;
        let settings = FetcherSettings {
            node_id: config.node_id,
            wait_ms_max: properties.int(&server::REPLICA_FETCH_WAIT_MAX_MS),
            bytes_min: properties.int(&server::REPLICA_FETCH_MIN_BYTES),
            response_bytes_max: properties.int(&server::REPLICA_FETCH_RESPONSE_MAX_BYTES),
            partition_bytes_max: properties.int(&server::REPLICA_FETCH_MAX_BYTES),
            backoff_ms: properties.int(&server::REPLICA_FETCH_BACKOFF_MS).into(),
        };
        Self(Arc::new(Shared {
            settings,
            per_leader: u64::try_from(properties.int(&server::NUM_REPLICA_FETCHERS)).unwrap_or(1).max(1),
            links: Links::new(config, quorum, lifecycle),
            partitions,
            throttle,
            stop,
            table: Mutex::default(),
        }))
    }

    /// Follows what the new image says, which differs by `delta` from the one before.
    pub(crate) fn apply(&self, delta: &MetadataDelta) {
        for topic in &delta.deleted_topics {
            self.forget(topic);
        }
        let changed = delta.changed_topics.iter().map(|(_, topic)| topic);
        for topic in delta.created_topics.iter().chain(changed) {
            self.see(topic);
        }
    }

    fn forget(&self, topic: &TopicImage) {
        for (partition, _) in topic.partitions() {
            self.release(Key { topic_id: topic.id, partition });
        }
    }

    fn see(&self, topic: &TopicImage) {
        let node_id = self.0.settings.node_id;
        for (index, assigned) in topic.partitions() {
            let key = Key { topic_id: topic.id, partition: index };
            let is_followed = assigned.leader != NodeId::NONE
                && assigned.leader != node_id
                && assigned.replicas.contains(&node_id);
            match self.0.partitions.of_id(topic.id, index) {
                Ok(partition) if is_followed => {
                    self.follow(key, &partition, (assigned.leader, assigned.leader_epoch));
                }
                _ => self.release(key),
            }
        }
    }

    fn follow(&self, key: Key, partition: &Arc<Partition>, (leader, epoch): (NodeId, LeaderEpoch)) {
        let id = FetcherId { leader, number: number_of(key, self.0.per_leader) };
        let (is_elsewhere, is_followed) = {
            let table = self.table();
            let follows = |fetching: &Arc<Fetching>| !fetching.is_over() && fetching.follows(key, epoch);
            let assigned = table.assigned.get(&key);
            (
                assigned.is_some_and(|it| *it != id),
                assigned == Some(&id) && table.fetchers.get(&id).is_some_and(follows),
            )
        };
        if is_followed {
            return;
        }
        if is_elsewhere {
            self.release(key);
        }
        self.cut_unproven(partition, epoch);
        let mut table = self.table();
        table.assigned.insert(key, id);
        if let Some(fetching) = table.fetchers.get(&id).filter(|fetching| !fetching.is_over()) {
            fetching.follow(key, partition.clone(), epoch);
            return;
        }
        let fetching = Arc::new(Fetching::new(leader, self.0.settings, self.0.throttle.clone()));
        fetching.follow(key, partition.clone(), epoch);
        table.fetchers.insert(id, fetching.clone());
        let (shared, run) = (self.0.clone(), fetching);
        task::spawn(async move { run.run(&shared.links, &shared.partitions, &shared.stop).await });
    }

    /// Records without epochs cannot be compared with the leader's.
    fn cut_unproven(&self, partition: &Partition, epoch: LeaderEpoch) {
        let position = partition.position();
        if position.last_epoch != LeaderEpoch::NONE || position.log_end == Offset::ZERO {
            return;
        }
        let cut = partition.cut(epoch, Cut::Unproven).is_ok();
        if cut && let Err(error) = self.0.partitions.note_recovery_points() {
            tracing::error!(%error, "cannot write recovery points");
        }
    }

    fn release(&self, key: Key) {
        let mut table = self.table();
        if let Some(id) = table.assigned.remove(&key)
            && let Some(fetching) = table.fetchers.get(&id)
            && fetching.forget(key)
        {
            table.fetchers.remove(&id);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number_of(key: Key, per_leader: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() % per_leader
}
