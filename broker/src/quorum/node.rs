//! This process's replica of the metadata log: elections, the log, the image it makes, and the controller while it leads.
//!
//! Synchronous, without a clock or a socket of its own: the worker feeds it what peers and callers say and does the
//! [`Action`]s it asks for; a simulation can do the same.
//!
//! | what happens | what follows |
//! |---|---|
//! | a replica's request, its answer, a deadline | [`Raft::step`], and each of its outputs in order |
//! | the high watermark moves | the log is replayed up to it, the image is published, callers below it are answered |
//! | it passes the start of this node's epoch | the controller claims the cluster: it goes on from the committed image |
//! | leadership is lost | the controller is dropped, its callers hear NOT_CONTROLLER |
//! | a caller asks the controller | records are appended and replayed by it; the answer waits for their commit |
//!
//! Requests that have gathered while the log was being flushed share the next flush.

mod voting;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use milena_core::config::broker::{log as log_keys, quorum};
use milena_core::controller::{Controller, ControllerReply, ControllerRequest, Refusal};
use milena_core::machine::{Machine, Outcome, Ticket};
use milena_core::metadata::{MetadataImage, MetadataLoader};
use milena_core::raft::{
    Address, ElectionState, Input, Output, PeerAnswer, PeerRequest, QuorumView, Raft, ReplicaKey, RequestId,
    Settings, VoterHistory, VoterSet,
};
use milena_protocol::messages::metadata_records::{AbortTransactionRecord, MetadataRecord};
use milena_protocol::{ErrorCode, Offset, Timestamp, Uuid};
use milena_storage::Disk;

use super::download::Download;
use super::election_file::ElectionFile;
use super::format::LogDir;
use super::log::MetadataLog;
use super::snapshot::Contents;
use super::snapshots::Written;
use super::{QuorumLeader, registration, serve, voters};
use crate::config::Config;

/// What the node asks of whoever drives it.
#[derive(Debug)]
pub(super) enum Action {
    /// Send to another replica; the answer comes back as [`Input::Answered`].
    Send { id: RequestId, to: Address, request: PeerRequest },
    /// Answer another replica.
    Answer { ticket: Ticket, answer: PeerAnswer },
    /// Answer a caller of the controller: what was decided is in images from `offset` on.
    Reply { ticket: Ticket, reply: ControllerReply, offset: Offset },
    /// Show a newer image to the broker.
    Publish(Arc<MetadataImage>),
    /// The leader, or what is known of it, changed.
    LeaderChanged,
}

/// A reply that waits for the commit of everything below `end`.
struct Parked {
    end: Offset,
    ticket: Ticket,
    reply: ControllerReply,
}

/// One replica.
pub(super) struct Node {
    pub(super) config: Arc<Config>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: LogDir,
    pub(super) log: MetadataLog,
    pub(super) raft: Raft,
    /// Committed records only.
    loader: MetadataLoader,
    /// The controller of this node, while it is the active one.
    pub(super) controller: Option<Controller>,
    /// Where the first batch of this node's epoch ends, while it leads.
    claim_at: Option<Offset>,
    election_file: ElectionFile,
    parked: VecDeque<Parked>,
    download: Option<Download>,
    actions: Vec<Action>,
    seed: u128,
}

impl Node {
    /// Opens the log of a formatted directory. `seed` feeds elections, placement and topic ids.
    pub(super) fn open(
        config: Arc<Config>,
        disk: Arc<dyn Disk>,
        dir: LogDir,
        (seed, now): (u128, Timestamp),
    ) -> anyhow::Result<Self> {
        let mut log = MetadataLog::open(disk.clone(), &dir.metadata, &config.properties, now)?;
        let (loader, history) = log.open_state()?;
        let known = (&*dir.meta.cluster_id, dir.meta.directory_id);
        let base = voters::first(&config, history.base, known, log.end().offset == Offset(0));
        let election_file = ElectionFile::new(disk.clone(), &dir.metadata);
        let history = VoterHistory::new(base, history.recorded);
        let settings = settings(&config, dir.meta.directory_id);
        let election = election_file.read()?;
        let half = u64::try_from(seed >> 64).unwrap_or_default();
        let raft = Raft::new(settings, election, log.end(), history, half);
        Ok(Self {
            config,
            disk,
            dir,
            log,
            raft,
            loader,
            controller: None,
            claim_at: None,
            election_file,
            parked: VecDeque::new(),
            download: None,
            actions: Vec::new(),
            seed,
        })
    }

