//! The quorum's thread: one loop over handle, append, replay, flush, commit, publish, reply.
//!
//! Requests that have gathered while the log was being flushed share the next flush. A reply waits for the commit of
//! everything that was appended before it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use milena_core::config::broker::{log as log_keys, quorum};
use milena_core::controller::{
    Controller, ControllerReply, ControllerRequest, bootstrap_records, feature_records,
};
use milena_core::machine::{Machine, Ticket};
use milena_core::metadata::{MetadataImage, MetadataLoader};
use milena_core::raft::{Input, Output, Raft, ReplicaKey, Settings};
use milena_protocol::messages::control_records::VotersRecord;
use milena_protocol::messages::metadata_records::{
    AbortTransactionRecord, FeatureLevelRecord, MetadataRecord,
};
use milena_protocol::{Offset, Timestamp, Uuid};
use milena_storage::{Disk, StorageError};
use tokio::sync::{mpsc, oneshot, watch};

use super::election_file::ElectionFile;
use super::format::{self, LogDir};
use super::log::MetadataLog;
use super::snapshotting::Snapshotting;
use super::{Command, Identity, registration, snapshot};
use crate::config::Config;

/// Requests that share one flush of the log.
const REQUESTS_PER_FLUSH_MAX: usize = 256;

/// How often old snapshots are looked for, beside after each new one.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);

type ReplySender = oneshot::Sender<(ControllerReply, Offset)>;

/// A reply that waits for the commit of everything below `end`.
struct Parked {
    end: Offset,
    sender: ReplySender,
    reply: ControllerReply,
}

/// The state of the quorum's thread.
pub(super) struct Worker {
    disk: Arc<dyn Disk>,
    dir: LogDir,
    local: ReplicaKey,
    /// What the log must say about the voters at the start of its first epoch.
    voters: Option<VotersRecord>,
    election_file: ElectionFile,
    log: MetadataLog,
    raft: Raft,
    controller: Controller,
    /// Committed records only.
    loader: MetadataLoader,
    uncommitted: VecDeque<(Offset, MetadataRecord)>,
    parked: VecDeque<Parked>,
    senders: HashMap<Ticket, ReplySender>,
    tickets: u64,
    publish: watch::Sender<Arc<MetadataImage>>,
}

impl Worker {
    /// Forms the quorum: when this returns, this node leads.
    pub(super) fn open(
        config: &Config,
        disk: Arc<dyn Disk>,
        publish: watch::Sender<Arc<MetadataImage>>,
    ) -> anyhow::Result<(Self, Identity)> {
        let dir = LogDir::open(config, &disk, now())?;
        let mut log = MetadataLog::open(disk.clone(), &dir.metadata, &config.properties, now())?;
        let loader = log.replay()?;
        registration::check_voters(log.voters(), config.node_id)?;
        let election_file =
            ElectionFile::new(disk.clone(), &dir.metadata, config.voters.is_static(), config.node_id);
        let is_dynamic = !config.voters.is_static();
        let directory_id = if is_dynamic { dir.meta.directory_id } else { Uuid::nil() };
        let local = ReplicaKey { id: config.node_id, directory_id };
        let voters = if is_dynamic { Some(format::voters(config, directory_id)?) } else { None };
        let settings = raft_settings(config, local);
        let raft = Raft::new(settings, election_file.read()?, log.end(), Uuid::new_v4().as_u64_pair().0);
        let controller = new_controller(config, &dir, &loader);
        let mut worker = Self {
            local,
            voters,
            election_file,
            log,
            raft,
            controller,
            loader,
            uncommitted: VecDeque::new(),
            parked: VecDeque::new(),
            senders: HashMap::new(),
            tickets: 0,
            publish,
            dir,
            disk,
        };
        worker.form(config)?;
        let identity = Identity {
            cluster_id: worker.dir.meta.cluster_id.as_str().into(),
            node_id: config.node_id,
            directory_id: worker.dir.data_directory_id,
        };
        Ok((worker, identity))
    }

    /// Wins the election, brings the cluster's own records into the log and registers the controller.
    fn form(&mut self, config: &Config) -> anyhow::Result<()> {
        let outputs = self.raft.step(now(), Input::Start);
        self.execute(outputs)?;
        if !self.raft.is_leader() {
            bail!("the quorum of this node alone has no leader");
        }
        if self.loader.is_in_transaction() {
            let reason = Some("the controller stopped before its end".into());
            self.append(&[AbortTransactionRecord { reason }.into()])?;
        }
        if self.controller.image().features().is_empty() {
            let min_isr = config.properties.int(&log_keys::MIN_INSYNC_REPLICAS);
            let records = first_records(&*self.disk, &self.dir, min_isr)?;
            self.append(&records)?;
        }
        self.commit()?;
        registration::check(self.loader.published())?;
        registration::warn_of_unserved(self.loader.published());
        self.request(ControllerRequest::RegisterController(registration::controller(config)))?;
        self.commit()
    }

