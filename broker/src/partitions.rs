//! The partitions of this broker: found by name or topic id, opened, changed and deleted as the metadata image says.
//!
//! Look-ups read an immutable map and never wait. [`Partitions::apply`] is called once per new image, in order, before
//! the image is shown to anybody: whoever sees a topic can use it. A deleted partition's folder is renamed at once and
//! removed in the background.
//!
//! The quorum locks and formats the log directory before it comes here. `__cluster_metadata-0` in it belongs to the
//! quorum and is left alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytestring::ByteString;
use milena_core::config::Properties;
use milena_core::metadata::{MetadataDelta, MetadataImage, PartitionImage, TopicImage};
use milena_core::partition::Leadership;
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId, Uuid};
use milena_storage::{CleanShutdown, Disk, Opening, PartitionKey, StorageError, dir};

use crate::config::{Config, LiveProperties};
use crate::partition::{Opened, Partition};

mod deletion;
mod maintain;
mod producer_ids;
mod recover;

pub(crate) use deletion::NewStart;
use producer_ids::ProducerIds;
use recover::key_of;

/// The partitions on this broker. Clones share them.
#[derive(Clone)]
pub(crate) struct Partitions(Arc<Inner>);

struct Inner {
    node_id: NodeId,
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    properties: Properties,
    live: LiveProperties,
    /// The last run ended in order.
    is_clean: bool,
    hosted: ArcSwap<Hosted>,
    /// One change at a time.
    changes: Mutex<()>,
    producer_ids: ProducerIds,
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
    /// Takes over a log directory that the quorum has locked and formatted. No log is opened yet.
    pub(crate) fn open(config: &Config, disk: Arc<dyn Disk>, live: LiveProperties) -> anyhow::Result<Self> {
        let folder = config.log_dir.clone();
        disk.create_dir_all(&folder).with_context(|| format!("make log directory {}", folder.display()))?;
        let is_clean = CleanShutdown::take(&*disk, &folder)?.is_some();
        Ok(Self(Arc::new(Inner {
            node_id: config.node_id,
            disk,
            folder,
            properties: config.properties.clone(),
            live,
            is_clean,
            hosted: ArcSwap::default(),
            changes: Mutex::new(()),
            producer_ids: ProducerIds::default(),
        })))
    }

