//! `__cluster_metadata-0` on disk: batches of metadata records and of control records, in Kafka's bytes.
//!
//! Data batches carry framed records (KIP-631), control batches the beginnings of epochs (KIP-595). Everything is
//! flushed before it counts.

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

use super::snapshot::{metadata_records, push_records, push_voters};

/// Bytes read at a time while the log is replayed.
const REPLAY_READ_BYTES: usize = 1 << 20;

/// The metadata log.
#[derive(Debug)]
pub(super) struct MetadataLog(Log);

impl MetadataLog {
    /// Opens the log; what a crash left behind the last whole batch is cut off.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        properties: &Properties,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let segment_bytes = properties.int(&quorum::METADATA_LOG_SEGMENT_BYTES);
        let config = LogConfig {
            segment_bytes: segment_bytes.unsigned_abs(),
            segment_age_ms_max: properties.long(&quorum::METADATA_LOG_SEGMENT_MS),
            ..LogConfig::default()
        };
        let log = Log::open(disk, folder, config, Opening { now, ..Opening::default() })?;
        if let Some(repair) = log.repair() {
            tracing::warn!(
                bytes = repair.bytes,
                reason = repair.reason,
                "cut off the torn end of the metadata log"
            );
        }
        Ok(Self(log))
    }

    /// The end of the log.
    pub(super) fn end(&self) -> LogEnd {
        LogEnd { offset: self.0.end_offset(), epoch: self.0.last_epoch().unwrap_or_default() }
    }

    /// Replays the whole log.
    pub(super) fn replay(&self) -> anyhow::Result<MetadataLoader> {
        let mut loader = MetadataLoader::default();
        let end_offset = self.0.end_offset();
        let limits = ReadLimits { end_offset, bytes_max: REPLAY_READ_BYTES, at_least_one: true };
        let mut next = self.0.start_offset();
        ensure!(
            next == Offset(0),
            "the metadata log starts at offset {next}: reading snapshots is not built yet"
        );
        while next < end_offset {
            let bytes = self.0.read(next, limits)?.into_bytes().context("read the metadata log")?;
            next = replay_batches(bytes, next, &mut loader)?;
        }
        Ok(loader)
    }

    /// Appends the first batch of an epoch: who leads, and who votes where the log does not say so yet.
    pub(super) fn append_epoch_start(
        &self,
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
        let mut builder = BatchBuilder::control(ControlRecordType::LeaderChange, now, &change.to_bytes(0));
        if let Some(voters) = voters.1 {
            push_voters(&mut builder, voters, now);
        }
        self.append(builder, epoch, now)
    }

    /// Appends one batch of records.
    pub(super) fn append_records(
        &self,
        records: &[MetadataRecord],
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let mut builder = BatchBuilder::default();
        push_records(&mut builder, records, now);
        self.append(builder, epoch, now)
    }

    fn append(&self, builder: BatchBuilder, leader_epoch: LeaderEpoch, now: Timestamp) -> anyhow::Result<()> {
        let batch = builder.leader_epoch(leader_epoch).build();
        let base_offset = self.0.end_offset();
        self.0.append(&[Placed { batch: &batch, base_offset, leader_epoch }], now)?;
        Ok(())
    }

    /// Makes everything durable and yields its end.
    pub(super) fn flush(&self) -> anyhow::Result<Offset> {
        let end = self.0.end_offset();
        self.0.flush()?;
        Ok(end)
    }

    /// Makes everything durable, indexes included.
    pub(super) fn close(&self) -> anyhow::Result<()> {
        Ok(self.0.close()?)
    }
}

fn replay_batches(bytes: Bytes, next: Offset, loader: &mut MetadataLoader) -> anyhow::Result<Offset> {
    let mut next = next;
    for batch in batches(bytes) {
        let batch = batch.context("the metadata log is damaged")?;
        for (offset, record) in (batch.header().base_offset.0..).map(Offset).zip(metadata_records(&batch)?) {
            loader.replay(offset, &record)?;
        }
        next = batch.header().next_offset();
        loader.skip_to(next);
    }
    Ok(next)
}
