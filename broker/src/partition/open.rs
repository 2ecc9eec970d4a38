//! A partition's beginning and end: open its log, bring back its producers, flush and close it, clean it up.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytestring::ByteString;
use milena_core::config::effective::TopicConfig;
use milena_core::partition::{BatchMetadata, Ended, Replica, Restored};
use milena_protocol::records::{ControlRecordType, batches, control_record_type};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, Timestamp, TopicId};
use milena_storage::{
    AbortedTransaction, Disk, Log, Opening, ProducerEntry, ReadLimits, Retention, StorageError, dir,
};
use tokio::sync::watch;

use super::compact::Compaction;
use super::{Partition, Progress, log_config, now, replica_rules};
use crate::metrics::Traffic;
use crate::partitions::LogDir;

/// What opening a partition needs to know.
pub(crate) struct Opened<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) folder: &'a Path,
    pub(crate) node_id: NodeId,
    pub(crate) topic: ByteString,
    pub(crate) topic_id: TopicId,
    pub(crate) index: PartitionIndex,
    pub(crate) config: Arc<TopicConfig>,
    pub(crate) opening: Opening,
    /// What the last run knew to be committed.
    pub(crate) high_watermark: Option<Offset>,
    /// The log directory.
    pub(crate) dir: Arc<LogDir>,
    /// `replica.lag.time.max.ms`.
    pub(crate) lag_ms_max: i64,
    /// The folder names the topic's id already.
    pub(crate) has_topic_id: bool,
}

/// Bytes of a log's active segment from which on a checkpoint syncs it, so that a crash makes the next start read less. A
/// log that grew by as much since the last checkpoint is left alone: producers would wait for the disk meanwhile.
const CHECKPOINT_BYTES: u32 = 16 << 20;
/// Offsets at the end of a log where retries of batches are looked for that no snapshot told of.
const RECALLED_OFFSETS: i64 = 100_000;

impl Partition {
    /// Opens or makes the log in the folder and rebuilds the producers from the newest snapshot and what follows it.
    pub(crate) fn open(opened: Opened<'_>) -> Result<Self, StorageError> {
        let now = now();
        let may_have_gaps = opened.opening.may_have_gaps || opened.config.cleanup_compact;
        let opening = Opening { now, may_have_gaps, ..opened.opening };
        let log = Log::open(opened.disk.clone(), opened.folder, log_config(&opened.config), opening)?;
        if !opened.has_topic_id {
            dir::write_topic_id(&**opened.disk, opened.folder, opened.topic_id)?;
        }
        if let Some(repair) = log.repair() {
            let (topic, partition) = (&opened.topic, opened.index.0);
            let (segment, kept, cut) = (repair.path.display(), repair.position, repair.bytes);
            tracing::warn!(%topic, partition, %segment, kept, cut, reason = repair.reason, "cut a torn tail off");
        }
        let mut replica =
            Replica::new(opened.node_id, log.end_offset(), replica_rules(&opened.config, opened.lag_ms_max));
        restore_producers(&log, &mut replica, now)?;
        if let Some(offset) = replica.producers().first_unstable_offset() {
            let (topic, partition) = (&opened.topic, opened.index.0);
            tracing::warn!(%topic, partition, %offset, "an open transaction holds up readers of committed records; nobody ends it here yet");
        }
        replica.restore_high_watermark(opened.high_watermark.unwrap_or_default().max(log.start_offset()));
        let progress = Progress {
            high_watermark: replica.high_watermark(),
            last_stable_offset: replica.last_stable_offset(),
            log_end: replica.log_end(),
            leader_epoch: LeaderEpoch::NONE,
            is_leader: false,
            is_follower: false,
            epoch_start: None,
            followers_start: None,
            held_from: None,
            has_failed: false,
        };
        Ok(Self {
            topic: opened.topic,
            topic_id: opened.topic_id,
            index: opened.index,
            traffic: Traffic::default(),
            log: ArcSwap::from_pointee(log),
            dir: ArcSwap::new(opened.dir),
            future: Mutex::new(None),
            is_flushing: AtomicBool::new(false),
            state: Mutex::new(replica),
            config: ArcSwap::new(opened.config),
            node_id: opened.node_id,
            lag_ms_max: opened.lag_ms_max,
            progress: watch::Sender::new(progress),
            producer_count: AtomicUsize::new(0),
            flushed_at: AtomicI64::new(now.0),
            unchecked_bytes: AtomicU32::new(0),
            is_retired: Mutex::new(false),
            compaction: Compaction::default(),
        })
    }