    /// Handles a request of this process itself; its records are appended, not committed.
    fn request(&mut self, request: ControllerRequest) -> anyhow::Result<ControllerReply> {
        let mut outcome = self.controller.handle(now(), Ticket(0), request);
        self.append(&outcome.records)?;
        outcome.replies.pop().map(|(_, reply)| reply).context("the controller did not reply")
    }

    /// Serves until it is told to stop or the log fails.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) -> anyhow::Result<()> {
        let mut cleaning = tokio::time::interval(CLEAN_INTERVAL);
        let mut snapshot = Snapshotting::default();
        loop {
            let due = self.log.snapshots.next_due().filter(|_| !snapshot.is_running());
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => {
                        if self.serve(command, &mut inbox)?.is_break() {
                            return Ok(());
                        }
                    }
                    None => return self.log.close(),
                },
                () = until(due) => {
                    let contents = unless_full(self.log.begin_snapshot(&self.loader, now()))?;
                    if let Some(contents) = contents {
                        snapshot.begin(self.disk.clone(), self.dir.metadata.clone(), contents);
                    }
                }
                Some(written) = snapshot.end() => {
                    self.log.snapshots.written(written);
                    unless_full(self.log.clean(now()))?;
                }
                _ = cleaning.tick() => drop(unless_full(self.log.clean(now()))?),
            }
        }
    }

    /// Handles a command and those that have gathered behind it, with one flush for all.
    fn serve(
        &mut self,
        command: Command,
        inbox: &mut mpsc::Receiver<Command>,
    ) -> anyhow::Result<ControlFlow<()>> {
        let mut next = Some(command);
        let mut taken = 0;
        while let Some(command) = next {
            match command {
                Command::Submit { request, reply } => self.submit(request, reply)?,
                Command::Stop { stopped } => {
                    self.commit()?;
                    self.log.close()?;
                    stopped.send(()).ok();
                    return Ok(ControlFlow::Break(()));
                }
            }
            taken += 1;
            next = if taken < REQUESTS_PER_FLUSH_MAX { inbox.try_recv().ok() } else { None };
        }
        self.commit()?;
        Ok(ControlFlow::Continue(()))
    }

    fn submit(&mut self, request: ControllerRequest, sender: ReplySender) -> anyhow::Result<()> {
        self.tickets += 1;
        self.senders.insert(Ticket(self.tickets), sender);
        let outcome = self.controller.handle(now(), Ticket(self.tickets), request);
        self.append(&outcome.records)?;
        let end = self.log.end().offset;
        for (ticket, reply) in outcome.replies {
            if let Some(sender) = self.senders.remove(&ticket) {
                self.parked.push_back(Parked { end, sender, reply });
            }
        }
        Ok(())
    }

    fn append(&mut self, records: &[MetadataRecord]) -> anyhow::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let base = self.log.end().offset;
        self.log.append_records(records, self.raft.epoch(), now())?;
        for (offset, record) in (base.0..).map(Offset).zip(records) {
            self.controller.replay(record);
            self.uncommitted.push_back((offset, record.clone()));
        }
        Ok(())
    }

    /// Flushes what was appended; what that commits is published and answered.
    fn commit(&mut self) -> anyhow::Result<()> {
        let end = self.log.flush(now())?;
        let outputs = self.raft.step(now(), Input::Flushed { voter: self.local.id, end });
        self.execute(outputs)?;
        self.release()
    }

    fn execute(&mut self, outputs: Vec<Output>) -> anyhow::Result<()> {
        for output in outputs {
            match output {
                Output::Persist(state) => self.election_file.write(&state)?,
                Output::Lead { epoch, granting } => {
                    let is_first = self.log.end().offset == Offset(0);
                    let voters = self.voters.as_ref().filter(|_| is_first);
                    self.log.append_epoch_start(
                        self.local.id,
                        epoch,
                        (granting.into_iter(), voters),
                        now(),
                    )?;
                    self.controller.skip_to(self.log.end().offset);
                    tracing::info!(epoch = epoch.0, "this node leads the metadata quorum");
                }
                Output::Commit(offset) => self.publish_below(offset)?,
                // There is nobody else to ask.
                Output::RequestVotes { .. } => {}
            }
        }
        Ok(())
    }

    fn publish_below(&mut self, committed: Offset) -> anyhow::Result<()> {
        while let Some((offset, record)) = self.uncommitted.pop_front_if(|(offset, _)| *offset < committed) {
            self.loader.replay(offset, &record)?;
        }
        self.loader.skip_to(committed);
        self.publish.send_replace(Arc::new(self.loader.published().clone()));
        Ok(())
    }

    /// Answers everybody whose records are in the published image.
    fn release(&mut self) -> anyhow::Result<()> {
        let committed = self.publish.borrow().next_offset();
        while let Some(parked) = self.parked.pop_front_if(|parked| parked.end <= committed) {
            // The caller may have gone away.
            parked.sender.send((parked.reply, parked.end)).ok();
        }
        Ok(())
    }
}

