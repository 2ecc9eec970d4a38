//! `__cluster_metadata-0` on disk: batches of metadata records and of control records, in Kafka's bytes, and the
//! snapshots that stand for what was cut off its start.
//!
//! Data batches carry framed records (KIP-631), control batches the beginnings of epochs (KIP-595). Everything is
//! flushed before it counts. What is appended between two flushes is one batch, and a batch is written only after the
//! one before is flushed: a crash can tear the last batch and no other, so damage before it is refused at the start
//! instead of being cut off. A follower that catches up writes many batches at once, and notes before where they begin
//! (`unsynced`). Below the latest snapshot nothing is read: a new segment begins with every snapshot.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use milena_core::config::Properties;
use milena_core::config::broker::quorum;
use milena_core::metadata::MetadataLoader;
use milena_core::raft::{LogEnd, LogView, ReplicaKey, VoterSet};
use milena_protocol::messages::control_records::KRaftVersionRecord;
use milena_protocol::messages::control_records::VotersRecord;
use milena_protocol::messages::control_records::leader_change_message::{LeaderChangeMessage, Voter};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::records::{BatchBuilder, ControlRecordType, RecordBatch, batches};
use milena_protocol::{LeaderEpoch, Message, NodeId, Offset, Timestamp};
use milena_storage::{Disk, Log, LogConfig, Opening, Placed, ReadLimits};

use super::snapshot::{Contents, Snapshot, control_records, metadata_records, push_record, push_voters};
use super::snapshots::{Limits, Snapshots, Written};
use super::unsynced::Unsynced;
use super::voters;

/// Bytes read at a time while the log is replayed.
const REPLAY_READ_BYTES: usize = 1 << 20;
/// Bytes of gathered records from which on they are written without waiting for the flush.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Sets of voters that records name, with the offsets of these.
type Named = Vec<(Offset, VoterSet)>;

/// The metadata log.
#[derive(Debug)]
pub(super) struct MetadataLog {
    log: Log,
    unsynced: Unsynced,
    pub(super) snapshots: Snapshots,
    /// Records to be written as one batch with the next flush.
    pending: BatchBuilder,
    pending_epoch: LeaderEpoch,
    /// When the first of them came: the timestamp of all, as the KRaft client of Apache Kafka reads no others in one batch.
    pending_since: Timestamp,
    /// Whether a batch was written and not flushed.
    is_unflushed: bool,
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
        let unsynced = Unsynced::new(disk.clone(), folder);
        let opening = Opening {
            recovery_point: snapshots.latest().map(|id| id.offset),
            now,
            one_unsynced_batch: true,
            unsynced_from: unsynced.read()?,
            ..Opening::default()
        };
        let log = Log::open(disk, folder, config(properties), opening)?;
        unsynced.end()?;
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
            unsynced,
            snapshots,
            pending: BatchBuilder::default(),
            pending_epoch: LeaderEpoch(0),
            pending_since: Timestamp(0),
            is_unflushed: false,
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

    /// What the latest snapshot says, and the voters that the log after it names, by the offsets of their records.
    pub(super) fn open_state(&mut self) -> anyhow::Result<(MetadataLoader, VoterHistory)> {
        let snapshot = self.snapshots.read_latest()?;
        let start = self.snapshots.latest().map_or(Offset(0), |id| id.offset);
        self.last_timestamp = snapshot.last_contained;
        let loader = load(&snapshot, start)?;
        let mut recorded = Vec::new();
        let mut next = start;
        while let Some(bytes) = self.read_committed(next, self.log.end_offset())? {
            for batch in batches(bytes) {
                let batch = batch.context("the metadata log is damaged")?;
                let header = batch.header();
                recorded.extend(voters_of(&batch)?);
                self.snapshots.uncovered(batch.size_bytes());
                self.last_timestamp = self.last_timestamp.max(header.max_timestamp);
                next = header.next_offset();
            }
        }
        let base = snapshot.voters.as_ref().map(voters::from_record).unwrap_or_default();
        Ok((loader, VoterHistory { base, recorded }))
    }

    /// Replays what `loader` does not have yet, up to `end`.
    pub(super) fn replay(&self, loader: &mut MetadataLoader, end: Offset) -> anyhow::Result<()> {
        let mut next = loader.current().next_offset();
        while let Some(bytes) = self.read_committed(next, end)? {
            for batch in batches(bytes) {
                let batch = batch.context("the metadata log is damaged")?;
                let header = batch.header();
                for (offset, record) in (header.base_offset.0..).map(Offset).zip(metadata_records(&batch)?) {
                    // A snapshot of Apache Kafka ends where a batch does; nothing is replayed twice should one not.
                    if offset >= next {
                        loader.replay(offset, &record)?;
                    }
                }
                next = header.next_offset();
                loader.skip_to(next);
            }
        }
        Ok(())
    }

