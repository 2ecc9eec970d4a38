//! One partition on this broker: a log, the leader's state over it, and those who wait for it.
//!
//! An append is plan -> append -> apply under one short lock, never across an await; reads take no lock at all. What
//! others wait for (the high watermark, leadership) is published in a watch after each change. Called by `api/`, by
//! the coordinators and by [`crate::partitions`]. Where `flush.messages` asks for it, `flush` syncs before records count.
//!
//! Invariant: the log holds what the state says; where the disk refuses an append neither changes.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use bytestring::ByteString;
use milena_core::config::effective::{CompressionType, TopicConfig};
use milena_core::partition::{AppendOrigin, AppendPlan, Replica, ReplicaRules, Restored, check_leader};
use milena_protocol::records::{
    Compression, RecordBatch, Rejection, TargetCompression, TimestampRule, ValidationRules, validate_produced,
};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, Timestamp, TopicId};
use milena_storage::{Log, LogConfig, Placed, StorageError};
use tokio::sync::watch;

use crate::metrics::Traffic;
use crate::partitions::LogDir;

mod compact;
mod flush;
mod follow;
mod moving;
mod open;
mod read;
mod replicas;

pub(crate) use compact::{Compacted, TableLimits};
pub(crate) use follow::Cut;
pub(crate) use moving::{Step, future_folder, log_of_future};
pub(crate) use open::Opened;
pub(crate) use read::{Found, Isolation, Read, ReadRequest};
pub(crate) use replicas::FollowerId;

/// The clock of everything that is written.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What is published of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) high_watermark: Offset,
    /// Where readers of committed records stop.
    pub(crate) last_stable_offset: Offset,
    /// What a follower reads up to.
    pub(crate) log_end: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) is_leader: bool,
    /// Another replica leads.
    pub(crate) is_follower: bool,
    /// Of a leader: where its epoch began.
    pub(crate) epoch_start: Option<Offset>,
    /// Of a leader of others: where the first of the logs of its live followers starts.
    pub(crate) followers_start: Option<Offset>,
    /// The first record that must be synced before it is acknowledged.
    pub(crate) held_from: Option<Offset>,
    /// A sync failed: what waits for the disk waits in vain.
    pub(crate) has_failed: bool,
}

/// Where a batch came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: Offset,
    pub(crate) last_offset: Offset,
    /// The broker's time, -1 where the producer's counts.
    pub(crate) log_append_time: Timestamp,
    pub(crate) log_start_offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
}

/// How a producer wants its batch to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProduceTerms {
    pub(crate) acks_all: bool,
    /// The request's version knows zstd.
    pub(crate) zstd_allowed: bool,
}

/// A replica that this broker hosts.
pub(crate) struct Partition {
    pub(crate) topic: ByteString,
    pub(crate) topic_id: TopicId,
    pub(crate) index: PartitionIndex,
    pub(crate) traffic: Traffic,
    log: ArcSwap<Log>,
    dir: ArcSwap<LogDir>,
    future: Mutex<Option<moving::Future>>,
    /// A flush runs for those who wait for the disk. Changes under the lock of `state` alone.
    is_flushing: AtomicBool,
    state: Mutex<Replica>,
    config: ArcSwap<TopicConfig>,
    node_id: NodeId,
    /// `replica.lag.time.max.ms`.
    lag_ms_max: i64,
    progress: watch::Sender<Progress>,
    /// Idempotent producers as of the last change.
    producer_count: AtomicUsize,
    /// When everything was durable last, in milliseconds.
    flushed_at: AtomicI64,
    /// What a crash would have made the next start read, as of the last look.
    unchecked_bytes: AtomicU32,
    /// The folder's name may belong to another log by now. Held while files come and go by name, appends excepted.
    is_retired: Mutex<bool>,
    compaction: compact::Compaction,
}

impl Partition {
    /// Checks a producer's records and appends them. They are acknowledged once [`Partition::committed`] says so.
    pub(crate) fn produce(
        self: &Arc<Self>,
        records: Bytes,
        terms: ProduceTerms,
    ) -> Result<Appended, Rejection> {
        let result = self.check_and_append(records, terms);
        self.traffic.produced(result.is_ok());
        result
    }

    fn check_and_append(
        self: &Arc<Self>,
        records: Bytes,
        terms: ProduceTerms,
    ) -> Result<Appended, Rejection> {
        let refused = |code: ErrorCode| Rejection::new(code, "");
        self.check_leader(LeaderEpoch::NONE).map_err(refused)?;
        let (config, now) = (self.config.load(), now());
        let valid = validate_produced(records, &rules(&config, terms), now)?;
        let batch = valid.batch();
        if batch.size_bytes() > usize::try_from(config.segment_bytes).unwrap_or(usize::MAX) {
            return Err(refused(ErrorCode::RecordListTooLarge));
        }
        self.append_batch(batch, AppendOrigin::Client { acks_all: terms.acks_all }, now).map_err(refused)
    }

