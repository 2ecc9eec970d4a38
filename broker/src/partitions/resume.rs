//! A full directory that has room again: appends are taken, and the logs opened that could not be.

use std::sync::{Arc, PoisonError};

use milena_core::metadata::{MetadataImage, TopicImage};
use milena_protocol::PartitionIndex;

use super::{Hosted, HostedTopic, Inner, Partitions, key};

impl Partitions {
    /// Looks for room if the directory is full. Blocks.
    pub(super) fn resume(&self) {
        if self.0.health.is_full() && self.0.health.probe(&*self.0.disk) {
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
            match self.open_again(image, topic, index) {
                Ok(opened) => {
                    self.take_role(image, &opened, partition);
                    here.insert(index, Arc::new(opened));
                }
                Err(error) => self.open_failed((&topic.name, index), &error),
            }
        }
        here.len() > before
    }

    fn open_again(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        index: PartitionIndex,
    ) -> anyhow::Result<crate::partition::Partition> {
        let unopened = || self.unopened.lock().unwrap_or_else(PoisonError::into_inner);
        let known = unopened().get(&key(topic, index)).copied();
        let known = known.unwrap_or_default();
        let opened = self.open_partition(topic, index, self.topic_config(image, &topic.name), known)?;
        unopened().remove(&key(topic, index));
        Ok(opened)
    }
}
