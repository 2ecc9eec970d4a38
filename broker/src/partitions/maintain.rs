//! What happens to logs in the background: flushing of finished segments, checkpoints, retention,
//! compaction.

use std::time::Duration;

use milena_core::config::broker::{coordinators, log, server};
use milena_storage::StorageError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Partitions;
use super::health::DirHealth;
use crate::task;

/// How often finished segments are looked for; also the resolution of `flush.ms`.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How often deleted files are looked for; also the resolution of `file.delete.delay.ms`.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Writes one of the files beside the logs.
type Write = fn(&Partitions) -> Result<(), StorageError>;

/// How often a full log directory is probed for room.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

impl Partitions {
    /// Starts the background work, which ends with `stop`.
    pub(crate) fn maintain(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let properties = &self.0.properties;
        let retention = millis(properties.long(&log::LOG_RETENTION_CHECK_INTERVAL_MS));
        let interval = |key| millis(properties.int(key).into());
        let recovery_points = interval(&log::LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS);
        let start_offsets = interval(&log::LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS);
        let high_watermarks = millis(properties.long(&server::REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS));
        self.every(FLUSH_INTERVAL, (tasks, stop), Self::flush);
        self.every(PROBE_INTERVAL, (tasks, stop), Self::resume);
        let checkpoints: [(Duration, Write); 3] = [
            (recovery_points, Self::write_recovery_points),
            (start_offsets, Self::write_start_offsets),
            (high_watermarks, Self::write_high_watermarks),
        ];
        for (interval, write) in checkpoints {
            self.every(interval, (tasks, stop), move |partitions| {
                if let Err(error) = write(partitions)
                    && !DirHealth::is_hit_by(&error)
                {
                    tracing::error!(%error, "cannot write checkpoints");
                }
            });
        }
        self.every(SWEEP_INTERVAL, (tasks, stop), Self::sweep);
        self.every(retention, (tasks, stop), Self::clean);
        let expiry = millis(properties.int(&coordinators::PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS).into());
        self.every(expiry, (tasks, stop), Self::expire_producers);
        self.compact_in_background(tasks, stop);
        self.move_in_background(tasks, stop);
    }

    fn every(
        &self,
        interval: Duration,
        (tasks, stop): (&TaskTracker, &CancellationToken),
        work: impl FnMut(&Self) + Send + 'static,
    ) {
        let (partitions, stop) = (self.clone(), stop.clone());
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        task::spawn(tasks.track_future(async move {
            let mut work = Some(work);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                let (Some(mut turn), partitions) = (work.take(), partitions.clone()) else { return };
                let done = task::spawn_blocking(move || {
                    turn(&partitions);
                    turn
                });
                work = done.await.ok();
            }
        }));
    }

    /// Forgets producers that were silent for too long.
    fn expire_producers(&self) {
        let silence_ms_max = i64::from(self.0.live.current().int(&coordinators::PRODUCER_ID_EXPIRATION_MS));
        for partition in self.all() {
            partition.expire_producers(silence_ms_max);
        }
    }

    fn flush(&self) {
        for partition in self.all() {
            // A failure was told by the partition.
            let _ = partition.flush_if_old();
        }
    }

    fn clean(&self) {
        for partition in self.all() {
            match partition.clean() {
                Ok(0) => {}
                Ok(segments) => {
                    let start = partition.log_start_offset().0;
                    tracing::info!(topic = %partition.topic, partition = partition.index.0, segments, start, "deleted old segments");
                }
                Err(error) if partition.dir().health.report(&error) => {}
                Err(error) => {
                    tracing::error!(topic = %partition.topic, partition = partition.index.0, %error, "retention failed");
                }
            }
        }
    }
}

pub(super) fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(1).max(1))
}