    /// What is to be done since the last call.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`Node::on_deadline`] is due.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let controller = self.controller.as_ref().and_then(Machine::next_deadline);
        [self.raft.next_deadline(), controller].into_iter().flatten().min()
    }

    /// Does what time has made due.
    pub(super) fn on_deadline(&mut self, now: Timestamp) -> anyhow::Result<()> {
        if let Some(controller) = &mut self.controller {
            controller.set_alone(!self.raft.has_followers());
            let outcome = controller.on_deadline(now);
            self.take_outcome(outcome, now)?;
            self.flush(now)?;
        }
        self.step(now, Input::Deadline)
    }

    /// Who leads, as far as this node knows.
    pub(super) fn leader(&self) -> QuorumLeader {
        QuorumLeader {
            id: self.raft.leader(),
            epoch: self.raft.epoch(),
            endpoint: self.raft.leader_address().map(|address| (address.host, address.port)),
            is_local: self.controller.is_some(),
            kraft_version: self.raft.voters().kraft_version,
        }
    }

    /// What DescribeQuorum tells; `None` where this node does not lead.
    pub(super) fn view(&self, now: Timestamp) -> Option<(QuorumView, VoterSet)> {
        self.raft.view(now).map(|view| (view, self.raft.voters().clone()))
    }

    /// The newest image that holds committed records alone.
    pub(super) fn image(&self) -> &MetadataImage {
        self.loader.published()
    }

    /// Asks the controller, whose answer comes as [`Action::Reply`]. What it decides is on the disk after
    /// [`Node::flush`].
    pub(super) fn submit(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: ControllerRequest,
    ) -> anyhow::Result<()> {
        let Some(controller) = &mut self.controller else {
            self.refuse(ticket);
            return Ok(());
        };
        controller.set_alone(!self.raft.has_followers());
        if let Some((level, _)) = self.raft.next_kraft_version() {
            controller.set_kraft_version_max(level);
        }
        let outcome = controller.handle(now, ticket, request);
        self.take_outcome(outcome, now)
    }

    fn take_outcome(
        &mut self,
        outcome: Outcome<MetadataRecord, ControllerReply>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        match voting::level(&outcome.records) {
            Some(level) => self.raise_kraft_version(level, &outcome.records, now)?,
            None => self.append(&outcome.records, now)?,
        }
        let end = self.log.end().offset;
        let parked = outcome.replies.into_iter().map(|(ticket, reply)| Parked { end, ticket, reply });
        self.parked.extend(parked);
        Ok(())
    }

    fn append(&mut self, records: &[MetadataRecord], now: Timestamp) -> anyhow::Result<()> {
        let Some(controller) = self.controller.as_mut().filter(|_| !records.is_empty()) else {
            return Ok(());
        };
        self.log.append_records(records, self.raft.epoch(), now)?;
        records.iter().for_each(|record| controller.replay(record));
        Ok(())
    }

    /// Makes durable what was appended; what that commits is published and answered.
    pub(super) fn flush(&mut self, now: Timestamp) -> anyhow::Result<()> {
        if self.log.is_dirty() {
            self.log.flush(now)?;
            self.step(now, Input::Flushed(self.log.end()))?;
        }
        self.release();
        Ok(())
    }

    /// Takes in what a peer or a clock says.
    pub(super) fn step(&mut self, now: Timestamp, input: Input) -> anyhow::Result<()> {
        let mut inputs = VecDeque::new();
        // A peer may end this leadership: what it appended is then to be counted like any follower's.
        if self.log.is_dirty() {
            self.log.flush(now)?;
            inputs.push_back(Input::Flushed(self.log.end()));
        }
        inputs.push_back(input);
        self.step_through(now, inputs)
    }

    fn step_through(&mut self, now: Timestamp, mut inputs: VecDeque<Input>) -> anyhow::Result<()> {
        while let Some(input) = inputs.pop_front() {
            for output in self.raft.step(now, &self.log, input) {
                self.execute(now, output, &mut inputs)?;
            }
        }
        Ok(())
    }

    fn execute(
        &mut self,
        now: Timestamp,
        output: Output,
        inputs: &mut VecDeque<Input>,
    ) -> anyhow::Result<()> {
        match output {
            Output::Persist(state) => self.persist(state)?,
            Output::Send { id, to, request } => self.actions.push(Action::Send { id, to, request }),
            Output::Answer { ticket, answer } => {
                let answer = serve::fill(answer, &self.log, &*self.disk, &self.config)?;
                self.actions.push(Action::Answer { ticket, answer });
            }
            Output::Lead { epoch, voters, granting } => {
                let current = self.raft.voters();
                let is_recorded = self.log.end().offset > Offset(0);
                let recorded = Some(current).filter(|set| set.kraft_version > 0 && !is_recorded).cloned();
                let (term, keys) = ((self.config.node_id, epoch), (&*voters, &*granting));
                self.log.append_epoch_start(term, keys, recorded.as_ref(), now)?;
                self.log.flush(now)?;
                self.claim_at = Some(self.log.end().offset);
                inputs.push_back(Input::Flushed(self.log.end()));
                tracing::info!(epoch = epoch.0, "this node leads the metadata quorum");
            }
            Output::Resigned => self.step_down(),
            Output::AppendVoters(voters) => self.append_voters(voters, now, inputs)?,
            Output::Append(bytes) => match self.log.append_fetched(bytes, self.raft.epoch(), now)? {
                Some(named) => {
                    inputs.extend(named.into_iter().map(|(offset, voters)| Input::Voters { offset, voters }));
                    inputs.push_back(Input::Flushed(self.log.end()));
                }
                None => inputs.push_back(Input::Rejected),
            },
            Output::Truncate(end) => {
                let end = self.log.truncate(end)?;
                tracing::info!(
                    offset = end.offset.0,
                    "cut the metadata log where the leader's parts from it"
                );
                inputs.push_back(Input::Truncated { end });
            }
            Output::StoreSnapshot(chunk) => {
                if let Some(written) = Download::take(&mut self.download, &*self.disk, &self.log, &chunk)? {
                    self.install(written, inputs)?;
                }
            }
            Output::Commit(offset) => self.commit(offset, now, inputs)?,
            Output::LeaderChanged => self.actions.push(Action::LeaderChanged),
            Output::Fail(reason) => anyhow::bail!(reason),
        }
        Ok(())
    }

    fn persist(&self, state: ElectionState) -> anyhow::Result<()> {
        self.election_file.write(&state, self.raft.voters())
    }

    fn install(&mut self, written: Written, inputs: &mut VecDeque<Input>) -> anyhow::Result<()> {
        let (loader, voters) = self.log.install(written)?;
        self.loader = loader;
        self.publish()?;
        let offset = Offset(written.id.offset.0 - 1);
        inputs.extend(voters.map(|voters| Input::Voters { offset, voters }));
        inputs.push_back(Input::Flushed(self.log.end()));
        Ok(())
    }

    fn commit(&mut self, offset: Offset, now: Timestamp, inputs: &mut VecDeque<Input>) -> anyhow::Result<()> {
        self.log.replay(&mut self.loader, offset)?;
        self.publish()?;
        if self.claim_at.is_some_and(|at| offset >= at) {
            self.claim_at = None;
            self.claim(now)?;
            self.log.flush(now)?;
            inputs.push_back(Input::Flushed(self.log.end()));
        }
        self.release();
        Ok(())
    }

    fn publish(&mut self) -> anyhow::Result<()> {
        registration::check(self.loader.published())?;
        self.actions.push(Action::Publish(Arc::new(self.loader.published().clone())));
        Ok(())
    }

    /// Everything of former epochs is committed: this node's controller decides from here on.
    fn claim(&mut self, now: Timestamp) -> anyhow::Result<()> {
        registration::warn_of_unserved(self.loader.published());
        let settings = registration::settings(&self.config, &self.dir.meta.cluster_id, self.raft.voters());
        let mut controller = Controller::new(settings, self.loader.published().clone(), now, self.seed);
        self.seed = self.seed.rotate_left(1) ^ u128::from(self.raft.epoch().0.unsigned_abs());
        controller.skip_to(self.log.end().offset);
        self.controller = Some(controller);
        if self.loader.is_in_transaction() {
            let reason = Some("the controller stopped before its end".into());
            self.append(&[AbortTransactionRecord { reason }.into()], now)?;
        }
        if self.image().features().is_empty() {
            let min_isr = self.config.properties.int(&log_keys::MIN_INSYNC_REPLICAS);
            let records = super::format::first_records(&*self.disk, &self.dir, min_isr)?;
            self.append(&records, now)?;
        }
        let own = registration::controller(&self.config);
        let is_known = self.loader.published().controllers().any(|known| {
            known.controller_id == own.controller_id
                && (&known.end_points, &known.features) == (&own.end_points, &own.features)
        });
        if !is_known {
            self.submit(now, Ticket::default(), ControllerRequest::RegisterController(own))?;
        }
        self.actions.push(Action::LeaderChanged);
        Ok(())
    }

    fn step_down(&mut self) {
        self.claim_at = None;
        if self.controller.take().is_some() {
            tracing::info!(epoch = self.raft.epoch().0, "this node's controller is no longer the active one");
            self.actions.push(Action::LeaderChanged);
        }
        for parked in std::mem::take(&mut self.parked) {
            self.refuse(parked.ticket);
        }
    }

    fn refuse(&mut self, ticket: Ticket) {
        let reply = ControllerReply::Refused(Refusal::from(ErrorCode::NotController));
        self.actions.push(Action::Reply { ticket, reply, offset: Offset(0) });
    }

    /// Answers everybody whose records are committed.
    fn release(&mut self) {
        let committed = self.raft.committed();
        while let Some(Parked { end, ticket, reply }) =
            self.parked.pop_front_if(|parked| parked.end <= committed)
        {
            self.actions.push(Action::Reply { ticket, reply, offset: end });
        }
    }

    /// Begins a snapshot of what is committed; not in the middle of a metadata transaction.
    pub(super) fn begin_snapshot(&mut self, now: Timestamp) -> anyhow::Result<Option<Contents>> {
        if self.loader.is_in_transaction() {
            return Ok(None);
        }
        let voters = self.raft.voters_at(self.loader.current().next_offset()).clone();
        self.log.begin_snapshot(&self.loader, &voters, now).map(Some)
    }

    /// The folder of the log and its snapshots.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.metadata.clone()
    }
}

fn settings(config: &Config, directory_id: Uuid) -> Settings {
    let milliseconds = |key| i64::from(config.properties.int(key));
    Settings {
        local: ReplicaKey { id: config.node_id, directory_id },
        can_vote: config.controller_listener().is_some(),
        listener: config.controller_listener_name(),
        endpoints: voters::own_endpoints(config),
        kraft_versions: 0..=voters::KRAFT_VERSION,
        bootstrap: voters::bootstrap(config),
        election_timeout_ms: milliseconds(&quorum::CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS),
        election_backoff_max_ms: milliseconds(&quorum::CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS),
        fetch_timeout_ms: milliseconds(&quorum::CONTROLLER_QUORUM_FETCH_TIMEOUT_MS),
        request_timeout_ms: milliseconds(&quorum::CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS),
        retry_backoff_ms: milliseconds(&quorum::CONTROLLER_QUORUM_RETRY_BACKOFF_MS),
        auto_join: config.properties.boolean(&quorum::CONTROLLER_QUORUM_AUTO_JOIN_ENABLE),
    }
}
