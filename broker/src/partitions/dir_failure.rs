//! A log directory that fails while others go on (KIP-112, KIP-858).
//!
//! Its logs are given up: who waits for them is told KAFKA_STORAGE_ERROR, and so is who asks for them, until the controller
//! has elected other leaders. The controller is told by heartbeats; it takes the directory off the registration, which
//! must be seen within `log.dir.failure.timeout.ms`, or the process ends. What the directory holds is looked into by the
//! next start.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use futures::future::join_all;
use milena_core::config::broker::log;
use milena_protocol::Uuid;

use super::checkpoints::Known;
use super::recover::key_of;
use super::{Hosted, HostedTopic, LogDir, Partitions};
use crate::lifecycle::Lifecycle;
use crate::partition::Partition;
use crate::quorum::QuorumHandle;

impl Partitions {
    /// Resolves with the reason when this process cannot go on with the directories that are left; gives up the others.
    /// May be called again.
    pub(crate) async fn watch_dirs(&self, lifecycle: &Lifecycle, quorum: &QuorumHandle) -> anyhow::Error {
        let watched = self.dirs().iter().filter(|dir| dir.was_online).cloned();
        let watch = |dir: Arc<LogDir>| async move {
            dir.health.failed().await;
            let (partitions, failed) = (self.clone(), dir.clone());
            crate::task::spawn_blocking(move || partitions.give_up(&failed)).await.ok();
            self.tell_failure(&dir, lifecycle, quorum).await
        };
        let untold = async {
            let told = join_all(watched.map(watch)).await;
            match told.into_iter().find_map(Result::err) {
                Some(error) => error,
                None => std::future::pending().await,
            }
        };
        let error = tokio::select! {
            error = untold => error,
            reason = self.0.dirs.failed() => anyhow!("no log directory is left to go on with: {reason}"),
        };
        let partitions = self.clone();
        crate::task::spawn_blocking(move || partitions.0.dirs.unmark_failed(&*partitions.0.disk)).await.ok();
        error
    }

    async fn tell_failure(
        &self,
        dir: &LogDir,
        lifecycle: &Lifecycle,
        quorum: &QuorumHandle,
    ) -> anyhow::Result<()> {
        lifecycle.dir_failed(dir.id).await;
        let node_id = self.0.node_id;
        let is_known = |ids: &[Uuid]| !ids.contains(&dir.id);
        let known =
            quorum.committed_where(|image| image.broker(node_id).is_none_or(|it| is_known(&it.log_dirs)));
        let timeout_ms = self.0.properties.long(&log::LOG_DIR_FAILURE_TIMEOUT_MS);
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        match tokio::time::timeout(timeout, known).await {
            Ok(_) => Ok(()),
            Err(_) => Err(anyhow!("no controller took in that {} failed", dir.folder.display())),
        }
    }

    /// Takes out the logs of a directory.
    pub(super) fn give_up(&self, dir: &LogDir) {
        self.0.dirs.unmark_failed(&*self.0.disk);
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hosted = Hosted::clone(&self.0.hosted.load());
        let image = hosted.image.clone();
        let mut lost = 0;
        for topic in image.topics() {
            let Some(here) = hosted.by_id.get(&topic.id) else { continue };
            let is_hit = |partition: &&Arc<Partition>| {
                let target = partition.future_dir();
                target.is_some_and(|target| partition.is_in(dir) || std::ptr::eq(&*target, dir))
            };
            here.values().filter(is_hit).for_each(|partition| self.0.cancel_move(partition));
            let (gone, kept): (HostedTopic, HostedTopic) =
                here.iter().map(|(index, it)| (*index, it.clone())).partition(|(_, it)| it.is_in(dir));
            if gone.is_empty() {
                continue;
            }
            lost += gone.len();
            for partition in gone.values() {
                dir.unopened().insert(key_of(partition), Known::default());
                partition.fail();
            }
            hosted.put(topic, kept);
        }
        self.0.hosted.store(Arc::new(hosted));
        if lost > 0 {
            tracing::error!(folder = %dir.folder.display(), lost, "logs of a failed directory are given up");
        }
    }
}
