//! Snapshot files, so far the two that formatting writes: `bootstrap.checkpoint` and the `0-0` checkpoint of dynamic
//! voters. A snapshot is batches: SnapshotHeader, contents, SnapshotFooter (KIP-630).

use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use milena_protocol::messages::control_records::{
    KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::records::{BatchBuilder, ControlRecordType, NewRecord, RecordBatch, batches};
use milena_protocol::{LeaderEpoch, Message, Offset, Timestamp};
use milena_storage::Disk;

/// `kraft.version` of dynamic voters.
pub(super) const KRAFT_VERSION: i16 = 1;

/// The bytes of `bootstrap.checkpoint`: the feature levels a new cluster starts with.
pub(super) fn bootstrap(records: &[MetadataRecord], now: Timestamp) -> Bytes {
    let mut builder = builder(Offset(1));
    push_records(&mut builder, records, now);
    let end = Offset(1 + i64::from(builder.count()));
    concatenated(&[header(Timestamp(0), now).build(), builder.build(), footer(end, now).build()])
}

/// The bytes of the `0-0` checkpoint: who votes.
pub(super) fn voters(voters: &VotersRecord, now: Timestamp) -> Bytes {
    let mut contents = header(now, now);
    push_voters(&mut contents, voters, now);
    let end = Offset(i64::from(contents.count()));
    concatenated(&[contents.build(), footer(end, now).build()])
}

/// Adds `kraft.version` and the voters to a control batch.
pub(super) fn push_voters(builder: &mut BatchBuilder, voters: &VotersRecord, now: Timestamp) {
    let version = KRaftVersionRecord { version: 0, kraft_version: KRAFT_VERSION };
    builder.push_control(ControlRecordType::KRaftVersion, now, &version.to_bytes(0));
    builder.push_control(ControlRecordType::KRaftVoters, now, &voters.to_bytes(0));
}

/// Adds metadata records to a data batch.
pub(super) fn push_records(builder: &mut BatchBuilder, records: &[MetadataRecord], now: Timestamp) {
    for record in records {
        let value = record.to_bytes();
        builder.push(NewRecord { timestamp: now, value: Some(&value), ..NewRecord::default() });
    }
}

/// The metadata records of a snapshot file; `None` where there is no file.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> anyhow::Result<Option<Vec<MetadataRecord>>> {
    let contents = match disk.read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        contents => contents.with_context(|| format!("read {}", path.display()))?,
    };
    let mut records = Vec::new();
    for batch in batches(contents.into()) {
        let batch = batch.with_context(|| format!("{} is damaged", path.display()))?;
        records.extend(metadata_records(&batch).with_context(|| format!("{} is damaged", path.display()))?);
    }
    Ok(Some(records))
}

/// The metadata records of a batch; none of a control batch.
pub(super) fn metadata_records(batch: &RecordBatch) -> anyhow::Result<Vec<MetadataRecord>> {
    batch.check_crc()?;
    if batch.header().attributes.is_control() {
        return Ok(Vec::new());
    }
    let decode = |record: Result<milena_protocol::records::Record, _>| {
        let record = record?;
        let value = record.value.unwrap_or_default();
        MetadataRecord::from_bytes(value)
            .with_context(|| format!("metadata record at offset {}", record.offset))
    };
    batch.records()?.map(decode).collect()
}

fn builder(base_offset: Offset) -> BatchBuilder {
    BatchBuilder::new(base_offset).leader_epoch(LeaderEpoch(0))
}

fn header(last_contained: Timestamp, now: Timestamp) -> BatchBuilder {
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: last_contained.0 };
    let mut builder = builder(Offset(0));
    builder.push_control(ControlRecordType::SnapshotHeader, now, &header.to_bytes(0));
    builder
}

fn footer(base_offset: Offset, now: Timestamp) -> BatchBuilder {
    let mut builder = builder(base_offset);
    let footer = SnapshotFooterRecord { version: 0 };
    builder.push_control(ControlRecordType::SnapshotFooter, now, &footer.to_bytes(0));
    builder
}

fn concatenated(batches: &[RecordBatch]) -> Bytes {
    batches.iter().flat_map(|batch| batch.bytes().iter().copied()).collect()
}
