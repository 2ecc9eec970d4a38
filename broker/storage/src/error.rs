//! The one error of this crate.

use std::io;
use std::path::{Path, PathBuf};

use milena_protocol::Offset;

/// Too many open files, in the system and in the process.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// What went wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk refused. The action is a present-tense verb.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The disk's reason.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is corrupt at byte {position}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the damage begins, in bytes.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The owner stopped a cleaning.
    #[error("cleaning {} was stopped", path.display())]
    Interrupted {
        /// The segment that was read.
        path: PathBuf,
    },
    /// An offset that the log does not have.
    #[error("offset {offset} is outside {start}..{end} of {}", path.display())]
    OutOfRange {
        /// The folder of the log.
        path: PathBuf,
        /// The offset asked for.
        offset: Offset,
        /// Log start offset.
        start: Offset,
        /// Log end offset.
        end: Offset,
    },
}

impl StorageError {
    pub(crate) fn corrupt(path: &Path, position: u64, reason: impl ToString) -> Self {
        Self::Corrupt { path: path.to_owned(), position, reason: reason.to_string() }
    }

    /// The disk has no room for what was to be written, and what was written before is not in doubt: a sync that finds
    /// no room is another error.
    pub fn is_full(&self) -> bool {
        let is_full = matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
        is_full && !self.is_sync()
    }

    /// A file or folder is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// What was written before may be lost: the disk could not make it durable.
    pub fn is_sync(&self) -> bool {
        // A file that could not be opened was not synced either, and may be later.
        matches!(self, Self::Io { source, action, .. } if action.starts_with("sync")
            && !matches!(source.raw_os_error(), Some(EMFILE | ENFILE)))
            && !self.is_missing()
    }
}

/// Names the action and the file of an `io::Error`.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Io { action, path: path.to_owned(), source })
    }
}