    /// Whole batches from `next` on, none at `end`.
    fn read_committed(&self, next: Offset, end: Offset) -> anyhow::Result<Option<Bytes>> {
        if next >= end {
            return Ok(None);
        }
        let limits = ReadLimits { end_offset: end, bytes_max: REPLAY_READ_BYTES, at_least_one: true };
        let bytes = self.log.read(next, limits)?.into_bytes().context("read the metadata log")?;
        ensure!(!bytes.is_empty(), "the metadata log has no batch at offset {next}");
        Ok(Some(bytes))
    }

    /// What a follower that is at `from` gets: flushed batches, about `bytes_max` of them.
    pub(super) fn read_flushed(&self, from: Offset, bytes_max: usize) -> anyhow::Result<Bytes> {
        let end_offset = self.log.durable_end();
        if from >= end_offset {
            return Ok(Bytes::new());
        }
        let limits = ReadLimits { end_offset, bytes_max, at_least_one: true };
        self.log.read(from, limits)?.into_bytes().context("read the metadata log")
    }

    /// Appends the batches of a leader as they are, and flushes them. Yields the voters they name.
    ///
    /// # Errors
    /// `Ok(None)` where they are no batches that follow the log: none of them is appended then.
    pub(super) fn append_fetched(
        &mut self,
        bytes: Bytes,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> anyhow::Result<Option<Named>> {
        let Some((batches, named)) = self.check_fetched(bytes, epoch) else { return Ok(None) };
        let place = |batch| {
            let header = RecordBatch::header(batch);
            Placed { batch, base_offset: header.base_offset, leader_epoch: header.leader_epoch }
        };
        let is_group = batches.len() > 1;
        if is_group {
            self.unsynced.begin(self.log.end_offset())?;
        }
        self.log.append(&batches.iter().map(place).collect::<Vec<_>>(), now)?;
        self.log.flush()?;
        if is_group {
            self.unsynced.end()?;
        }
        for batch in &batches {
            self.snapshots.uncovered(batch.size_bytes());
            self.last_timestamp = self.last_timestamp.max(batch.header().max_timestamp);
        }
        Ok(Some(named))
    }

    fn check_fetched(&self, bytes: Bytes, epoch: LeaderEpoch) -> Option<(Vec<RecordBatch>, Named)> {
        let (mut next, mut last_epoch) = (self.log.end_offset(), self.end().epoch);
        let (mut whole, mut named) = (Vec::new(), Vec::new());
        for batch in batches(bytes) {
            // The last one may be cut off.
            let Ok(batch) = batch else { break };
            let header = batch.header();
            let follows = header.base_offset == next
                && (last_epoch..=epoch).contains(&header.leader_epoch)
                && header.last_offset_delta >= 0;
            if !follows || metadata_records(&batch).is_err() {
                tracing::error!(
                    offset = next.0,
                    "the leader of the metadata log sent what does not follow it"
                );
                return None;
            }
            named.extend(voters_of(&batch).ok()?);
            (next, last_epoch) = (header.next_offset(), header.leader_epoch);
            whole.push(batch);
        }
        (!whole.is_empty()).then_some((whole, named))
    }

    /// Cuts the log where it parts from one whose `end.epoch` ends at `end.offset`. Yields the new end.
    pub(super) fn truncate(&mut self, end: LogEnd) -> anyhow::Result<LogEnd> {
        let own = self.end_of_epoch(end.epoch);
        self.log.truncate_to(own.offset.min(end.offset))?;
        Ok(self.end())
    }

    /// Puts a snapshot that was fetched in place of the log.
    pub(super) fn install(&mut self, written: Written) -> anyhow::Result<(MetadataLoader, Option<VoterSet>)> {
        self.snapshots.written(written);
        self.log.truncate_fully(written.id.offset)?;
        self.snapshots.reconcile(&self.log)?;
        let snapshot = self.snapshots.read_latest()?;
        self.last_timestamp = snapshot.last_contained;
        let loader = load(&snapshot, written.id.offset)?;
        Ok((loader, snapshot.voters.as_ref().map(voters::from_record)))
    }

    /// Appends the first batch of an epoch: who leads, and who votes where the log does not say so yet.
    pub(super) fn append_epoch_start(
        &mut self,
        (leader, epoch): (NodeId, LeaderEpoch),
        (voters, granting): (&[ReplicaKey], &[ReplicaKey]),
        recorded: Option<&VoterSet>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        // Apache Kafka reads version 0 alone, which names no directories.
        let named = |keys: &[ReplicaKey]| {
            keys.iter().map(|key| Voter { voter_id: key.id.0, ..Voter::default() }).collect()
        };
        let change = LeaderChangeMessage {
            version: 0,
            leader_id: leader.0,
            voters: named(voters),
            granting_voters: named(granting),
        };
        self.write_pending(now)?;
        let mut builder = BatchBuilder::control(ControlRecordType::LeaderChange, now, &change.to_bytes(0));
        if let Some(voters) = recorded {
            push_voters(&mut builder, &voters::to_record(voters), now);
        }
        self.write(builder, epoch, now)
    }

    /// Appends who votes from here on, and the level of `kraft.version` where it was `before`. Yields the offset of the
    /// record that names them.
    pub(super) fn append_voters(
        &mut self,
        voters: &VoterSet,
        before: i16,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> anyhow::Result<Offset> {
        self.write_pending(now)?;
        let offset = self.log.end_offset();
        let record = voters::to_record(voters).to_bytes(0);
        if voters.kraft_version == before {
            self.write(BatchBuilder::control(ControlRecordType::KRaftVoters, now, &record), epoch, now)?;
            return Ok(offset);
        }
        let level = KRaftVersionRecord { version: 0, kraft_version: voters.kraft_version };
        let mut builder = BatchBuilder::control(ControlRecordType::KRaftVersion, now, &level.to_bytes(0));
        builder.push_control(ControlRecordType::KRaftVoters, now, &record);
        self.write(builder, epoch, now)?;
        Ok(Offset(offset.0 + 1))
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

    /// Makes everything durable.
    pub(super) fn flush(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.write_pending(now)?;
        self.log.flush()?;
        self.is_unflushed = false;
        Ok(())
    }

    /// Whether a flush would make more durable than there is.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_unflushed || !self.pending.is_empty()
    }

    /// Begins a snapshot of what `loader` has replayed, with the voters of that moment.
    pub(super) fn begin_snapshot(
        &mut self,
        loader: &MetadataLoader,
        voters: &VoterSet,
        now: Timestamp,
    ) -> anyhow::Result<Contents> {
        self.snapshots.begun(now);
        self.log.begin_segment(now)?;
        let offset = loader.current().next_offset();
        let of_snapshot = || self.snapshots.latest().map(|id| id.epoch).unwrap_or_default();
        let epoch = self.log.epoch_of(Offset(offset.0 - 1)).unwrap_or_else(of_snapshot);
        Ok(Contents {
            id: LogEnd { offset, epoch },
            image: loader.current().clone(),
            voters: (voters.kraft_version > 0).then(|| voters::to_record(voters)),
            last_contained: self.last_timestamp,
        })
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

impl LogView for MetadataLog {
    fn start_offset(&self) -> Offset {
        self.log.start_offset()
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd {
        let known = match self.log.end_of_epoch(epoch) {
            (LeaderEpoch(..0), _) if self.log.last_epoch().is_some_and(|last| last < epoch) => self.end(),
            (epoch, offset) if epoch.0 >= 0 && self.log.epochs().iter().any(|start| start.epoch == epoch) => {
                LogEnd { offset, epoch }
            }
            _ => LogEnd::default(),
        };
        // What the log begins with ended where the snapshot does, even if none of its records is left.
        let snapshot = self.snapshots.latest().filter(|id| id.epoch <= epoch && id.epoch > known.epoch);
        snapshot.unwrap_or(known)
    }

    fn earliest_snapshot(&self) -> Option<LogEnd> {
        self.snapshots.earliest()
    }

    fn latest_snapshot(&self) -> Option<LogEnd> {
        self.snapshots.latest()
    }
}

/// The voters that the latest snapshot names, and those of the log behind it.
pub(super) struct VoterHistory {
    pub(super) base: VoterSet,
    pub(super) recorded: Vec<(Offset, VoterSet)>,
}

fn load(snapshot: &Snapshot, next: Offset) -> anyhow::Result<MetadataLoader> {
    let mut loader = MetadataLoader::default();
    for record in &snapshot.records {
        loader.replay(Offset((next.0 - 1).max(0)), record)?;
    }
    loader.skip_to(next);
    Ok(loader)
}

/// The voters that a batch names, with the offsets of their records.
fn voters_of(batch: &RecordBatch) -> anyhow::Result<Vec<(Offset, VoterSet)>> {
    let named =
        control_records(batch)?.into_iter().filter(|(_, kind, _)| *kind == ControlRecordType::KRaftVoters);
    let set = |(offset, _, value)| Ok((offset, voters::from_record(&VotersRecord::from_bytes(value, 0)?)));
    named.map(set).collect()
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
    use milena_protocol::messages::metadata_records::{ConfigRecord, EndTransactionRecord, NoOpRecord};
    use milena_storage::disk::crash_everywhere;
    use milena_storage::{Call, MemDisk, Survival};

    use super::super::worker::unless_full;

    #[test]
    fn the_records_of_a_batch_have_one_timestamp() {
        let disk = Arc::new(MemDisk::new());
        let properties = Properties::default();
        let folder = Path::new("/memory");
        disk.create_dir_all(folder).unwrap();
        let mut log = MetadataLog::open(disk, folder, &properties, Timestamp(1)).unwrap();
        for ms in [5, 6, 9] {
            log.append_records(&[EndTransactionRecord {}.into()], LeaderEpoch(1), Timestamp(ms)).unwrap();
        }
        log.flush(Timestamp(10)).unwrap();
        let limits =
            ReadLimits { end_offset: log.log.end_offset(), bytes_max: REPLAY_READ_BYTES, at_least_one: true };
        let bytes = log.log.read(Offset(0), limits).unwrap().into_bytes().unwrap();
        let batch = batches(bytes).next().unwrap().unwrap();
        let timestamps = batch.records().unwrap().map(|record| record.unwrap().timestamp);
        assert!(timestamps.eq([Timestamp(5); 3]));
    }

    /// Batches of one record each, as a leader of epoch 1 sends them. Each is larger than a page.
    fn fetched(from: i64, count: i64) -> Bytes {
        let record = ConfigRecord { value: Some("v".repeat(6000).into()), ..ConfigRecord::default() };
        let batch = |offset| {
            let mut builder = BatchBuilder::default();
            push_record(&mut builder, &record.clone().into(), Timestamp(1));
            builder.base_offset(Offset(offset)).leader_epoch(LeaderEpoch(1)).build()
        };
        (from..from + count).flat_map(|offset| batch(offset).bytes().to_vec()).collect()
    }

    fn try_open(disk: &MemDisk) -> anyhow::Result<MetadataLog> {
        let properties = Properties::default();
        MetadataLog::open(Arc::new(disk.clone()), Path::new("/memory"), &properties, Timestamp(1))
    }

    #[test]
    fn a_crash_among_many_batches_of_a_leader_leaves_those_that_were_flushed() {
        let prepare = || {
            let disk = MemDisk::new();
            disk.create_dir_all(Path::new("/memory")).unwrap();
            disk
        };
        let follow = |disk: &MemDisk, flushed: &mut i64| -> anyhow::Result<()> {
            let mut log = try_open(disk)?;
            for (from, count) in [(0, 1), (1, 7), (8, 1), (9, 5)] {
                let named = log.append_fetched(fetched(from, count), LeaderEpoch(1), Timestamp(1))?;
                assert_eq!(named, Some(Vec::new()));
                *flushed = from + count;
            }
            assert_eq!(log.append_fetched(fetched(15, 1), LeaderEpoch(1), Timestamp(1))?, None, "a gap");
            Ok(())
        };
        let scenario = |disk: &MemDisk| {
            let mut flushed = 0;
            let _ = follow(disk, &mut flushed);
            flushed
        };
        crash_everywhere(prepare, scenario, |crash, flushed| {
            let log = try_open(&crash.disk).unwrap();
            let end = log.end().offset.0;
            assert!((*flushed..=14).contains(&end), "step {} {:?}: {end}", crash.step, crash.survival);
        });
    }

    #[test]
    fn full_disk_puts_a_snapshot_off_and_leaves_the_log_whole() {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/memory")).unwrap();
        let open = |disk: MemDisk| {
            let properties = Properties::default();
            MetadataLog::open(Arc::new(disk), Path::new("/memory"), &properties, Timestamp(1)).unwrap()
        };
        let append = |log: &mut MetadataLog| {
            log.append_records(&[NoOpRecord {}.into()], LeaderEpoch(1), Timestamp(2)).unwrap();
            log.flush(Timestamp(2)).unwrap();
        };
        let mut log = open(disk.clone());
        append(&mut log);
        let begin = |log: &mut MetadataLog, errno| {
            disk.refuse(Call::Open, errno);
            let (loader, voters) = (MetadataLoader::default(), VoterSet::default());
            let begun = unless_full(log.begin_snapshot(&loader, &voters, Timestamp(3)));
            disk.refuse(Call::Open, None);
            begun.map(|contents| contents.is_some())
        };
        assert!(!begin(&mut log, Some(28)).unwrap(), "no space left on device");
        append(&mut log);
        assert!(begin(&mut log, Some(5)).is_err(), "an input/output error is not to be waited out");
        append(&mut log);
        assert!(begin(&mut log, None).unwrap());
        let mut log = open(disk.crash(Survival::None));
        let (mut loader, _) = log.open_state().unwrap();
        log.replay(&mut loader, log.end().offset).unwrap();
        assert_eq!(loader.current().next_offset(), Offset(3));
    }
}
