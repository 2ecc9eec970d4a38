//! The snapshots of the metadata log: which there are, when the next one is due, which of them may go.
//!
//! - A snapshot is due after `metadata.log.max.record.bytes.between.snapshots` of new records, or
//!   `metadata.log.max.snapshot.interval.ms` after the one before if there are any.
//! - While log and snapshots together are larger than `metadata.max.retention.bytes`, or the oldest snapshot is older
//!   than `metadata.max.retention.ms`, it goes, and the log is cut before the next one. The latest always stays.
//! - The log goes first and then the files that cover it: whatever a crash leaves, the latest snapshot and what follows
//!   it is there. Snapshots that end below the start of the log are leftovers of such a crash.
//!
//! Source: KIP-630; `KafkaRaftLog` and `SnapshotGenerator` of Apache Kafka.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use milena_core::config::Properties;
use milena_core::config::broker::quorum;
use milena_core::raft::LogEnd;
use milena_protocol::{LeaderEpoch, Offset, Timestamp};
use milena_storage::disk::Open;
use milena_storage::{Disk, Log};

use super::snapshot::{self, Snapshot};

/// Bytes that hold the first batch of a snapshot.
const FIRST_BATCH_BYTES: usize = 4096;

/// When a snapshot is due, and how much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    bytes_between: u64,
    /// `None` for never.
    interval_ms: Option<i64>,
    retention_bytes: Option<u64>,
    retention_ms: Option<i64>,
}

impl Limits {
    pub(super) fn new(properties: &Properties) -> Self {
        let between = properties.long(&quorum::METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS);
        let interval = properties.long(&quorum::METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS);
        let retention_ms = properties.long(&quorum::METADATA_MAX_RETENTION_MS);
        Self {
            bytes_between: between.unsigned_abs(),
            interval_ms: Some(interval).filter(|interval| *interval > 0),
            retention_bytes: u64::try_from(properties.long(&quorum::METADATA_MAX_RETENTION_BYTES)).ok(),
            retention_ms: Some(retention_ms).filter(|age| *age >= 0),
        }
    }
}

/// A snapshot file.
#[derive(Debug, Clone, Copy)]
struct File {
    size_bytes: u64,
    /// Of the last batch it covers.
    last_contained: Timestamp,
}

/// A snapshot that was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) id: LogEnd,
    pub(super) size_bytes: u64,
    pub(super) last_contained: Timestamp,
}

/// The snapshots in the folder of the metadata log.
#[derive(Debug)]
pub(super) struct Snapshots {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    limits: Limits,
    /// By offset and epoch.
    files: BTreeMap<(Offset, LeaderEpoch), File>,
    /// Bytes of the log that no snapshot covers.
    uncovered_bytes: u64,
    /// When the last snapshot was begun, or the process.
    last_begun: Timestamp,
}