    /// Stops leading for good and writes what the next start needs to read nothing, once the disk is synced.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        let mut state = self.lock();
        // A connection that did not drain may still bring records: behind the end that is noted now, nobody would see them.
        let epoch = state.leader_epoch();
        state.resign(epoch);
        self.publish(&state);
        if !self.log().was_written() {
            return Ok(());
        }
        // An empty snapshot too saves the next start from looking for producers in the whole log.
        if self.log().end_offset() > Offset::ZERO {
            self.log().write_producer_snapshot(self.log().end_offset(), &entries(&state))?;
        }
        self.log().finish()
    }

    /// Takes in that the disk was synced after [`Partition::close`].
    pub(crate) fn closed(&self) {
        self.log().finished();
    }

    /// Moves the recovery point to the end where it fell far behind and the log has come to rest.
    pub(crate) fn checkpoint_if_far(&self) -> Result<(), StorageError> {
        let unchecked = self.log().unchecked_bytes();
        let before = self.unchecked_bytes.swap(unchecked, Ordering::Relaxed);
        // There is less where a new segment was begun.
        let grown = unchecked.checked_sub(before).unwrap_or(unchecked);
        if unchecked < CHECKPOINT_BYTES || grown >= CHECKPOINT_BYTES {
            return Ok(());
        }
        let is_retired = self.is_retired.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_retired {
            return Ok(());
        }
        // Producers are then found without reading what the recovery point covers.
        let offset = {
            let state = self.lock();
            let offset = state.log_end();
            self.write_snapshot(&state, offset);
            offset
        };
        self.log().remove_other_snapshots(offset)?;
        self.synced(self.log().checkpoint())
    }

    /// Bytes that were read and checked when the log was opened.
    pub(crate) fn scanned_bytes(&self) -> u64 {
        self.log().scanned_bytes()
    }

    /// Stops leading for good and gives the folder up to `take`. No file is made or removed by its name afterwards.
    pub(crate) fn retire<T>(&self, take: impl FnOnce(&Path) -> T) -> T {
        let mut is_retired = self.is_retired.lock().unwrap_or_else(PoisonError::into_inner);
        *is_retired = true;
        self.resign(self.progress().leader_epoch);
        self.log().retire();
        take(self.log().folder())
    }

    /// Gives the log up: its directory failed. Those who wait are told.
    pub(crate) fn fail(&self) {
        self.progress.send_modify(|progress| progress.has_failed = true);
        self.retire(|_| ());
    }

    /// Forgets producers that were silent for this long.
    pub(crate) fn expire_producers(&self, silence_ms_max: i64) {
        let mut state = self.lock();
        state.expire_producers(now(), silence_ms_max);
        self.publish(&state);
    }

    /// Deletes what the topic's retention no longer keeps.
    pub(crate) fn clean(&self) -> Result<usize, StorageError> {
        let config = self.config.load();
        if !config.cleanup_delete {
            return Ok(0);
        }
        let retention = Retention {
            age_ms_max: (config.retention_ms >= 0).then_some(config.retention_ms),
            bytes_max: u64::try_from(config.retention_bytes).ok(),
        };
        let deleted = self.in_folder(|| self.log().delete_old(now(), retention, self.high_watermark()))?;
        Ok(deleted.unwrap_or(0))
    }

    /// `file.delete.delay.ms`.
    pub(crate) fn file_delete_delay_ms(&self) -> i64 {
        self.config.load().file_delete_delay_ms
    }

    /// Removes files of deleted segments whose time is over.
    pub(crate) fn sweep(&self) -> Result<(), StorageError> {
        self.in_folder(|| self.log().sweep(now())).map(|_| ())
    }

    /// Where the log may start after records below `wanted`, -1 for all committed ones, are deleted.
    pub(crate) fn plan_new_start(&self, wanted: Offset) -> Result<Offset, ErrorCode> {
        let config = self.config.load();
        self.lock().plan_new_start(wanted, config.cleanup_compact && !config.cleanup_delete)
    }

    /// Moves the log start up to `offset`, as planned, and deletes what lies below. Yields the log start.
    pub(crate) fn move_start(&self, offset: Offset) -> Result<Offset, ErrorCode> {
        let moved = self.in_folder(|| self.log().advance_start(offset));
        moved.map_err(|error| self.read_failed(&error))?.ok_or(ErrorCode::NotLeaderOrFollower)?;
        Ok(self.log().start_offset())
    }

    /// Where the start after a crash begins to read.
    pub(crate) fn recovery_point(&self) -> Offset {
        self.log().recovery_point()
    }

    /// Notes the producers at the base of a new segment. Without the note a restart reads more of the log.
    pub(super) fn write_snapshot(&self, state: &Replica, offset: Offset) {
        if let Err(error) = self.log().write_producer_snapshot(offset, &entries(state)) {
            tracing::warn!(topic = %self.topic, partition = self.index.0, %error, "producer snapshot not written");
        }
    }
}

