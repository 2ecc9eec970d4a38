//! Waiting for the disk and for other replicas, and the syncs that somebody waits for.
//!
//! Where `flush.messages` asks for it, an append holds the high watermark before its records and sees to it that a flush
//! runs in the background. One flush serves every append that came before it; those that come meanwhile are
//! served by the next. Nothing that is held is acknowledged or shown to a consumer. A sync that fails fails the whole log
//! directory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use milena_core::partition::Replica;
use milena_protocol::{ErrorCode, Timestamp};
use milena_storage::StorageError;

use super::{Appended, Partition, Progress, now};
use crate::task;

impl Partition {
    /// Waits until every in-sync replica has the records of an append.
    pub(crate) async fn committed(&self, appended: &Appended) -> Result<(), ErrorCode> {
        let is_committed = |progress: &Progress| progress.high_watermark > appended.last_offset;
        let is_lost =
            |progress: &Progress| !progress.is_leader || progress.leader_epoch != appended.leader_epoch;
        let mut progress = self.progress.subscribe();
        let settled =
            |progress: &Progress| is_committed(progress) || is_lost(progress) || progress.has_failed;
        match progress.wait_for(settled).await.map(|progress| *progress) {
            Ok(progress) if is_committed(&progress) => {}
            Ok(progress) if progress.has_failed => return Err(ErrorCode::KafkaStorageError),
            _ => return Err(ErrorCode::NotLeaderOrFollower),
        }
        let state = self.lock();
        // Resigned since, as when the topic is deleted.
        if !state.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if state.has_enough_in_sync() { Ok(()) } else { Err(ErrorCode::NotEnoughReplicasAfterAppend) }
    }

    /// Waits until the disk has the records of an append, where the topic asks for that.
    pub(crate) async fn durable(&self, appended: &Appended) -> Result<(), ErrorCode> {
        let is_durable =
            |progress: &Progress| progress.held_from.is_none_or(|from| from > appended.last_offset);
        let mut progress = self.progress.subscribe();
        match progress.wait_for(|progress| is_durable(progress) || progress.has_failed).await {
            Ok(progress) if is_durable(&progress) => Ok(()),
            _ => Err(ErrorCode::KafkaStorageError),
        }
    }

    /// Makes finished segments durable; the active one too where `flush.ms` asks for it or somebody waits still.
    pub(crate) fn flush_if_old(&self) -> Result<(), StorageError> {
        let flushed_at = Timestamp(self.flushed_at.load(Ordering::Relaxed));
        let is_finished = self.log().recovery_point() < self.log().active_base_offset();
        // A checkpoint may have made durable what waits.
        let is_held = self.progress().held_from.is_some();
        let is_old = || now().ms_since(flushed_at) >= self.config.load().flush_ms;
        if is_finished || is_held || self.log().durable_end() < self.log().end_offset() && is_old() {
            self.flush()?;
        }
        Ok(())
    }

    /// Starts a flush unless one runs, which then looks for what it has not covered. The caller has the lock.
    pub(super) fn begin_flush(self: &Arc<Self>, _state: &Replica) {
        if !self.is_flushing.swap(true, Ordering::Relaxed) {
            let partition = self.clone();
            task::spawn_blocking(move || partition.flush_held());
        }
    }

    fn flush_held(&self) {
        loop {
            let flushed = self.flush();
            let state = self.lock();
            if flushed.is_err() || state.held_from().is_none() {
                self.is_flushing.store(false, Ordering::Relaxed);
                return;
            }
        }
    }

    pub(super) fn flush(&self) -> Result<(), StorageError> {
        self.synced(self.log().flush())?;
        let mut state = self.lock();
        if state.held_from().is_some() {
            state.release(self.log().durable_end(), now());
            self.publish(&state);
        }
        self.flushed_at.store(now().0, Ordering::Relaxed);
        Ok(())
    }

    /// Fails the directory and those who wait, where a sync failed.
    pub(super) fn synced(&self, result: Result<(), StorageError>) -> Result<(), StorageError> {
        if let Err(error) = &result {
            self.storage_failed(error);
            if self.dir.load().health.check_read().is_err() {
                self.progress.send_modify(|progress| progress.has_failed = true);
            }
        }
        result
    }
}
