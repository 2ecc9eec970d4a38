//! The log directories of this broker, and which of them a log goes to.
//!
//! A directory has an id (KIP-858), a state ([`DirHealth`]), a mark of the last orderly stop, and files of offsets
//! beside its logs. One that cannot be looked into at the start is offline from the start, like one that fails later: the
//! others go on. The process ends when the directory of the metadata log fails, or the last one that is left.
//!
//! A new log goes where its record says, or, while nobody has decided, to the directory with the fewest logs
//! among those that are neither full nor cordoned (KIP-1066). A log that may lie in a directory which is offline is not
//! made again elsewhere.
//!
//! Source: `LogManager` and `Partition.createLogInAssignedDirectoryId` of Apache Kafka.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::ensure;
use futures::FutureExt as _;
use futures::future::{join_all, select_all};
use milena_core::config::broker::log;
use milena_core::metadata::directory::UNASSIGNED;
use milena_protocol::Uuid;
use milena_storage::{CleanShutdown, Disk, PartitionKey, Run};

use super::checkpoints::{Known, Written};
use super::health::DirHealth;
use crate::config::{Config, LiveProperties};
use crate::metrics::StorageMetrics;
use crate::quorum::Directory;

/// One of them.
#[derive(Debug)]
pub(crate) struct LogDir {
    pub(crate) folder: PathBuf,
    /// Nil where it could not be read at the start.
    pub(crate) id: Uuid,
    pub(crate) health: DirHealth,
    /// It could be used at the start, and the controller is told that this broker has it.
    pub(super) was_online: bool,
    /// How the last run ended, if it was in order.
    pub(super) last_end: Option<CleanShutdown>,
    /// The last run, if the machine has run on since, and with it everything that was written.
    last_run: Option<Run>,
    pub(super) written: Written,
    /// Logs that should be here and cannot be used.
    unopened: Mutex<BTreeMap<PartitionKey, Known>>,
    /// Logs that are here or are being made.
    logs: AtomicUsize,
    /// Folders of copies of logs that the start found.
    futures: Mutex<Vec<(PartitionKey, PathBuf)>>,
}

impl LogDir {
    /// A directory of which nothing is known but its name.
    pub(crate) fn new(folder: &Path, id: Uuid, metrics: StorageMetrics) -> Self {
        Self {
            folder: folder.to_owned(),
            id,
            health: DirHealth::new(folder, metrics),
            was_online: true,
            last_end: None,
            last_run: None,
            written: Written::default(),
            unopened: Mutex::default(),
            logs: AtomicUsize::new(0),
            futures: Mutex::default(),
        }
    }

    fn open(directory: &Directory, disk: &dyn Disk, metrics: StorageMetrics) -> Self {
        let mut dir = Self::new(&directory.folder, directory.id.unwrap_or_default(), metrics);
        match directory.id {
            Some(_) => match CleanShutdown::take(disk, &dir.folder) {
                Ok(last_end) => dir.last_end = last_end,
                Err(error) => dir.health.fail(&error.to_string()),
            },
            None => dir.health.fail("it could not be read at the start"),
        }
        dir.last_run = Run::read(disk, &dir.folder);
        dir.was_online = dir.is_online();
        dir
    }

    /// Whether it can be used; a full one can.
    pub(crate) fn is_online(&self) -> bool {
        self.health.check_read().is_ok()
    }

    pub(super) fn unopened(&self) -> MutexGuard<'_, BTreeMap<PartitionKey, Known>> {
        self.unopened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn found_future(&self, key: PartitionKey, folder: PathBuf) {
        self.futures.lock().unwrap_or_else(PoisonError::into_inner).push((key, folder));
    }

