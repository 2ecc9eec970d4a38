//! The quorum's thread: feeds the [`Node`] with what callers, peers and the clock say, and does what it asks for.
//!
//! Commands that have gathered while the node was busy are taken together, so that their records share a flush.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_core::machine::Ticket;
use milena_core::metadata::MetadataImage;
use milena_core::raft::{Input, PeerAnswer};
use milena_protocol::{Offset, Timestamp};
use milena_storage::StorageError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::node::{Action, Node};
use super::peers::Peers;
use super::snapshotting::Snapshotting;
use super::{Command, QuorumLeader};
use crate::task;

/// Commands that share one flush of the log.
const COMMANDS_PER_FLUSH_MAX: usize = 256;
/// How often old snapshots are looked for, beside after each new one.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);
/// How long a leader that stops waits for its successor.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the node's news goes.
pub(super) struct Outlets {
    pub(super) images: watch::Sender<Arc<MetadataImage>>,
    pub(super) leader: watch::Sender<QuorumLeader>,
    /// The thread's own mailbox, for the answers of peers.
    pub(super) mailbox: mpsc::WeakSender<Command>,
}

/// The state of the quorum's thread.
pub(super) struct Worker {
    node: Node,
    peers: Peers,
    outlets: Outlets,
    callers: HashMap<Ticket, oneshot::Sender<(ControllerReply, Offset)>>,
    asking: HashMap<Ticket, oneshot::Sender<PeerAnswer>>,
    tickets: u64,
    /// Who waits for the end, and until when it may be put off.
    stopping: Option<(oneshot::Sender<()>, Instant)>,
}

impl Worker {
    pub(super) fn new(node: Node, outlets: Outlets) -> Self {
        let peers = Peers::new(&node.config, node.dir.meta.cluster_id.as_str().into());
        Self {
            node,
            peers,
            outlets,
            callers: HashMap::new(),
            asking: HashMap::new(),
            tickets: 0,
            stopping: None,
        }
    }

    /// Serves until it is told to stop or the log fails.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) -> anyhow::Result<()> {
        let mut cleaning = tokio::time::interval(CLEAN_INTERVAL);
        let mut snapshot = Snapshotting::default();
        self.act();
        loop {
            if self.may_end() {
                return self.end();
            }
            let due = self.node.log.snapshots.next_due().filter(|_| !snapshot.is_running());
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.serve(command, &mut inbox)?,
                    None => return self.node.log.close(),
                },
                () = until(self.node.next_deadline()) => self.node.on_deadline(now())?,
                () = until(due) => {
                    let contents = unless_full(self.node.begin_snapshot(now()))?.flatten();
                    if let Some(contents) = contents {
                        snapshot.begin(self.node.disk.clone(), self.node.folder(), contents);
                    }
                }
                Some(written) = snapshot.end() => {
                    self.node.log.snapshots.written(written);
                    unless_full(self.node.log.clean(now()))?;
                }
                _ = cleaning.tick() => drop(unless_full(self.node.log.clean(now()))?),
                () = at(self.stopping.as_ref().map(|(_, until)| *until)) => return self.end(),
            }
            self.act();
        }
    }

    /// Takes in a command and those that have gathered behind it, with one flush for all.
    fn serve(&mut self, command: Command, inbox: &mut mpsc::Receiver<Command>) -> anyhow::Result<()> {
        let mut next = Some(command);
        let mut taken = 0;
        while let Some(command) = next {
            self.take(command)?;
            taken += 1;
            next = if taken < COMMANDS_PER_FLUSH_MAX { inbox.try_recv().ok() } else { None };
        }
        self.node.flush(now())
    }

    fn take(&mut self, command: Command) -> anyhow::Result<()> {
        let ticket = self.ticket();
        match command {
            Command::Submit { request, reply } => self.submit(ticket, request, reply)?,
            Command::Ask { request, answer } => {
                self.asking.retain(|_, answer| !answer.is_closed());
                self.asking.insert(ticket, answer);
                self.node.step(now(), Input::Request { ticket, request })?;
            }
            Command::Answered { id, answer } => self.node.step(now(), Input::Answered { id, answer })?,
            Command::View { view } => drop(view.send(self.node.view(now()))),
            Command::Stop { stopped } => {
                self.stopping = Some((stopped, Instant::now() + HANDOVER_TIMEOUT));
                self.node.step(now(), Input::Resign)?;
            }
        }
        Ok(())
    }

    fn submit(
        &mut self,
        ticket: Ticket,
        request: ControllerRequest,
        reply: oneshot::Sender<(ControllerReply, Offset)>,
    ) -> anyhow::Result<()> {
        self.callers.insert(ticket, reply);
        self.node.submit(now(), ticket, request)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Does what the node asks for.
    pub(super) fn act(&mut self) {
        for action in self.node.take_actions() {
            match action {
                Action::Send { id, to, request } => {
                    let (peers, mailbox) = (self.peers.clone(), self.outlets.mailbox.clone());
                    task::spawn(async move {
                        let answer = peers.ask(&to, request).await;
                        if let Some(mailbox) = mailbox.upgrade() {
                            mailbox.send(Command::Answered { id, answer }).await.ok();
                        }
                    });
                }
                Action::Answer { ticket, answer } => {
                    // Whoever asked may have gone away.
                    self.asking.remove(&ticket).and_then(|asking| asking.send(answer).ok());
                }
                Action::Reply { ticket, reply, offset } => {
                    self.callers.remove(&ticket).and_then(|caller| caller.send((reply, offset)).ok());
                }
                Action::Publish(image) => drop(self.outlets.images.send_replace(image)),
                Action::LeaderChanged => drop(self.outlets.leader.send_replace(self.node.leader())),
            }
        }
        let level = self.node.raft.voters().kraft_version;
        if level != self.outlets.leader.borrow().kraft_version {
            self.outlets.leader.send_replace(self.node.leader());
        }
    }

    fn may_end(&self) -> bool {
        self.stopping.is_some() && self.node.raft.may_stop()
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.node.flush(now())?;
        self.act();
        self.node.log.close()?;
        if let Some((stopped, _)) = self.stopping {
            stopped.send(()).ok();
        }
        Ok(())
    }
}

/// `None` where the disk is full: the log is whole, and what was to be done beside it is tried again later.
pub(super) fn unless_full<T>(done: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
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
    let wait_ms = deadline.map(|deadline| u64::try_from(deadline.ms_since(now())).unwrap_or(0));
    at(wait_ms.map(|ms| Instant::now() + Duration::from_millis(ms))).await;
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The clock of the quorum: the time of day at the first call, and from then on one that nobody sets.
pub(super) fn now() -> Timestamp {
    static STARTED: OnceLock<(Instant, Duration)> = OnceLock::new();
    let of_day = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (started, since_epoch) = STARTED.get_or_init(|| (Instant::now(), of_day()));
    Timestamp(i64::try_from((*since_epoch + started.elapsed()).as_millis()).unwrap_or(i64::MAX))
}