fn raft_settings(config: &Config, local: ReplicaKey) -> Settings {
    let milliseconds = |key| i64::from(config.properties.int(key));
    Settings {
        local,
        voters: BTreeSet::from([local]),
        election_timeout_ms: milliseconds(&quorum::CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS),
        election_backoff_max_ms: milliseconds(&quorum::CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS),
    }
}

fn new_controller(config: &Config, dir: &LogDir, loader: &MetadataLoader) -> Controller {
    let seed = Uuid::new_v4().as_u128() ^ Uuid::new_v4().as_u128().rotate_left(64);
    let settings = registration::settings(config, &dir.meta.cluster_id);
    Controller::new(settings, loader.published().clone(), now(), seed)
}

/// What a new cluster starts with: the levels of `bootstrap.checkpoint`, which another formatter may have written.
fn first_records(disk: &dyn Disk, dir: &LogDir, min_isr: i32) -> anyhow::Result<Vec<MetadataRecord>> {
    let is_level = |record: &MetadataRecord| {
        matches!(record, MetadataRecord::FeatureLevelRecord(FeatureLevelRecord { .. }))
    };
    let levels = snapshot::read(disk, &dir.bootstrap)?.unwrap_or_default().records;
    let levels: Vec<MetadataRecord> = levels.into_iter().filter(is_level).collect();
    if levels.is_empty() {
        return Ok(bootstrap_records(feature_records(), min_isr));
    }
    let mut image = MetadataImage::default();
    for (offset, record) in (0..).map(Offset).zip(&levels) {
        image.replay(offset, record)?;
    }
    registration::check(&image).with_context(|| dir.bootstrap.display().to_string())?;
    Ok(bootstrap_records(levels, min_isr))
}

/// `None` where the disk is full: the log is whole, and what was to be done beside it is tried again later.
fn unless_full<T>(done: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.downcast_ref::<StorageError>().is_some_and(StorageError::is_full) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "metadata log is neither snapshotted nor cut meanwhile"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Resolves at `deadline`; never without one.
async fn until(deadline: Option<Timestamp>) {
    match deadline {
        Some(deadline) => {
            let wait_ms = u64::try_from(deadline.ms_since(now())).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        None => std::future::pending().await,
    }
}

pub(super) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use milena_core::config::Properties;
    use milena_protocol::LeaderEpoch;
    use milena_protocol::messages::metadata_records::NoOpRecord;
    use milena_storage::{Call, MemDisk, Survival};

    use super::*;

    fn open(disk: MemDisk) -> MetadataLog {
        MetadataLog::open(Arc::new(disk), Path::new("/memory"), &Properties::default(), Timestamp(1)).unwrap()
    }

    fn append(log: &mut MetadataLog) {
        log.append_records(&[NoOpRecord {}.into()], LeaderEpoch(1), Timestamp(2)).unwrap();
        log.flush(Timestamp(2)).unwrap();
    }

    #[test]
    fn full_disk_puts_a_snapshot_off_and_leaves_the_log_whole() {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/memory")).unwrap();
        let mut log = open(disk.clone());
        append(&mut log);
        let begin = |log: &mut MetadataLog, errno| {
            disk.refuse(Call::Open, errno);
            let begun = unless_full(log.begin_snapshot(&MetadataLoader::default(), Timestamp(3)));
            disk.refuse(Call::Open, None);
            begun.map(|contents| contents.is_some())
        };
        assert!(!begin(&mut log, Some(28)).unwrap(), "no space left on device");
        append(&mut log);
        assert!(begin(&mut log, Some(5)).is_err(), "an input/output error is not to be waited out");
        append(&mut log);
        assert!(begin(&mut log, None).unwrap());
        let mut log = open(disk.crash(Survival::None));
        assert_eq!(log.replay().unwrap().current().next_offset(), Offset(3));
    }
}