pub(super) fn restore_producers(
    log: &Log,
    replica: &mut Replica,
    now: Timestamp,
) -> Result<(), StorageError> {
    // What lies below the log start counts too while it is there, unlike in Apache Kafka: a retry may be one of a record
    // that was deleted meanwhile.
    let first = log.segments().first().map_or(log.start_offset(), |segment| segment.base_offset);
    let (from, entries) = log.producer_snapshot()?.unwrap_or((first, Vec::new()));
    for entry in entries {
        let batch = BatchMetadata {
            last_sequence: entry.last_sequence,
            last_offset: entry.last_offset,
            offset_delta: entry.offset_delta,
            timestamp: entry.timestamp,
        };
        replica.restore(Restored {
            producer_id: entry.producer_id,
            epoch: entry.epoch,
            last_batch: (entry.last_sequence >= 0).then_some(batch),
            last_seen: now,
            transaction_start: Some(entry.transaction_start).filter(|start| start.0 >= 0),
            coordinator_epoch: entry.coordinator_epoch,
        });
    }
    let mut ended = Vec::new();
    log.headers_from(from, |header| ended.extend(replica.replay(header, now)))?;
    ended.into_iter().try_for_each(|transaction| note_if_aborted(log, transaction))
}

/// Brings back, from the end of the log, the batches that a snapshot does not hold.
pub(super) fn recall_batches(log: &Log, replica: &mut Replica) -> Result<(), StorageError> {
    let from = (log.end_offset() + -RECALLED_OFFSETS).max(log.start_offset());
    let mut headers = Vec::new();
    log.headers_from(from, |header| headers.extend(header.has_producer_id().then_some(*header)))?;
    headers.iter().rev().for_each(|header| replica.recall(header));
    Ok(())
}

/// Brings an aborted transaction back into the index that a crash took it from.
pub(super) fn note_if_aborted(log: &Log, ended: Ended) -> Result<(), StorageError> {
    let limits = ReadLimits { end_offset: log.end_offset(), bytes_max: 0, at_least_one: true };
    let marker = log.read(ended.marker_offset, limits)?.into_bytes().unwrap_or_default();
    let marker = batches(marker).next().and_then(Result::ok);
    let record = marker.and_then(|marker| marker.records().ok()?.next()?.ok());
    if record.as_ref().and_then(control_record_type) != Some(ControlRecordType::Abort) {
        return Ok(());
    }
    log.append_aborted(&AbortedTransaction {
        first_offset: ended.first_offset,
        producer_id: ended.producer_id,
        last_offset: ended.marker_offset,
        last_stable_offset: ended.last_stable_offset,
    })
}

pub(super) fn entries(state: &Replica) -> Vec<ProducerEntry> {
    let entry = |producer: Restored| {
        let none = BatchMetadata {
            last_sequence: -1,
            last_offset: Offset::NONE,
            offset_delta: 0,
            timestamp: producer.last_seen,
        };
        let batch = producer.last_batch.unwrap_or(none);
        ProducerEntry {
            producer_id: producer.producer_id,
            epoch: producer.epoch,
            last_sequence: batch.last_sequence,
            last_offset: batch.last_offset,
            offset_delta: batch.offset_delta,
            timestamp: batch.timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: producer.transaction_start.unwrap_or(Offset::NONE),
        }
    };
    state.producers().iter().map(entry).collect()
}
