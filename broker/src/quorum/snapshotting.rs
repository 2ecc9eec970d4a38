//! Writes one snapshot at a time beside the quorum's own work, which goes on meanwhile. A snapshot that cannot be written
//! is logged and left: the log still has everything, and the next one is due as if it had been written.

use std::path::PathBuf;
use std::sync::Arc;

use milena_storage::Disk;
use tokio::task::JoinHandle;

use super::snapshot::{self, Contents};
use super::snapshots::Written;
use super::worker::now;
use crate::task;

/// The snapshot that is being written, if one is.
#[derive(Debug, Default)]
pub(super) struct Snapshotting(Option<JoinHandle<Option<Written>>>);

impl Snapshotting {
    pub(super) fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to write a snapshot on a thread of its own.
    pub(super) fn begin(&mut self, disk: Arc<dyn Disk>, folder: PathBuf, contents: Contents) {
        self.0 = Some(task::spawn_blocking(move || {
            let (id, last_contained) = (contents.id, contents.last_contained);
            let name = snapshot::file_name(id);
            match snapshot::write(&*disk, &folder, contents, now()) {
                Ok(size_bytes) => {
                    tracing::info!(name, size_bytes, "wrote a metadata snapshot");
                    Some(Written { id, size_bytes, last_contained })
                }
                Err(error) => {
                    tracing::error!(name, %error, "cannot write a metadata snapshot");
                    None
                }
            }
        }));
    }

    /// Resolves when the snapshot that is being written is on the disk; with `None` at once where there is none, or when
    /// it could not be written.
    pub(super) async fn end(&mut self) -> Option<Written> {
        let written = self.0.as_mut()?.await.ok().flatten();
        self.0 = None;
        written
    }
}
