//! `unsynced`: where the batches begin that are being written together, while they may not all be on the disk.
//!
//! It is on the disk before the first of them is, and goes once all of them are. Damage behind that offset is then what a
//! crash left, whole batches among it or not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use milena_protocol::Offset;
use milena_storage::Disk;

const NAME: &str = "unsynced";

/// The file.
#[derive(Debug)]
pub(super) struct Unsynced {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Unsynced {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, path: folder.join(NAME) }
    }

    /// What the last run left; `None` where it left nothing.
    pub(super) fn read(&self) -> anyhow::Result<Option<Offset>> {
        match self.disk.read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            contents => {
                let context = || format!("read {}", self.path.display());
                let text = String::from_utf8(contents.with_context(context)?).with_context(context)?;
                Ok(Some(Offset(text.trim().parse().with_context(context)?)))
            }
        }
    }

    /// Batches from `offset` on are about to be written. On the disk when this returns.
    pub(super) fn begin(&self, offset: Offset) -> anyhow::Result<()> {
        Ok(self.disk.replace(&self.path, offset.to_string().as_bytes(), true)?)
    }

    /// They are on the disk.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        match self.disk.remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
