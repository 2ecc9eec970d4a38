//! Full directories that have room again: appends are taken, and the logs opened that could not be.

use std::sync::{Arc, PoisonError};

use milena_core::metadata::{MetadataImage, TopicImage};
use milena_protocol::PartitionIndex;

use super::{Hosted, HostedTopic, Inner, LogDir, Partitions, key};

impl Partitions {
    /// Looks for room in directories that are full. Blocks.
    pub(super) fn resume(&self) {
        let full = self.dirs().iter().filter(|dir| dir.health.is_full());
        let resumed = full.filter(|dir| dir.health.probe(&*self.0.disk)).count();
        if resumed > 0 {
            self.open_missing();
        }
    }

    fn open_missing(&self) {
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hosted = Hosted::clone(&self.0.hosted.load());
        let image = hosted.image.clone();
        for topic in image.topics() {
            let mut here =
                hosted.by_id.get(&topic.id).map(|here| HostedTopic::clone(here)).unwrap_or_default();
            if self.0.open_missing(&image, topic, &mut here) {
                hosted.put(topic, here);
            }
        }
        self.0.hosted.store(Arc::new(hosted));
    }
}

impl Inner {
    /// Yields whether any was opened.
    fn open_missing(&self, image: &MetadataImage, topic: &TopicImage, here: &mut HostedTopic) -> bool {
        let before = here.len();
        for (index, partition) in topic.partitions() {
            if here.contains_key(&index) || !partition.replicas.contains(&self.node_id) {
                continue;
            }
            let known = self.dirs.of_unopened(&key(topic, index)).cloned();
            let dir = match &known {
                Some(dir) if dir.is_online() => {
                    dir.takes_log();
                    known
                }
                Some(_) => None,
                None => self.place(topic, (index, partition)),
            };
            let Some(dir) = dir else { continue };
            match self.open_again(image, topic, index, &dir) {
                Ok(opened) => {
                    self.take_role(image, &opened, partition);
                    self.tell_directory(&opened, partition);
                    here.insert(index, Arc::new(opened));
                }
                Err(error) => self.open_failed(&dir, (&topic.name, index), &error),
            }
        }
        here.len() > before
    }

    fn open_again(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        index: PartitionIndex,
        dir: &Arc<LogDir>,
    ) -> anyhow::Result<crate::partition::Partition> {
        let known = dir.unopened().get(&key(topic, index)).copied().unwrap_or_default();
        let opened =
            self.open_partition((topic, index), self.topic_config(image, &topic.name), known, dir)?;
        dir.unopened().remove(&key(topic, index));
        Ok(opened)
    }
}
