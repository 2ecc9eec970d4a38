//! `__cluster_metadata-0` on disk: batches of metadata records and of control records, in Kafka's bytes, and the
//! snapshots that stand for what was cut off its start.
//!
//! Data batches carry framed records (KIP-631), control batches the beginnings of epochs (KIP-595). Everything is
//! flushed before it counts. What is appended between two flushes is one batch, and a batch is written only after the
//! one before is flushed: a crash can tear the last batch and no other, so damage before it is refused at the start
//! instead of being cut off. Below the latest snapshot nothing is read: a new segment begins with every snapshot.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use milena_core::config::Properties;
use milena_core::config::broker::quorum;
use milena_core::metadata::MetadataLoader;
use milena_core::raft::{LogEnd, ReplicaKey};
use milena_protocol::messages::control_records::VotersRecord;
use milena_protocol::messages::control_records::leader_change_message::{LeaderChangeMessage, Voter};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::records::{BatchBuilder, ControlRecordType, batches};
use milena_protocol::{LeaderEpoch, Message, NodeId, Offset, Timestamp};
use milena_storage::{Disk, Log, LogConfig, Opening, Placed, ReadLimits};

use super::snapshot::{Contents, control_records, metadata_records, push_record, push_voters};
use super::snapshots::{Limits, Snapshots};

/// Bytes read at a time while the log is replayed.
const REPLAY_READ_BYTES: usize = 1 << 20;
/// Bytes of gathered records from which on they are written without waiting for the flush.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// The metadata log.
#[derive(Debug)]
pub(super) struct MetadataLog {
    log: Log,
    pub(super) snapshots: Snapshots,
    /// Records to be written as one batch with the next flush.
    pending: BatchBuilder,
    pending_epoch: LeaderEpoch,
    /// When the first of them came: the timestamp of all, as the KRaft client of Apache Kafka reads no others in one batch.
    pending_since: Timestamp,
    /// Whether a batch was written and not flushed.
    is_unflushed: bool,
    /// The voters, as log and snapshots record them.
    voters: Option<VotersRecord>,
    /// Timestamp of the last batch.
    last_timestamp: Timestamp,
}