    /// Appends a batch that a coordinator of this broker built, if this broker still leads in `epoch`.
    pub(crate) fn append(
        self: &Arc<Self>,
        batch: &RecordBatch,
        epoch: LeaderEpoch,
    ) -> Result<Appended, ErrorCode> {
        let config = self.config.load();
        if batch.size_bytes() > usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX) {
            return Err(ErrorCode::MessageTooLarge);
        }
        match self.check_leader(epoch) {
            Ok(()) => self.append_batch(batch, AppendOrigin::Coordinator, now()),
            Err(_) => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    fn append_batch(
        self: &Arc<Self>,
        batch: &RecordBatch,
        origin: AppendOrigin,
        now: Timestamp,
    ) -> Result<Appended, ErrorCode> {
        self.dir.load().health.check_write()?;
        let (config, header) = (self.config.load(), batch.header());
        let mut state = self.lock();
        let plan = match state.plan_append(header, origin) {
            Err(ErrorCode::OutOfOrderSequenceNumber) if state.may_recall(header) => {
                open::recall_batches(&self.log(), &mut state).map_err(|error| self.read_failed(&error))?;
                state.plan_append(header, origin)?
            }
            plan => plan?,
        };
        let (base_offset, leader_epoch) = match plan {
            AppendPlan::Append { base_offset, leader_epoch } => (base_offset, leader_epoch),
            AppendPlan::Duplicate(batch) => {
                return Ok(self.duplicate(&batch, state.leader_epoch()));
            }
        };
        let appended = self
            .log()
            .append(&[Placed { batch, base_offset, leader_epoch }], now)
            .map_err(|error| self.storage_failed(&error))?;
        if let Some(offset) = appended.rolled_at {
            self.write_snapshot(&state, offset);
        }
        let is_due = appended.end_offset - self.log().durable_end() >= config.flush_messages;
        if is_due {
            state.hold();
        }
        state.apply(header, base_offset, now);
        self.publish(&state);
        if is_due {
            self.begin_flush(&state);
        }
        self.traffic.appended(batch.size_bytes(), header.count);
        Ok(Appended {
            base_offset,
            last_offset: base_offset + i64::from(header.last_offset_delta),
            log_append_time: if header.attributes.is_log_append_time() { now } else { Timestamp::NONE },
            log_start_offset: self.log().start_offset(),
            leader_epoch,
        })
    }

    /// Kafka answers a retry with the timestamp of the first try, whatever the topic's timestamp type.
    fn duplicate(
        &self,
        batch: &milena_core::partition::BatchMetadata,
        leader_epoch: LeaderEpoch,
    ) -> Appended {
        Appended {
            base_offset: batch.first_offset(),
            last_offset: batch.last_offset,
            log_append_time: batch.timestamp,
            log_start_offset: self.log().start_offset(),
            leader_epoch,
        }
    }

    /// What is published now.
    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Tells of every change of what is published.
    pub(crate) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The offset after the last committed record.
    pub(crate) fn high_watermark(&self) -> Offset {
        self.progress().high_watermark
    }

    /// The first offset that can be read.
    pub(crate) fn log_start_offset(&self) -> Offset {
        self.log().start_offset()
    }

    /// The offset that the next record gets.
    pub(crate) fn log_end_offset(&self) -> Offset {
        self.log().end_offset()
    }

    /// Bytes of the log, indexes not counted.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.log().size_bytes()
    }

    /// The idempotent producers that are remembered.
    pub(crate) fn producers(&self) -> Vec<Restored> {
        self.lock().producers().iter().collect()
    }

    /// How many idempotent producers are remembered.
    pub(crate) fn producer_count(&self) -> usize {
        self.producer_count.load(Ordering::Relaxed)
    }

    /// Segments of the log.
    pub(crate) fn segment_count(&self) -> usize {
        self.log().segment_count()
    }

    /// Compares the epoch a caller believes in; -1 is not compared.
    pub(crate) fn check_leader(&self, believed: LeaderEpoch) -> Result<(), ErrorCode> {
        let progress = self.progress();
        check_leader(believed, progress.leader_epoch, progress.is_leader)
    }

    /// Stops leading and following. Those who wait are told.
    pub(crate) fn resign(&self, epoch: LeaderEpoch) {
        let mut state = self.lock();
        state.resign(epoch);
        self.publish(&state);
    }

