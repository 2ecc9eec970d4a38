//! Snapshot files: `<offset>-<epoch>.checkpoint`, the metadata below an offset of the log, and `bootstrap.checkpoint`,
//! the feature levels of a new cluster.
//!
//! A snapshot is batches (KIP-630):
//!
//! | batch | records |
//! |---|---|
//! | control | SnapshotHeader; with dynamic voters KRaftVersion and KRaftVoters |
//! | data, any number | metadata records of the image |
//! | control | SnapshotFooter: without it the file is not whole |
//!
//! Offsets inside count from 0 and mean nothing. The epoch of every batch is the one in the name.

use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use milena_core::metadata::MetadataImage;
use milena_core::raft::LogEnd;
use milena_protocol::messages::control_records::{
    KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::records::{
    BatchBuilder, ControlRecordType, NewRecord, Record, RecordBatch, batches, control_record_type,
};
use milena_protocol::{LeaderEpoch, Message, Offset, Timestamp};
use milena_storage::Disk;
use milena_storage::disk::Open;

use super::voters;

/// Ending of every snapshot.
const SUFFIX: &str = ".checkpoint";
/// Ending of a snapshot that is being written, and of one that Apache Kafka is about to remove.
const LEFTOVERS: [&str; 2] = [".checkpoint.part", ".checkpoint.deleted"];
/// Records and bytes from which on the next record of a snapshot goes into a new batch.
const RECORDS_PER_BATCH_MAX: i32 = 1024;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What a snapshot says.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) records: Vec<MetadataRecord>,
    /// The voters recorded in it.
    pub(super) voters: Option<VotersRecord>,
    /// Timestamp of the last batch of the log that it covers.
    pub(super) last_contained: Timestamp,
}

/// What a snapshot is made of.
#[derive(Debug)]
pub(super) struct Contents {
    /// The end of the log that it covers.
    pub(super) id: LogEnd,
    pub(super) image: MetadataImage,
    pub(super) voters: Option<VotersRecord>,
    pub(super) last_contained: Timestamp,
}

/// The name of the snapshot of everything below `id`.
pub(super) fn file_name(id: LogEnd) -> String {
    format!("{:020}-{:010}{SUFFIX}", id.offset.0, id.epoch.0)
}

/// What a snapshot of this name covers; `None` for other files.
pub(super) fn id_of(name: &str) -> Option<LogEnd> {
    let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let id = LogEnd { offset: Offset(offset.parse().ok()?), epoch: LeaderEpoch(epoch.parse().ok()?) };
    (file_name(id) == name).then_some(id)
}

/// The newest snapshot in `folder`: what it covers, and its file.
pub(super) fn newest_in(folder: &Path) -> Option<(LogEnd, std::fs::Metadata)> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let named = files.filter_map(|file| Some((id_of(file.file_name().to_str()?)?, file)));
    let (id, file) = named.max_by_key(|(id, _)| (id.offset, id.epoch))?;
    Some((id, file.metadata().ok()?))
}

/// Whether a file is what is left of a snapshot that was not finished, or not removed.
pub(super) fn is_leftover(name: &str) -> bool {
    LEFTOVERS.iter().any(|leftover| name.ends_with(leftover))
}

/// Writes a snapshot into `folder` and yields its size in bytes. When this returns it is whole, under its name, on the
/// disk.
pub(super) fn write(disk: &dyn Disk, folder: &Path, contents: Contents, now: Timestamp) -> io::Result<u64> {
    let path = folder.join(file_name(contents.id));
    let partial = path.with_added_extension("part");
    let file = disk.open(&partial, Open::Create)?;
    file.set_len(0)?;
    let mut position = 0;
    let mut first = header(contents.last_contained, now);
    if let Some(voters) = &contents.voters {
        push_voters(&mut first, voters, now);
    }
    let data = data_batches(contents.image.to_records(), now);
    for batch in numbered(contents.id.epoch, [first].into_iter().chain(data).chain([footer(now)])) {
        file.write_all_at(&[batch.bytes()], position)?;
        position += batch.size_bytes() as u64;
    }
    file.sync()?;
    disk.rename(&partial, &path)?;
    disk.sync_dir(folder)?;
    Ok(position)
}

/// The bytes of `bootstrap.checkpoint`: the feature levels a new cluster starts with.
pub(super) fn bootstrap(records: &[MetadataRecord], now: Timestamp) -> Bytes {
    let data = data_batches(records.to_vec(), now);
    concatenated([header(Timestamp(0), now)].into_iter().chain(data).chain([footer(now)]))
}

/// The bytes of the `0-0` checkpoint: who votes.
pub(super) fn voters(voters: &VotersRecord, now: Timestamp) -> Bytes {
    let mut contents = header(now, now);
    push_voters(&mut contents, voters, now);
    concatenated([contents, footer(now)].into_iter())
}

/// Adds `kraft.version` and the voters to a control batch.
pub(super) fn push_voters(builder: &mut BatchBuilder, voters: &VotersRecord, now: Timestamp) {
    let version = KRaftVersionRecord { version: 0, kraft_version: voters::KRAFT_VERSION };
    builder.push_control(ControlRecordType::KRaftVersion, now, &version.to_bytes(0));
    builder.push_control(ControlRecordType::KRaftVoters, now, &voters.to_bytes(0));
}

