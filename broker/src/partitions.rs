//! The partitions of this broker: found by name or topic id, opened, changed and deleted as the metadata image says.
//!
//! Look-ups read an immutable map and never wait. [`Partitions::apply`] is called once per new image, in order, before
//! the image is shown to anybody: whoever sees a topic can use it. A deleted partition's folder is renamed at once and
//! removed in the background.
//!
//! The quorum formats the log directories before they come here, when they are locked. `__cluster_metadata-0` in one of
//! them belongs to the quorum and is left alone. Where a log is not in the directory that its record names, the
//! controller is told ([`Assignments`]).

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytestring::ByteString;
use milena_core::config::Properties;
use milena_core::config::effective::TopicConfig;
use milena_core::metadata::{MetadataDelta, MetadataImage, PartitionImage, TopicImage};
use milena_core::partition::{Leadership, LiveBroker};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId, Uuid};
use milena_storage::{Disk, PartitionKey};

use crate::config::{Config, LiveProperties};
use crate::metrics::StorageMetrics;
use crate::partition::Partition;
use crate::quorum::Directory;
use crate::throttle::Throttle;

mod assignments;
mod checkpoints;
mod compact;
mod deletion;
mod dir_failure;
mod health;
mod hosting;
mod log_dir;
mod maintain;
mod moves;
mod producer_ids;
mod recover;
mod resume;

pub(crate) use assignments::Assignments;
use deletion::Condemned;
pub(crate) use deletion::NewStart;
use log_dir::LogDirs;
pub(crate) use log_dir::{LogDir, absolute};
use moves::Moves;
use producer_ids::ProducerIds;
use recover::key_of;

/// The partitions on this broker. Clones share them.
#[derive(Clone)]
pub(crate) struct Partitions(Arc<Inner>);

struct Inner {
    node_id: NodeId,
    disk: Arc<dyn Disk>,
    dirs: LogDirs,
    properties: Properties,
    live: LiveProperties,
    /// The logs are open, so that it depends on this run how the next one finds them.
    is_recovered: AtomicBool,
    hosted: ArcSwap<Hosted>,
    metrics: StorageMetrics,
    assignments: Assignments,
    moves: Moves,
    /// One change at a time.
    changes: Mutex<()>,
    producer_ids: ProducerIds,
    condemned: Condemned,
}

/// What is there, and the image that says so.
#[derive(Clone, Default)]
struct Hosted {
    image: MetadataImage,
    by_id: imbl::HashMap<TopicId, Arc<HostedTopic>>,
    by_name: imbl::HashMap<ByteString, Arc<HostedTopic>>,
}

/// The partitions of one topic that are here.
type HostedTopic = BTreeMap<PartitionIndex, Arc<Partition>>;

impl Partitions {
    /// Takes over the log directories, which are locked and formatted. No log is opened yet.
    pub(crate) fn open(
        config: &Config,
        directories: &[Directory],
        disk: Arc<dyn Disk>,
        live: LiveProperties,
        metrics: StorageMetrics,
    ) -> anyhow::Result<Self> {
        let dirs = LogDirs::open(config, directories, &*disk, (live.clone(), &metrics))?;
        let moves = Moves::new(Throttle::of_moves(&live));
        Ok(Self(Arc::new(Inner {
            node_id: config.node_id,
            disk,
            dirs,
            properties: config.properties.clone(),
            live,
            is_recovered: AtomicBool::new(false),
            hosted: ArcSwap::default(),
            metrics,
            assignments: Assignments::default(),
            moves,
            changes: Mutex::new(()),
            producer_ids: ProducerIds::default(),
            condemned: Condemned::default(),
        })))
    }

    /// Remembers, in the background, under which epoch this broker is registered.
    pub(crate) fn mark_run(&self, broker_epoch: i64) {
        let partitions = self.clone();
        drop(crate::task::spawn_blocking(move || {
            partitions.0.dirs.mark_run(&*partitions.0.disk, broker_epoch)
        }));
    }

    /// The epoch that this broker had when it last ended with all it had written; none after a crash of the machine.
    pub(crate) fn previous_broker_epoch(&self) -> Option<i64> {
        self.0.dirs.previous_broker_epoch()
    }