impl MetadataLog {
    /// Opens the log; what a crash left behind the last whole batch is cut off.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        properties: &Properties,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let mut snapshots = Snapshots::open(disk.clone(), folder, Limits::new(properties), now)?;
        let opening = Opening {
            recovery_point: snapshots.latest().map(|id| id.offset),
            now,
            one_unsynced_batch: true,
            ..Opening::default()
        };
        let log = Log::open(disk, folder, config(properties), opening)?;
        if let Some(repair) = log.repair() {
            tracing::warn!(
                bytes = repair.bytes,
                reason = repair.reason,
                "cut off the torn end of the metadata log"
            );
        }
        snapshots.reconcile(&log)?;
        Ok(Self {
            log,
            snapshots,
            pending: BatchBuilder::default(),
            pending_epoch: LeaderEpoch(0),
            pending_since: Timestamp(0),
            is_unflushed: false,
            voters: None,
            last_timestamp: Timestamp(0),
        })
    }

    /// The end of the log, with what is not flushed yet.
    pub(super) fn end(&self) -> LogEnd {
        let written = self.log.end_offset();
        if !self.pending.is_empty() {
            let offset = written + i64::from(self.pending.count());
            return LogEnd { offset, epoch: self.pending_epoch };
        }
        let of_snapshot = || self.snapshots.latest().map(|id| id.epoch).unwrap_or_default();
        LogEnd { offset: written, epoch: self.log.last_epoch().unwrap_or_else(of_snapshot) }
    }

    /// The voters, as log and snapshots record them; `None` where the configuration names them.
    pub(super) fn voters(&self) -> Option<&VotersRecord> {
        self.voters.as_ref()
    }

    /// Replays the latest snapshot and what follows it.
    pub(super) fn replay(&mut self) -> anyhow::Result<MetadataLoader> {
        let mut loader = MetadataLoader::default();
        let snapshot = self.snapshots.read_latest()?;
        let mut next = self.snapshots.latest().map_or(Offset(0), |id| id.offset);
        self.voters = snapshot.voters;
        self.last_timestamp = snapshot.last_contained;
        for record in &snapshot.records {
            loader.replay(Offset((next.0 - 1).max(0)), record)?;
        }
        loader.skip_to(next);
        let end_offset = self.log.end_offset();
        let limits = ReadLimits { end_offset, bytes_max: REPLAY_READ_BYTES, at_least_one: true };
        while next < end_offset {
            let bytes = self.log.read(next, limits)?.into_bytes().context("read the metadata log")?;
            ensure!(!bytes.is_empty(), "the metadata log has no batch at offset {next}");
            next = self.replay_batches(bytes, next, &mut loader)?;
        }
        Ok(loader)
    }

    fn replay_batches(
        &mut self,
        bytes: Bytes,
        mut next: Offset,
        loader: &mut MetadataLoader,
    ) -> anyhow::Result<Offset> {
        for batch in batches(bytes) {
            let batch = batch.context("the metadata log is damaged")?;
            let header = batch.header();
            for (offset, record) in (header.base_offset.0..).map(Offset).zip(metadata_records(&batch)?) {
                // A snapshot of Apache Kafka ends where a batch does; nothing is replayed twice should one not.
                if offset >= next {
                    loader.replay(offset, &record)?;
                }
            }
            for (kind, value) in control_records(&batch)? {
                if kind == ControlRecordType::KRaftVoters {
                    self.voters = Some(VotersRecord::from_bytes(value, 0)?);
                }
            }
            self.snapshots.uncovered(batch.size_bytes());
            self.last_timestamp = self.last_timestamp.max(header.max_timestamp);
            next = header.next_offset();
            loader.skip_to(next);
        }
        Ok(next)
    }

    /// Appends the first batch of an epoch: who leads, and who votes where the log does not say so yet.
    pub(super) fn append_epoch_start(
        &mut self,
        leader: NodeId,
        epoch: LeaderEpoch,
        voters: (impl Iterator<Item = ReplicaKey>, Option<&VotersRecord>),
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let granting: Vec<Voter> =
            voters.0.map(|voter| Voter { voter_id: voter.id.0, ..Voter::default() }).collect();
        let change = LeaderChangeMessage {
            version: 0,
            leader_id: leader.0,
            voters: granting.clone(),
            granting_voters: granting,
        };
        self.write_pending(now)?;
        let mut builder = BatchBuilder::control(ControlRecordType::LeaderChange, now, &change.to_bytes(0));
        if let Some(voters) = voters.1 {
            push_voters(&mut builder, voters, now);
            self.voters = Some(voters.clone());
        }
        self.write(builder, epoch, now)
    }

    /// Appends records, to be written with the next flush.
    pub(super) fn append_records(
        &mut self,
        records: &[MetadataRecord],
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        if self.pending.is_empty() {
            self.pending_since = now;
        }
        for record in records {
            push_record(&mut self.pending, record, self.pending_since);
        }
        self.pending_epoch = epoch;
        if self.pending.size_bytes() >= BATCH_BYTES_MAX { self.write_pending(now) } else { Ok(()) }
    }

    fn write_pending(&mut self, now: Timestamp) -> anyhow::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.write(pending, self.pending_epoch, now)
    }

    fn write(
        &mut self,
        builder: BatchBuilder,
        leader_epoch: LeaderEpoch,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        if self.is_unflushed {
            self.log.flush()?;
        }
        let batch = builder.leader_epoch(leader_epoch).build();
        let base_offset = self.log.end_offset();
        self.is_unflushed = true;
        self.log.append(&[Placed { batch: &batch, base_offset, leader_epoch }], now)?;
        self.snapshots.uncovered(batch.size_bytes());
        self.last_timestamp = now;
        Ok(())
    }

    /// Makes everything durable and yields its end.
    pub(super) fn flush(&mut self, now: Timestamp) -> anyhow::Result<Offset> {
        self.write_pending(now)?;
        self.log.flush()?;
        self.is_unflushed = false;
        Ok(self.log.end_offset())
    }

    /// Begins a snapshot of everything that was flushed, which is what `loader` has replayed.
    pub(super) fn begin_snapshot(
        &mut self,
        loader: &MetadataLoader,
        now: Timestamp,
    ) -> anyhow::Result<Contents> {
        self.snapshots.begun(now);
        self.log.begin_segment(now)?;
        let (image, voters) = (loader.current().clone(), self.voters.clone());
        Ok(Contents { id: self.end(), image, voters, last_contained: self.last_timestamp })
    }

    /// Removes the oldest snapshots and what they cover, as far as the limits ask for it.
    pub(super) fn clean(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.snapshots.clean(&self.log, now)
    }

    /// Makes everything durable, indexes included.
    pub(super) fn close(&self) -> anyhow::Result<()> {
        Ok(self.log.close()?)
    }
}

fn config(properties: &Properties) -> LogConfig {
    let test_bytes = properties.integer(&quorum::INTERNAL_METADATA_LOG_SEGMENT_BYTES);
    let bytes = test_bytes.unwrap_or(properties.int(&quorum::METADATA_LOG_SEGMENT_BYTES).into());
    LogConfig {
        segment_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        segment_age_ms_max: properties.long(&quorum::METADATA_LOG_SEGMENT_MS),
        ..LogConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use milena_protocol::messages::metadata_records::EndTransactionRecord;
    use milena_storage::MemDisk;

    #[test]
    fn the_records_of_a_batch_have_one_timestamp() {
        let disk = Arc::new(MemDisk::new());
        let properties = Properties::default();
        let folder = Path::new("/memory");
        disk.create_dir_all(folder).unwrap();
        let mut log = MetadataLog::open(disk, folder, &properties, Timestamp(1)).unwrap();
        for now in [5, 6, 9] {
            log.append_records(&[EndTransactionRecord {}.into()], LeaderEpoch(1), Timestamp(now)).unwrap();
        }
        log.flush(Timestamp(10)).unwrap();
        let limits =
            ReadLimits { end_offset: log.log.end_offset(), bytes_max: REPLAY_READ_BYTES, at_least_one: true };
        let bytes = log.log.read(Offset(0), limits).unwrap().into_bytes().unwrap();
        let batch = batches(bytes).next().unwrap().unwrap();
        let timestamps = batch.records().unwrap().map(|record| record.unwrap().timestamp);
        assert!(timestamps.eq([Timestamp(5); 3]));
    }
}