    pub(super) fn take_futures(&self) -> Vec<(PartitionKey, PathBuf)> {
        std::mem::take(&mut *self.futures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A log is here, or is about to be.
    pub(super) fn takes_log(&self) {
        self.logs.fetch_add(1, Ordering::Relaxed);
    }

    /// A log is here no more, or could not be made.
    pub(super) fn loses_log(&self) {
        self.logs.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All of them; in the order of `log.dirs`.
#[derive(Debug)]
pub(super) struct LogDirs {
    all: Vec<Arc<LogDir>>,
    /// Also holds the metadata log.
    of_metadata: Option<Arc<LogDir>>,
    live: LiveProperties,
}

impl LogDirs {
    /// Takes over formatted directories.
    pub(super) fn open(
        config: &Config,
        directories: &[Directory],
        disk: &dyn Disk,
        (live, metrics): (LiveProperties, &StorageMetrics),
    ) -> anyhow::Result<Self> {
        let open = |directory| Arc::new(LogDir::open(directory, disk, metrics.clone()));
        let all: Vec<_> = directories.iter().map(open).collect();
        let of_metadata = all.iter().find(|dir| dir.folder == config.metadata_dir).cloned();
        ensure!(all.iter().any(|dir| dir.is_online()), "none of the log directories can be used");
        if let Some(dir) = &of_metadata {
            ensure!(dir.is_online(), "log directory {} cannot be used", dir.folder.display());
        }
        Ok(Self { all, of_metadata, live })
    }

    /// Marks that this broker runs, registered with this epoch.
    pub(super) fn mark_run(&self, disk: &dyn Disk, broker_epoch: i64) {
        for dir in self.online() {
            if let Err(error) = (Run { broker_epoch }).write(disk, &dir.folder) {
                tracing::warn!(%error, "after a kill this run will count as lost with its machine");
            }
        }
    }

    /// Takes the marks off directories that failed: what was written there may be missing.
    pub(super) fn unmark_failed(&self, disk: &dyn Disk) {
        for dir in self.all.iter().filter(|dir| dir.was_online && !dir.is_online()) {
            if let Err(error) = Run::remove(disk, &dir.folder) {
                tracing::warn!(%error, "a failed directory keeps the mark of a run");
            }
        }
    }

    pub(super) fn all(&self) -> &[Arc<LogDir>] {
        &self.all
    }

    pub(super) fn online(&self) -> impl Iterator<Item = &Arc<LogDir>> {
        self.all.iter().filter(|dir| dir.is_online())
    }

    /// The directory where a log should be that cannot be used.
    pub(super) fn of_unopened(&self, key: &PartitionKey) -> Option<&Arc<LogDir>> {
        self.all.iter().find(|dir| dir.unopened().contains_key(key))
    }

    /// Where a log goes that is in no directory which can be looked into; `None` while it may be in one that is offline.
    /// It counts as there from now on.
    pub(super) fn place(&self, assigned: Uuid) -> Option<Arc<LogDir>> {
        let named = self.online().find(|dir| dir.id == assigned);
        let is_free = || assigned == UNASSIGNED || self.all.iter().all(|dir| dir.is_online());
        let dir = named.or_else(|| if is_free() { self.emptiest() } else { None })?;
        dir.takes_log();
        Some(dir.clone())
    }

    /// Among all that are online where each of them is full or cordoned.
    fn emptiest(&self) -> Option<&Arc<LogDir>> {
        let cordoned = self.cordoned();
        let is_unfit = |dir: &Arc<LogDir>| dir.health.check_write().is_err() || cordoned.contains(&dir.id);
        self.online().min_by_key(|dir| (is_unfit(dir), dir.logs.load(Ordering::Relaxed)))
    }

    /// The ids of those that take no new replicas.
    pub(super) fn cordoned(&self) -> Vec<Uuid> {
        let properties = self.live.current();
        let named = properties.list(&log::CORDONED_LOG_DIRS);
        let is_named = |dir: &&Arc<LogDir>| {
            named.iter().any(|name| *name == "*" || absolute(Path::new(name)) == absolute(&dir.folder))
        };
        self.all.iter().filter(is_named).map(|dir| dir.id).collect()
    }

    /// The epoch that this broker had when it last ended, with everything it had written in every directory: in order, or
    /// killed on a machine that has run on since; none after a crash of the machine.
    pub(super) fn previous_broker_epoch(&self) -> Option<i64> {
        let epoch = |dir: &Arc<LogDir>| {
            let ended = dir.last_end.map(|end| end.broker_epoch);
            ended.or(dir.last_run.map(|run| run.broker_epoch))
        };
        let mut epochs = self.all.iter().map(epoch);
        let first = epochs.next()??;
        epochs.all(|epoch| epoch == Some(first)).then_some(first)
    }

    /// Resolves with the reason when what is left is not enough for this process.
    pub(super) async fn failed(&self) -> String {
        let all = join_all(self.all.iter().map(|dir| dir.health.failed())).map(|reasons| reasons.join(", "));
        let Some(dir) = &self.of_metadata else { return all.await };
        let (reason, ..) = select_all([all.boxed(), dir.health.failed().boxed()]).await;
        reason
    }
}

/// As it is told to clients.
pub(crate) fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}