    /// The log directories.
    pub(crate) fn dirs(&self) -> &[Arc<LogDir>] {
        self.0.dirs.all()
    }

    /// The ids of the log directories that take no new replicas.
    pub(crate) fn cordoned(&self) -> Vec<Uuid> {
        self.0.dirs.cordoned()
    }

    /// What the controller is told of the directories of logs.
    pub(crate) fn assignments(&self) -> &Assignments {
        &self.0.assignments
    }

    /// The partition of a topic's name.
    pub(crate) fn of(&self, topic: &str, index: PartitionIndex) -> Result<Arc<Partition>, ErrorCode> {
        let hosted = self.0.hosted.load();
        match hosted.by_name.get(topic).and_then(|partitions| partitions.get(&index)) {
            Some(partition) => Ok(partition.clone()),
            None => Err(match hosted.image.partition(topic, index) {
                Some(image) => self.0.absence(image),
                None => ErrorCode::UnknownTopicOrPartition,
            }),
        }
    }

    /// The partition of a topic's id.
    pub(crate) fn of_id(&self, topic: TopicId, index: PartitionIndex) -> Result<Arc<Partition>, ErrorCode> {
        let hosted = self.0.hosted.load();
        match hosted.by_id.get(&topic).and_then(|partitions| partitions.get(&index)) {
            Some(partition) => Ok(partition.clone()),
            None => Err(match hosted.image.topic_by_id(topic).map(|topic| topic.partition(index)) {
                Some(Some(image)) => self.0.absence(image),
                Some(None) => ErrorCode::UnknownTopicOrPartition,
                None => ErrorCode::UnknownTopicId,
            }),
        }
    }

    /// Every partition here.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.0.hosted.load().partitions().cloned().collect()
    }

    /// Brings what is here in line with `image`, which differs by `delta` from the one before.
    pub(crate) fn apply(&self, delta: &MetadataDelta, image: &MetadataImage) {
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hosted = Hosted::clone(&self.0.hosted.load());
        hosted.image = image.clone();
        // A topic may be created again under the name of one that is deleted, so the old folders move first.
        let deleted: Vec<_> = delta.deleted_topics.iter().flat_map(|topic| hosted.remove(topic)).collect();
        self.0.delete(&deleted);
        self.0.forget(&delta.deleted_topics, &hosted);
        let mut removed = Vec::new();
        for topic in &delta.created_topics {
            self.host(&mut hosted, topic, &mut removed);
        }
        for (_, topic) in &delta.changed_topics {
            self.host(&mut hosted, topic, &mut removed);
        }
        if !delta.changed_brokers.is_empty() {
            hosted.partitions().for_each(|partition| partition.see_brokers(&|node| live_broker(image, node)));
        }
        self.configure(&hosted, delta);
        self.0.delete(&removed);
        if !removed.is_empty() {
            self.0.write_without_deleted(&hosted);
        }
        self.0.hosted.store(Arc::new(hosted));
    }

    /// Opens the partitions of `topic` that belong here, updates those that are here, takes out the others.
    fn host(&self, hosted: &mut Hosted, topic: &TopicImage, removed: &mut Vec<Arc<Partition>>) {
        let mut partitions =
            hosted.by_id.get(&topic.id).map(|topic| HostedTopic::clone(topic)).unwrap_or_default();
        let config = OnceCell::new();
        let config = || config.get_or_init(|| self.0.topic_config(&hosted.image, &topic.name)).clone();
        for (index, image) in topic.partitions() {
            if !image.replicas.contains(&self.0.node_id) {
                removed.extend(partitions.remove(&index));
                continue;
            }
            let partition = match partitions.get(&index) {
                Some(partition) => Ok(partition.clone()),
                None => match self.0.place(topic, (index, image)) {
                    Some(dir) => self.0.make_partition(topic, index, config(), &dir).map(Arc::new),
                    None => continue,
                },
            };
            match partition {
                Ok(partition) => {
                    self.0.take_role(&hosted.image, &partition, image);
                    self.0.tell_directory(&partition, image);
                    partitions.insert(index, partition);
                }
                Err(()) => continue,
            }
        }
        hosted.put(topic, partitions);
    }

    fn configure(&self, hosted: &Hosted, delta: &MetadataDelta) {
        let all = delta.broker_configs_changed();
        let changed = delta.changed_topic_configs().filter_map(|name| hosted.by_name.get(name));
        let topics: Vec<&Arc<HostedTopic>> =
            if all { hosted.by_name.values().collect() } else { changed.collect() };
        for topic in topics {
            let Some((_, first)) = topic.first_key_value() else { continue };
            let config = self.0.topic_config(&hosted.image, &first.topic);
            topic.values().for_each(|partition| partition.configure(config.clone()));
        }
    }
}

