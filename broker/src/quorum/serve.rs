//! What a leader reads for others: batches of the log, pieces of snapshots.

use bytes::Bytes;
use milena_core::config::broker::quorum;
use milena_core::raft::{Answer, FetchContent, LogEnd, PeerAnswer, SnapshotChunk};
use milena_protocol::{ErrorCode, Offset};
use milena_storage::Disk;
use milena_storage::disk::Open;

use super::log::MetadataLog;
use crate::config::Config;

/// Puts into an answer what it says should be read.
pub(super) fn fill(
    answer: PeerAnswer,
    log: &MetadataLog,
    disk: &dyn Disk,
    config: &Config,
) -> anyhow::Result<PeerAnswer> {
    let bytes_max = |key| usize::try_from(config.properties.int(key)).unwrap_or(1);
    Ok(match answer {
        PeerAnswer::Fetch { answer, high_watermark, content: FetchContent::ReadFrom(from) } => {
            let bytes = log.read_flushed(from, bytes_max(&quorum::CONTROLLER_QUORUM_FETCH_MAX_BYTES))?;
            PeerAnswer::Fetch { answer, high_watermark, content: FetchContent::Records(bytes) }
        }
        PeerAnswer::Snapshot(answer, Some(chunk)) => {
            let bytes_max = bytes_max(&quorum::CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES);
            match piece(disk, log, &chunk, bytes_max) {
                Ok(chunk) => PeerAnswer::Snapshot(answer, Some(chunk)),
                Err(error) => PeerAnswer::Snapshot(Answer { error, ..answer }, None),
            }
        }
        answer => answer,
    })
}

/// A piece of a snapshot. The one that only names the first voters is nobody's to fetch.
fn piece(
    disk: &dyn Disk,
    log: &MetadataLog,
    asked: &SnapshotChunk,
    bytes_max: usize,
) -> Result<SnapshotChunk, ErrorCode> {
    let is_first = asked.id == LogEnd::default() || asked.id.offset == Offset(0);
    let file = disk.open(&log.snapshots.path(asked.id), Open::Existing);
    let file = file.ok().filter(|_| !is_first).ok_or(ErrorCode::SnapshotNotFound)?;
    let size = file.len().map_err(|_| ErrorCode::SnapshotNotFound)?;
    if asked.position >= size {
        return Err(ErrorCode::PositionOutOfRange);
    }
    let rest = usize::try_from(size - asked.position).unwrap_or(usize::MAX);
    let mut bytes = vec![0; rest.min(bytes_max)];
    let read = file.read_at(&mut bytes, asked.position).map_err(|_| ErrorCode::SnapshotNotFound)?;
    bytes.truncate(read);
    Ok(SnapshotChunk { size, bytes: Bytes::from(bytes), ..asked.clone() })
}