impl Snapshots {
    /// Finds the snapshots in `folder`, which may not be there yet. What a crash left of others is removed.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        limits: Limits,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        disk.create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let mut files = BTreeMap::new();
        for entry in disk.list(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = folder.join(&entry.name);
            if snapshot::is_leftover(&entry.name) {
                disk.remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            } else if let Some(id) = snapshot::id_of(&entry.name) {
                files.insert((id.offset, id.epoch), measure(&*disk, &path)?);
            }
        }
        let folder = folder.to_owned();
        Ok(Self { disk, folder, limits, files, uncovered_bytes: 0, last_begun: now })
    }

    /// What the latest snapshot covers.
    pub(super) fn latest(&self) -> Option<LogEnd> {
        self.files.keys().next_back().map(|(offset, epoch)| LogEnd { offset: *offset, epoch: *epoch })
    }

    /// What the oldest snapshot covers.
    pub(super) fn earliest(&self) -> Option<LogEnd> {
        self.files.keys().next().map(|(offset, epoch)| LogEnd { offset: *offset, epoch: *epoch })
    }

    /// Reads the latest snapshot; an empty one where there is none.
    pub(super) fn read_latest(&self) -> anyhow::Result<Snapshot> {
        let Some(id) = self.latest() else { return Ok(Snapshot::default()) };
        Ok(snapshot::read(&*self.disk, &self.path(id))?.unwrap_or_default())
    }

    /// Brings log and snapshots in line after a crash, or after Apache Kafka fetched a snapshot: a log that ends before
    /// the latest snapshot begins anew after it, snapshots of what the log no longer holds go.
    pub(super) fn reconcile(&mut self, log: &Log) -> anyhow::Result<()> {
        let latest = self.latest().map_or(Offset(0), |id| id.offset);
        let start = log.start_offset();
        ensure!(
            start <= latest,
            "{} starts at offset {start}, and no snapshot covers what lies before",
            self.folder.display()
        );
        if latest > log.end_offset() {
            log.truncate_fully(latest)?;
        }
        self.forget_before(log.start_offset())
    }

    /// Notes so many bytes of the log that no snapshot covers.
    pub(super) fn uncovered(&mut self, bytes: usize) {
        self.uncovered_bytes += bytes as u64;
    }

    /// When the next snapshot is due; `None` while nothing is new.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.uncovered_bytes >= self.limits.bytes_between {
            return Some(self.last_begun);
        }
        let interval = self.limits.interval_ms.filter(|_| self.uncovered_bytes > 0)?;
        Some(Timestamp(self.last_begun.0.saturating_add(interval)))
    }

    /// Notes that a snapshot of all there is was begun.
    pub(super) fn begun(&mut self, now: Timestamp) {
        self.uncovered_bytes = 0;
        self.last_begun = now;
    }

    /// Notes that a snapshot is on the disk.
    pub(super) fn written(&mut self, Written { id, size_bytes, last_contained }: Written) {
        self.files.insert((id.offset, id.epoch), File { size_bytes, last_contained });
    }

    /// Removes the oldest snapshots that the limits do not keep, and cuts the log before the oldest that stays.
    pub(super) fn clean(&mut self, log: &Log, now: Timestamp) -> anyhow::Result<()> {
        while let Some((oldest, next)) = self.oldest_two() {
            let size: u64 = self.files.values().map(|file| file.size_bytes).sum();
            let is_large = self.limits.retention_bytes.is_some_and(|max| log.size_bytes() + size > max);
            let age_ms = now.ms_since(oldest.last_contained);
            let is_old = self.limits.retention_ms.is_some_and(|max| age_ms > max);
            if !is_large && !is_old {
                break;
            }
            log.advance_start(next)?;
            self.forget_before(next)?;
        }
        Ok(())
    }

    fn oldest_two(&self) -> Option<(File, Offset)> {
        let mut files = self.files.iter();
        let (_, oldest) = files.next()?;
        let ((next, _), _) = files.next()?;
        Some((*oldest, *next))
    }

    fn forget_before(&mut self, offset: Offset) -> anyhow::Result<()> {
        let kept = self.files.split_off(&(offset, LeaderEpoch(i32::MIN)));
        for (offset, epoch) in std::mem::replace(&mut self.files, kept).into_keys() {
            let path = self.path(LogEnd { offset, epoch });
            self.disk.remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            tracing::info!(snapshot = %path.display(), "removed an old snapshot");
        }
        Ok(())
    }

    pub(super) fn path(&self, id: LogEnd) -> PathBuf {
        self.folder.join(snapshot::file_name(id))
    }
}

fn measure(disk: &dyn Disk, path: &Path) -> anyhow::Result<File> {
    let measured = || -> std::io::Result<File> {
        let file = disk.open(path, Open::Existing)?;
        let mut first = vec![0; FIRST_BATCH_BYTES];
        let read = file.read_at(&mut first, 0)?;
        first.truncate(read);
        Ok(File { size_bytes: file.len()?, last_contained: snapshot::last_contained(first.into()) })
    };
    measured().with_context(|| format!("read {}", path.display()))
}