    /// Takes over a changed configuration of the topic.
    pub(crate) fn configure(&self, config: Arc<TopicConfig>) {
        self.log().set_config(log_config(&config));
        let mut state = self.lock();
        state.set_rules(replica_rules(&config, self.lag_ms_max), now());
        self.publish(&state);
        self.config.store(config);
    }

    fn publish(&self, state: &Replica) {
        self.producer_count.store(state.producers().len(), Ordering::Relaxed);
        let progress = Progress {
            high_watermark: state.high_watermark(),
            last_stable_offset: state.last_stable_offset(),
            log_end: state.log_end(),
            leader_epoch: state.leader_epoch(),
            is_leader: state.is_leader(),
            is_follower: state.is_follower(),
            epoch_start: state.epoch_start(),
            followers_start: state.followers_start(),
            held_from: state.held_from(),
            has_failed: self.progress.borrow().has_failed,
        };
        // Who subscribes looks before it waits, so nobody misses what is published while there are no receivers.
        let is_watched = || self.progress.receiver_count() > 0;
        self.progress
            .send_if_modified(|published| std::mem::replace(published, progress) != progress && is_watched());
    }

    fn lock(&self) -> MutexGuard<'_, Replica> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory of the log.
    pub(crate) fn dir(&self) -> Arc<LogDir> {
        self.dir.load_full()
    }

    /// The log; another one takes its place when the replica moves.
    fn log(&self) -> Guard<Arc<Log>> {
        self.log.load()
    }

    /// Whether the log is in this directory.
    pub(crate) fn is_in(&self, dir: &LogDir) -> bool {
        std::ptr::eq(&**self.dir.load(), dir)
    }

    /// The error says only that the partition was deleted while something was done with its log.
    pub(crate) fn is_gone_with(&self, error: &StorageError) -> bool {
        self.log().is_retired() && error.is_missing()
    }

    fn storage_failed(&self, error: &StorageError) -> ErrorCode {
        if !self.is_gone_with(error) && !self.dir.load().health.report(error) {
            tracing::error!(topic = %self.topic, partition = self.index.0, %error, "log failed");
        }
        ErrorCode::KafkaStorageError
    }
}

fn replica_rules(config: &TopicConfig, lag_ms_max: i64) -> ReplicaRules {
    ReplicaRules { min_insync_replicas: usize::try_from(config.min_insync_replicas).unwrap_or(1), lag_ms_max }
}

fn rules(config: &TopicConfig, terms: ProduceTerms) -> ValidationRules {
    let create_time = TimestampRule::CreateTime {
        before_max_ms: config.message_timestamp_before_max_ms,
        after_max_ms: config.message_timestamp_after_max_ms,
    };
    ValidationRules {
        timestamps: if config.log_append_time { TimestampRule::LogAppendTime } else { create_time },
        compacted: config.cleanup_compact,
        compression: target_compression(config.compression_type),
        batch_bytes_max: usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX),
        zstd_allowed: terms.zstd_allowed,
    }
}

fn target_compression(compression: CompressionType) -> Option<TargetCompression> {
    let target = |codec, level| Some(TargetCompression { codec, level });
    match compression {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => target(Compression::None, None),
        // -1 is the codec's usual level.
        CompressionType::Gzip(level) => target(Compression::Gzip, Some(level).filter(|level| *level > 0)),
        CompressionType::Snappy => target(Compression::Snappy, None),
        CompressionType::Lz4(level) => target(Compression::Lz4, Some(level)),
        CompressionType::Zstd(level) => target(Compression::Zstd, Some(level)),
    }
}

fn log_config(config: &TopicConfig) -> LogConfig {
    let at_least_zero = |value: i32| u32::try_from(value).unwrap_or(0);
    LogConfig {
        segment_bytes: at_least_zero(config.segment_bytes),
        segment_age_ms_max: segment_age_ms_max(config),
        index_interval_bytes: at_least_zero(config.index_interval_bytes),
        index_bytes_max: at_least_zero(config.segment_index_bytes),
        segment_jitter_ms: config.segment_jitter_ms,
        preallocate: config.preallocate,
        file_delete_delay_ms: config.file_delete_delay_ms,
    }
}

/// The active segment is never cleaned, so it must end before its records become too old to be uncleaned (KIP-354).
fn segment_age_ms_max(config: &TopicConfig) -> i64 {
    if config.cleanup_compact {
        config.segment_ms.min(config.max_compaction_lag_ms)
    } else {
        config.segment_ms
    }
}

#[cfg(test)]
mod tests;
