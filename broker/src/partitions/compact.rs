//! The log cleaner: `log.cleaner.threads` threads that clean the dirtiest compacted log, one at a time each.
//!
//! A log that cannot be cleaned is left alone from then on. Where cleaning ended is noted in
//! `cleaner-offset-checkpoint`; a crash before that repeats a cleaning, which changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_core::config::broker::log;
use milena_core::partition::{CleaningPlan, dirtiest};
use milena_storage::StorageError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Partitions, maintain::millis};
use crate::partition::{Compacted, Partition, TableLimits, now};
use crate::task;

/// The longest pause at a time, after which a throttled cleaning looks whether it is to stop.
const NAP_MAX: Duration = Duration::from_millis(100);

impl Partitions {
    /// Starts the cleaner threads, which end with `stop`.
    pub(super) fn compact_in_background(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        if !self.0.properties.boolean(&log::LOG_CLEANER_ENABLE) {
            return;
        }
        let threads = u32::try_from(self.0.properties.int(&log::LOG_CLEANER_THREADS)).unwrap_or(0);
        for _ in 0..threads {
            let (partitions, stop) = (self.clone(), stop.clone());
            task::spawn(tasks.track_future(async move {
                while !stop.is_cancelled() {
                    let (turn, stopped) = (partitions.clone(), stop.clone());
                    let done = task::spawn_blocking(move || turn.compact_dirtiest(threads, &stopped));
                    if done.await.unwrap_or(false) {
                        continue;
                    }
                    let pause = millis(partitions.0.live.current().long(&log::LOG_CLEANER_BACKOFF_MS));
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }));
        }
    }

    /// Cleans the log that needs it most. False where none does.
    pub(super) fn compact_dirtiest(&self, threads: u32, stop: &CancellationToken) -> bool {
        let may_grow = |partition: &Arc<Partition>| partition.dir().health.check_write().is_ok();
        let Some((partition, plan)) = dirtiest(self.all().into_iter().filter(may_grow).filter_map(planned))
        else {
            return false;
        };
        // Another thread may have been faster.
        let Some(_claim) = partition.claim() else { return true };
        let properties = self.0.live.current();
        let limits = TableLimits {
            bytes_max: u64::try_from(properties.long(&log::LOG_CLEANER_DEDUPE_BUFFER_SIZE)).unwrap_or(0)
                / u64::from(threads.max(1)),
            load_factor: properties.real(&log::LOG_CLEANER_IO_BUFFER_LOAD_FACTOR),
        };
        let bytes_per_second =
            properties.real(&log::LOG_CLEANER_IO_MAX_BYTES_PER_SECOND) / f64::from(threads.max(1));
        let mut throttle = Throttle { started: Instant::now(), bytes: 0.0, bytes_per_second };
        let started = Instant::now();
        let prepared = partition.prepare_cleaning();
        let prepared = prepared.and_then(|()| self.note_recovery_points_in(&partition.dir()));
        let done = prepared
            .and_then(|()| partition.compact(&plan, limits, &mut |bytes| throttle.spend(bytes, stop)));
        self.conclude(&partition, &plan, done, started.elapsed())
    }

    fn conclude(
        &self,
        partition: &Partition,
        plan: &CleaningPlan,
        done: Result<Option<Compacted>, StorageError>,
        elapsed: Duration,
    ) -> bool {
        let (topic, index, from) = (&partition.topic, partition.index.0, plan.dirty.start.0);
        match done {
            Ok(Some(done)) if done.end > plan.dirty.start => {
                let Compacted { end, keys, bytes_before, bytes_after } = done;
                self.0.metrics.cleaner.cleaned(bytes_before, bytes_after, elapsed);
                let elapsed_ms = elapsed.as_millis();
                tracing::info!(%topic, partition = index, from, to = end.0, keys, bytes_before, bytes_after, elapsed_ms, "log compacted");
                if let Err(error) = self.write_cleaner_offsets() {
                    tracing::error!(%error, "cannot write the cleaner's offsets");
                }
            }
            Ok(Some(_)) => {
                partition.give_up_cleaning();
                tracing::error!(%topic, partition = index, from, "not compacted any more: log.cleaner.dedupe.buffer.size has no room for the keys of one batch");
            }
            Ok(None) | Err(StorageError::Interrupted { .. }) => {}
            Err(error) if partition.is_gone_with(&error) => {}
            // Once there is room it may go better, but not after a swap that has begun.
            Err(error) if error.is_full() && !partition.is_uncleanable() => {
                partition.dir().health.report(&error);
            }
            Err(error) => {
                partition.give_up_cleaning();
                partition.dir().health.report(&error);
                tracing::error!(%topic, partition = index, %error, "not compacted any more until the next start");
            }
        }
        true
    }
}

/// A partition with its plan, if there is anything to clean.
fn planned(partition: Arc<Partition>) -> Option<(Arc<Partition>, CleaningPlan)> {
    match partition.plan_cleaning(now()) {
        Ok(plan) => plan.map(|plan| (partition, plan)),
        Err(error) if partition.is_gone_with(&error) => None,
        Err(error) => {
            tracing::error!(topic = %partition.topic, partition = partition.index.0, %error, "not compacted any more until the next start");
            partition.give_up_cleaning();
            None
        }
    }
}

/// Keeps to `log.cleaner.io.max.bytes.per.second`.
struct Throttle {
    started: Instant,
    bytes: f64,
    bytes_per_second: f64,
}

impl Throttle {
    /// Waits until `bytes` may be read. False when everything is to stop.
    fn spend(&mut self, bytes: u64, stop: &CancellationToken) -> bool {
        self.bytes += bytes as f64;
        let due = Duration::try_from_secs_f64(self.bytes / self.bytes_per_second).unwrap_or(Duration::MAX);
        while !stop.is_cancelled() {
            let ahead = due.saturating_sub(self.started.elapsed());
            if ahead.is_zero() {
                return true;
            }
            std::thread::sleep(ahead.min(NAP_MAX));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttled_cleaning_takes_its_time_and_stops_at_once() {
        let mut throttle = Throttle { started: Instant::now(), bytes: 0.0, bytes_per_second: 100_000.0 };
        let stop = CancellationToken::new();
        let started = Instant::now();
        assert!((0..10).all(|_| throttle.spend(1_000, &stop)));
        assert!(started.elapsed() >= Duration::from_millis(100));
        stop.cancel();
        assert!(!throttle.spend(u64::MAX, &stop));
        let mut unbounded = Throttle { started, bytes: 0.0, bytes_per_second: f64::MAX };
        assert!(unbounded.spend(u64::MAX, &CancellationToken::new()));
    }
}
