//! A snapshot on its way from the leader: pieces gather in a file that gets its name when it is whole.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use milena_core::raft::{LogEnd, SnapshotChunk};
use milena_storage::disk::Open;
use milena_storage::{Disk, DiskFile};

use super::log::MetadataLog;
use super::snapshot;
use super::snapshots::Written;

/// The file that gathers the pieces.
#[derive(Debug)]
pub(super) struct Download {
    id: LogEnd,
    partial: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl Download {
    /// Stores a piece; yields the snapshot once it is whole and on the disk.
    pub(super) fn take(
        current: &mut Option<Self>,
        disk: &dyn Disk,
        log: &MetadataLog,
        chunk: &SnapshotChunk,
    ) -> anyhow::Result<Option<Written>> {
        let path = log.snapshots.path(chunk.id);
        if chunk.position == 0 || current.as_ref().is_none_or(|download| download.id != chunk.id) {
            let partial = path.with_added_extension("part");
            let file = disk.open(&partial, Open::Create).context("make a snapshot's file")?;
            file.set_len(0)?;
            *current = Some(Self { id: chunk.id, partial, file });
        }
        let Some(download) = current.as_ref() else { return Ok(None) };
        download.file.write_all_at(&[&chunk.bytes], chunk.position).context("write a snapshot")?;
        if !chunk.is_last() {
            return Ok(None);
        }
        download.file.sync()?;
        let whole = snapshot::read(disk, &download.partial)?.context("the snapshot is gone")?;
        disk.rename(&download.partial, &path)?;
        disk.sync_dir(path.parent().unwrap_or(&path))?;
        *current = None;
        tracing::info!(snapshot = %path.display(), size_bytes = chunk.size, "fetched a metadata snapshot");
        Ok(Some(Written { id: chunk.id, size_bytes: chunk.size, last_contained: whole.last_contained }))
    }
}
