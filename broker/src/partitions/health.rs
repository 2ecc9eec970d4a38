//! Whether a log directory can be used, and why not.
//!
//! | state | cause | produce | fetch, retention | ends |
//! |---|---|---|---|---|
//! | online | | yes | yes | |
//! | full | a write that found no room | KAFKA_STORAGE_ERROR | yes | by itself, when a probe finds room |
//! | failed | a sync that failed; any other error of the disk | KAFKA_STORAGE_ERROR | KAFKA_STORAGE_ERROR | with the process |
//!
//! A write that found no room left the log as it was, so nothing has to be read again when there is room. After a failed
//! sync nobody knows what the disk holds, and a second sync proves nothing: the kernel reports a failed write
//! once. The logs of a failed directory are given up ([`super::dir_failure`]).

use std::io;
use std::path::{Path, PathBuf};

use milena_protocol::ErrorCode;
use milena_storage::{Disk, Open, StorageError};
use rustix::io::Errno;
use tokio::sync::watch;

use crate::metrics::StorageMetrics;

/// The file that a probe writes and removes.
const PROBE_FILE: &str = ".milena_probe";
/// Room that a probe asks for: that of the largest batch by default.
const PROBE_BYTES: usize = 1 << 20;

/// Errors that speak of the disk or its file system.
const DISK_ERRORS: [Errno; 9] = [
    Errno::IO,
    Errno::ROFS,
    Errno::NODEV,
    Errno::NXIO,
    Errno::STALE,
    Errno::UCLEAN,
    Errno::BADMSG,
    Errno::REMOTEIO,
    Errno::NOMEDIUM,
];

/// What is known of a directory.
#[derive(Debug)]
pub(crate) struct DirHealth {
    folder: PathBuf,
    state: watch::Sender<State>,
    metrics: StorageMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Online,
    Full,
    Failed(String),
}

impl DirHealth {
    pub(crate) fn new(folder: &Path, metrics: StorageMetrics) -> Self {
        let state = watch::Sender::new(State::Online);
        Self { folder: folder.to_owned(), state, metrics }
    }

    /// Whether logs may be read.
    pub(crate) fn check_read(&self) -> Result<(), ErrorCode> {
        match *self.state.borrow() {
            State::Failed(_) => Err(ErrorCode::KafkaStorageError),
            State::Online | State::Full => Ok(()),
        }
    }

    /// Whether logs may grow.
    pub(crate) fn check_write(&self) -> Result<(), ErrorCode> {
        match *self.state.borrow() {
            State::Online => Ok(()),
            State::Full | State::Failed(_) => Err(ErrorCode::KafkaStorageError),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        *self.state.borrow() == State::Full
    }

    /// Takes in an error. False where it says nothing about the directory, or the directory's state says it already;
    /// the first error that changes the state is logged here.
    pub(crate) fn report(&self, error: &StorageError) -> bool {
        let Some(state) = state_after(error) else { return false };
        self.enter(&state, &error.to_string());
        true
    }

    /// Takes in that the directory cannot be used, whatever its disk says.
    pub(crate) fn fail(&self, reason: &str) {
        self.enter(&State::Failed(reason.to_owned()), reason);
    }

    /// Whether an error says something about its directory.
    pub(crate) fn is_hit_by(error: &StorageError) -> bool {
        state_after(error).is_some()
    }

    fn enter(&self, state: &State, error: &str) {
        let mut was_online = false;
        let changed = self.state.send_if_modified(|known| {
            let is_worse = matches!((&*known, state), (State::Online, _) | (State::Full, State::Failed(_)));
            if is_worse {
                was_online = *known == State::Online;
                known.clone_from(state);
            }
            is_worse
        });
        if changed {
            let folder = self.folder.display();
            let until = if *state == State::Full {
                "until there is room"
            } else {
                "until the broker is started again"
            };
            tracing::error!(%folder, error, "log directory goes offline {until}");
            if was_online {
                self.metrics.directory_offline(true);
            }
        }
    }

    /// Comes back from being full, if there is room. Blocks.
    pub(crate) fn probe(&self, disk: &dyn Disk) -> bool {
        let path = self.folder.join(PROBE_FILE);
        let tried = try_write(disk, &path);
        // A file of a probe that failed takes room too.
        let removed = disk.remove_file(&path);
        if tried.is_err() || removed.is_err() {
            return false;
        }
        let changed = self.state.send_if_modified(|known| {
            let was_full = *known == State::Full;
            if was_full {
                *known = State::Online;
            }
            was_full
        });
        if changed {
            tracing::info!(folder = %self.folder.display(), "log directory has room again and is online");
            self.metrics.directory_offline(false);
        }
        changed
    }

    /// Resolves with the reason when the directory fails for good.
    pub(crate) async fn failed(&self) -> String {
        let mut state = self.state.subscribe();
        loop {
            if let State::Failed(reason) = &*state.borrow_and_update() {
                return reason.clone();
            }
            // The sender lives as long as `self`.
            state.changed().await.ok();
        }
    }
}

fn try_write(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = disk.open(path, Open::Create)?;
    file.write_all_at(&[&vec![0; PROBE_BYTES]], 0)?;
    // Some file systems look for room no earlier.
    file.sync()
}

/// What an error says about the directory.
fn state_after(error: &StorageError) -> Option<State> {
    let StorageError::Io { source, .. } = error else { return None };
    if error.is_full() {
        return Some(State::Full);
    }
    // Other errors are those of one file, of this process, or of the machine's memory.
    let errno = source.raw_os_error().map(Errno::from_raw_os_error);
    let is_of_the_disk = error.is_sync() || errno.is_some_and(|errno| DISK_ERRORS.contains(&errno));
    is_of_the_disk.then(|| State::Failed(error.to_string()))
}

#[cfg(test)]
mod tests;