impl Hosted {
    fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.by_id.values().flat_map(|topic| topic.values())
    }

    fn put(&mut self, topic: &TopicImage, partitions: HostedTopic) {
        let partitions = Arc::new(partitions);
        self.by_id.insert(topic.id, partitions.clone());
        self.by_name.insert(topic.name.clone(), partitions);
    }

    fn remove(&mut self, topic: &TopicImage) -> Vec<Arc<Partition>> {
        self.by_name.remove(&topic.name);
        let partitions = self.by_id.remove(&topic.id);
        partitions.map(|topic| topic.values().cloned().collect()).unwrap_or_default()
    }
}

impl Inner {
    /// Why a partition of the image is not here.
    fn absence(&self, image: &PartitionImage) -> ErrorCode {
        let belongs_here = image.replicas.contains(&self.node_id);
        if belongs_here { ErrorCode::KafkaStorageError } else { ErrorCode::NotLeaderOrFollower }
    }

    fn topic_config(&self, image: &MetadataImage, topic: &str) -> Arc<TopicConfig> {
        Arc::new(image.topic_config(self.node_id, topic, &self.properties))
    }

    /// Takes deleted topics out of what the files beside the logs say.
    fn forget(&self, deleted: &[TopicImage], hosted: &Hosted) {
        if deleted.is_empty() {
            return;
        }
        let is_deleted = |key: &PartitionKey| deleted.iter().any(|topic| *topic.name == *key.topic);
        self.dirs.all().iter().for_each(|dir| dir.unopened().retain(|key, _| !is_deleted(key)));
        self.write_without_deleted(hosted);
    }

    fn write_without_deleted(&self, hosted: &Hosted) {
        if let Err(error) = self.write_checkpoints(hosted) {
            tracing::error!(%error, "cannot take a deleted log out of the checkpoints");
        }
    }

    /// Leads, follows or does neither, as `assigned` says, which is of `image`.
    fn take_role(&self, image: &MetadataImage, partition: &Partition, assigned: &PartitionImage) {
        let (epoch, partition_epoch) = (assigned.leader_epoch, assigned.partition_epoch);
        if assigned.leader == self.node_id {
            let (replicas, isr) = (assigned.replicas.clone(), assigned.isr.clone());
            let leadership = Leadership { epoch, partition_epoch, replicas, isr };
            partition.lead(leadership, &|node| live_broker(image, node));
        } else if assigned.leader == NodeId::NONE {
            partition.resign(epoch);
        } else {
            partition.follow(epoch, partition_epoch);
        }
    }

    /// Renames the folders of partitions that are no longer here; they are removed in the background, later.
    fn delete(&self, removed: &[Arc<Partition>]) {
        for partition in removed {
            self.cancel_move(partition);
            let dir = partition.dir();
            dir.loses_log();
            let renamed = dir.folder.join(key_of(partition).deleted_folder(Uuid::new_v4()));
            match partition.retire(|folder| self.disk.rename(folder, &renamed)) {
                Ok(()) => self.condemned.add(renamed, partition.file_delete_delay_ms()),
                Err(error) => tracing::error!(folder = %renamed.display(), %error, "cannot rename log"),
            }
        }
    }
}

fn live_broker(image: &MetadataImage, node: NodeId) -> Option<LiveBroker> {
    let broker = image.broker(node).filter(|broker| !broker.fenced)?;
    Some(LiveBroker { epoch: broker.epoch, is_stopping: broker.in_controlled_shutdown })
}

fn key(topic: &TopicImage, index: PartitionIndex) -> PartitionKey {
    PartitionKey { topic: topic.name.to_string(), index }
}

#[cfg(test)]
mod tests;