/// Adds a metadata record to a data batch.
pub(super) fn push_record(builder: &mut BatchBuilder, record: &MetadataRecord, now: Timestamp) {
    let value = record.to_bytes();
    builder.push(NewRecord { timestamp: now, value: Some(&value), ..NewRecord::default() });
}

/// Reads a snapshot; `None` where there is no file. Damage is an error that names its position.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> anyhow::Result<Option<Snapshot>> {
    let contents = match disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        contents => contents.with_context(|| format!("read {}", path.display()))?,
    };
    let mut position = 0;
    parse(contents.into(), &mut position)
        .map(Some)
        .with_context(|| format!("{} is damaged at byte {position}", path.display()))
}

fn parse(contents: Bytes, position: &mut usize) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let mut is_whole = false;
    for batch in batches(contents) {
        let batch = batch?;
        snapshot.records.extend(metadata_records(&batch)?);
        for (_, kind, value) in control_records(&batch)? {
            match kind {
                ControlRecordType::SnapshotHeader => {
                    let header = SnapshotHeaderRecord::from_bytes(value, 0)?;
                    snapshot.last_contained = Timestamp(header.last_contained_log_timestamp);
                }
                ControlRecordType::KRaftVoters => {
                    snapshot.voters = Some(VotersRecord::from_bytes(value, 0)?);
                }
                ControlRecordType::SnapshotFooter => is_whole = true,
                _ => {}
            }
        }
        *position += batch.size_bytes();
    }
    if is_whole { Ok(snapshot) } else { Err(anyhow!("the snapshot has no footer")) }
}

/// Timestamp of the last batch of the log that a snapshot covers, by the snapshot's first bytes; 0 where they do not say.
pub(super) fn last_contained(first: Bytes) -> Timestamp {
    let batch = batches(first).next().and_then(Result::ok);
    let records = batch.and_then(|batch| control_records(&batch).ok()).unwrap_or_default();
    let header = records.into_iter().find(|(_, kind, _)| *kind == ControlRecordType::SnapshotHeader);
    let header = header.and_then(|(_, _, value)| SnapshotHeaderRecord::from_bytes(value, 0).ok());
    header.map_or(Timestamp(0), |header| Timestamp(header.last_contained_log_timestamp))
}

/// The metadata records of a batch; none of a control batch.
pub(super) fn metadata_records(batch: &RecordBatch) -> anyhow::Result<Vec<MetadataRecord>> {
    batch.check_crc()?;
    if batch.header().attributes.is_control() {
        return Ok(Vec::new());
    }
    let decode = |record: Result<Record, _>| {
        let record = record?;
        let value = record.value.unwrap_or_default();
        MetadataRecord::from_bytes(value)
            .with_context(|| format!("metadata record at offset {}", record.offset))
    };
    batch.records()?.map(decode).collect()
}

/// Offset, type and value of each record of a control batch; none of a data batch. Types that are not known are left out.
pub(super) fn control_records(
    batch: &RecordBatch,
) -> anyhow::Result<Vec<(Offset, ControlRecordType, Bytes)>> {
    if !batch.header().attributes.is_control() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for record in batch.records()? {
        let record = record?;
        let offset = record.offset;
        found.extend(
            control_record_type(&record).map(|kind| (offset, kind, record.value.unwrap_or_default())),
        );
    }
    Ok(found)
}

fn data_batches(records: Vec<MetadataRecord>, now: Timestamp) -> impl Iterator<Item = BatchBuilder> {
    let mut records = records.into_iter().peekable();
    std::iter::from_fn(move || {
        records.peek()?;
        let mut builder = BatchBuilder::default();
        while builder.count() < RECORDS_PER_BATCH_MAX && builder.size_bytes() < BATCH_BYTES_MAX {
            let Some(record) = records.next() else { break };
            push_record(&mut builder, &record, now);
        }
        Some(builder)
    })
}

/// The batches one after the other, their offsets counted from 0.
fn numbered(
    epoch: LeaderEpoch,
    builders: impl Iterator<Item = BatchBuilder>,
) -> impl Iterator<Item = RecordBatch> {
    builders.scan(0, move |offset, builder| {
        let base = Offset(*offset);
        *offset += i64::from(builder.count());
        Some(builder.base_offset(base).leader_epoch(epoch).build())
    })
}

fn header(last_contained: Timestamp, now: Timestamp) -> BatchBuilder {
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: last_contained.0 };
    BatchBuilder::control(ControlRecordType::SnapshotHeader, now, &header.to_bytes(0))
}

fn footer(now: Timestamp) -> BatchBuilder {
    let footer = SnapshotFooterRecord { version: 0 };
    BatchBuilder::control(ControlRecordType::SnapshotFooter, now, &footer.to_bytes(0))
}

fn concatenated(builders: impl Iterator<Item = BatchBuilder>) -> Bytes {
    numbered(LeaderEpoch(0), builders).flat_map(|batch| batch.bytes().to_vec()).collect()
}