    /// The partition of a topic's name.
    pub(crate) fn of(&self, topic: &str, index: PartitionIndex) -> Result<Arc<Partition>, ErrorCode> {
        let hosted = self.0.hosted.load();
        match hosted.by_name.get(topic).and_then(|partitions| partitions.get(&index)) {
            Some(partition) => Ok(partition.clone()),
            None if hosted.image.partition(topic, index).is_some() => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// The partition of a topic's id.
    pub(crate) fn of_id(&self, topic: TopicId, index: PartitionIndex) -> Result<Arc<Partition>, ErrorCode> {
        let hosted = self.0.hosted.load();
        match hosted.by_id.get(&topic).and_then(|partitions| partitions.get(&index)) {
            Some(partition) => Ok(partition.clone()),
            None => Err(match hosted.image.topic_by_id(topic).map(|topic| topic.partition(index)) {
                Some(Some(_)) => ErrorCode::NotLeaderOrFollower,
                Some(None) => ErrorCode::UnknownTopicOrPartition,
                None => ErrorCode::UnknownTopicId,
            }),
        }
    }

    /// Every partition here.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.0.hosted.load().by_id.values().flat_map(|topic| topic.values()).cloned().collect()
    }

    /// Brings what is here in line with `image`, which differs by `delta` from the one before.
    pub(crate) fn apply(&self, delta: &MetadataDelta, image: &MetadataImage) {
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hosted = Hosted::clone(&self.0.hosted.load());
        hosted.image = image.clone();
        // A topic may be created again under the name of one that is deleted, so the old folders move first.
        let deleted: Vec<_> = delta.deleted_topics.iter().flat_map(|topic| hosted.remove(topic)).collect();
        self.0.delete(&deleted);
        if !deleted.is_empty() {
            self.0.forget_checkpoints(&hosted);
        }
        let mut removed = Vec::new();
        for topic in &delta.created_topics {
            self.host(&mut hosted, topic, &mut removed);
        }
        for (_, topic) in &delta.changed_topics {
            self.host(&mut hosted, topic, &mut removed);
        }
        self.configure(&hosted, delta);
        self.0.delete(&removed);
        if !removed.is_empty() {
            self.0.forget_checkpoints(&hosted);
        }
        self.0.hosted.store(Arc::new(hosted));
    }

    /// Opens the partitions of `topic` that belong here, updates those that are here, takes out the others.
    fn host(&self, hosted: &mut Hosted, topic: &TopicImage, removed: &mut Vec<Arc<Partition>>) {
        let mut partitions =
            hosted.by_id.get(&topic.id).map(|topic| HostedTopic::clone(topic)).unwrap_or_default();
        for (index, image) in topic.partitions() {
            if !image.replicas.contains(&self.0.node_id) {
                removed.extend(partitions.remove(&index));
                continue;
            }
            let partition = match partitions.get(&index) {
                Some(partition) => Ok(partition.clone()),
                None => self.0.make_partition(&hosted.image, topic, index).map(Arc::new),
            };
            match partition {
                Ok(partition) => {
                    self.0.take_role(&partition, image);
                    partitions.insert(index, partition);
                }
                Err(error) => {
                    tracing::error!(topic = %topic.name, partition = index.0, %error, "cannot open log");
                }
            }
        }
        hosted.put(topic, partitions);
    }

    fn configure(&self, hosted: &Hosted, delta: &MetadataDelta) {
        let all = delta.broker_configs_changed();
        let changed = delta.changed_topic_configs().filter_map(|name| hosted.by_name.get(name));
        let topics: Vec<&Arc<HostedTopic>> =
            if all { hosted.by_name.values().collect() } else { changed.collect() };
        for partition in topics.into_iter().flat_map(|topic| topic.values()) {
            let config = hosted.image.topic_config(self.0.node_id, &partition.topic, &self.0.properties);
            partition.configure(config);
        }
    }
}

impl Hosted {
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
    /// Opens a partition that is new here. A folder of its name can only be left from another topic.
    fn make_partition(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        index: PartitionIndex,
    ) -> anyhow::Result<Partition> {
        let key = PartitionKey { topic: topic.name.to_string(), index };
        let folder = self.folder.join(key.to_string());
        if dir::read_topic_id(&*self.disk, &folder)?.is_some_and(|id| id != topic.id) {
            self.set_aside(&key, &folder)?;
        }
        Ok(self.open_partition(image, topic, index, Opening::default())?)
    }

    fn open_partition(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        index: PartitionIndex,
        opening: Opening,
    ) -> Result<Partition, StorageError> {
        let key = PartitionKey { topic: topic.name.to_string(), index };
        Partition::open(Opened {
            disk: &self.disk,
            folder: &self.folder.join(key.to_string()),
            node_id: self.node_id,
            topic: topic.name.clone(),
            topic_id: topic.id,
            index,
            config: image.topic_config(self.node_id, &topic.name, &self.properties),
            opening,
        })
    }

    fn take_role(&self, partition: &Partition, image: &PartitionImage) {
        if image.leader == self.node_id {
            let (replicas, isr) = (image.replicas.clone(), image.isr.clone());
            partition.lead(Leadership { epoch: image.leader_epoch, replicas, isr });
        } else {
            partition.resign(image.leader_epoch);
        }
    }

    /// Renames the folders of partitions that are no longer here, and removes them in the background.
    fn delete(&self, removed: &[Arc<Partition>]) {
        let mut folders = Vec::new();
        for partition in removed {
            let renamed = self.folder.join(key_of(partition).deleted_folder(Uuid::new_v4()));
            match partition.retire(|folder| self.disk.rename(folder, &renamed)) {
                Ok(()) => folders.push(renamed),
                Err(error) => tracing::error!(folder = %renamed.display(), %error, "cannot rename log"),
            }
        }
        self.remove_folders(folders);
    }

    fn remove_folders(&self, folders: Vec<PathBuf>) {
        if folders.is_empty() {
            return;
        }
        let disk = self.disk.clone();
        std::thread::spawn(move || {
            for folder in folders {
                if let Err(error) = disk.remove_dir_all(&folder) {
                    tracing::warn!(folder = %folder.display(), %error, "cannot remove deleted log");
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
