//! How a partition comes to this broker: which directory it goes to, its log, and what the controller is told of it.

use std::sync::Arc;

use milena_core::config::broker::server;
use milena_core::config::effective::TopicConfig;
use milena_core::metadata::directory::UNASSIGNED;
use milena_core::metadata::{PartitionImage, TopicImage};
use milena_protocol::{Offset, PartitionIndex};
use milena_storage::dir;

use super::checkpoints::Known;
use super::{Inner, LogDir, key};
use crate::partition::{Opened, Partition};

impl Inner {
    /// Where a log goes that is not here; `None` where it may be in a directory that cannot be looked into, or could not
    /// be opened there. It counts as there from now on.
    pub(super) fn place(
        &self,
        topic: &TopicImage,
        (index, assigned): (PartitionIndex, &PartitionImage),
    ) -> Option<Arc<LogDir>> {
        let key = key(topic, index);
        if self.dirs.of_unopened(&key).is_some() {
            return None;
        }
        if let Some(dir) = self.moves.take_wish(&key) {
            dir.takes_log();
            return Some(dir);
        }
        self.dirs.place(assigned.directory(self.node_id).unwrap_or(UNASSIGNED))
    }

    /// Tells the controller where a log is, unless it knows. What moves is told when it has come.
    pub(super) fn tell_directory(&self, partition: &Partition, assigned: &PartitionImage) {
        let id = partition.dir().id;
        if assigned.directory(self.node_id) != Some(id) && partition.future_dir().is_none() {
            self.assignments.submit((partition.topic_id, partition.index), id);
        }
    }

    pub(super) fn open_failed(
        &self,
        dir: &LogDir,
        (topic, index): (&str, PartitionIndex),
        error: &anyhow::Error,
    ) {
        dir.loses_log();
        if error.downcast_ref().is_none_or(|error| !dir.health.report(error)) {
            let error = format!("{error:#}");
            tracing::error!(topic, partition = index.0, error, "cannot open log, it stays offline");
        }
    }

    /// Opens a partition that is new here. A folder of its name can only be left from another topic.
    pub(super) fn make_partition(
        &self,
        topic: &TopicImage,
        index: PartitionIndex,
        config: Arc<TopicConfig>,
        dir: &Arc<LogDir>,
    ) -> Result<Partition, ()> {
        let made = self.open_partition((topic, index), config, Known::default(), dir);
        made.map_err(|error| self.open_failed(dir, (&topic.name, index), &error))
    }

    /// Opens the log of a partition, or makes it. What is `known` counts only if the log is that of this topic.
    pub(super) fn open_partition(
        &self,
        (topic, index): (&TopicImage, PartitionIndex),
        config: Arc<TopicConfig>,
        known: Known,
        home: &Arc<LogDir>,
    ) -> anyhow::Result<Partition> {
        let key = key(topic, index);
        let folder = home.folder.join(key.to_string());
        let found = dir::read_topic_id(&*self.disk, &folder)?;
        let is_other = found.is_some_and(|id| id != topic.id);
        if is_other {
            self.set_aside(home, &key, &folder)?;
        }
        let known = if is_other { Known::default() } else { known };
        let partition = Partition::open(Opened {
            disk: &self.disk,
            folder: &folder,
            node_id: self.node_id,
            topic: topic.name.clone(),
            topic_id: topic.id,
            index,
            config,
            opening: known.opening,
            high_watermark: known.high_watermark,
            dir: home.clone(),
            lag_ms_max: self.properties.long(&server::REPLICA_LAG_TIME_MAX_MS),
            has_topic_id: found.is_some() && !is_other,
        })?;
        partition.resume_cleaning(known.cleaned_to.unwrap_or(Offset::NONE));
        Ok(partition)
    }
}
