//! The metadata quorum inside this process: a replica of the metadata log, the controller while this node leads, and the
//! images it gives to the broker.
//!
//! It runs on a thread of its own, so that nothing the broker does can hold up an election, and answers a request to the
//! controller when three things are true: its records are on the disks of a majority, and this broker has acted on the
//! image that holds them. A failure of the log ends the quorum; [`QuorumHandle::failed`] then tells why.
//!
//! Order of a start: format the directory if it is empty, read the latest snapshot, follow the leader or win the
//! election, replay what is committed. A quorum of this node alone leads when the start returns; its first act is to write
//! what a new cluster needs and to register its controller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_core::metadata::{MetadataDelta, MetadataImage};
use milena_core::raft::{Input, Lost, PeerAnswer, PeerRequest, QuorumView, RequestId, VoterSet};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Uuid};
use milena_storage::Disk;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::task;
pub(crate) use format::Directory;
use format::LogDir;
use node::Node;

mod download;
mod election_file;
mod format;
mod log;
mod node;
mod peers;
mod registration;
mod serve;
mod snapshot;
mod snapshots;
mod snapshotting;
#[cfg(test)]
mod tests;
mod unsynced;
mod voters;
pub(crate) mod wire;
mod worker;

/// Requests that may wait for the controller; more wait at their senders.
const REQUESTS_MAX: usize = 1024;

/// What is sent to the quorum's thread.
enum Command {
    Submit { request: ControllerRequest, reply: oneshot::Sender<(ControllerReply, Offset)> },
    Ask { request: PeerRequest, answer: oneshot::Sender<PeerAnswer> },
    Answered { id: RequestId, answer: Result<PeerAnswer, Lost> },
    View { view: oneshot::Sender<Option<(QuorumView, VoterSet)>> },
    Stop { stopped: oneshot::Sender<()> },
}

/// The way to the quorum; clones are the same.
#[derive(Clone)]
pub(crate) struct QuorumHandle(Arc<Shared>);

struct Shared {
    identity: Identity,
    commands: mpsc::Sender<Command>,
    committed: watch::Receiver<Arc<MetadataImage>>,
    applied: watch::Sender<Offset>,
    image: ArcSwap<MetadataImage>,
    leader: watch::Receiver<QuorumLeader>,
    failure: watch::Receiver<Option<String>>,
    /// Somebody acts on new images.
    is_followed: AtomicBool,
    /// Told to stop: its end is no failure.
    stopping: AtomicBool,
}

/// Who this process is in the cluster, as its directories say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster_id: ByteString,
    pub(crate) node_id: NodeId,
    /// The directories of its partitions.
    pub(crate) directories: Vec<Directory>,
}

/// Who leads the metadata quorum, as far as this node knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct QuorumLeader {
    /// `None` while nobody is known to lead.
    pub(crate) id: Option<NodeId>,
    pub(crate) epoch: LeaderEpoch,
    /// Where its controller listener is reached.
    pub(crate) endpoint: Option<(ByteString, u16)>,
    /// This process leads, and its controller decides.
    pub(crate) is_local: bool,
    /// The level of `kraft.version`.
    pub(crate) kraft_version: i16,
}

/// Starts the quorum's thread. The caller has locked the log directory.
pub(crate) async fn start(config: Arc<Config>, disk: Arc<dyn Disk>) -> anyhow::Result<QuorumHandle> {
    let (commands, inbox) = mpsc::channel(REQUESTS_MAX);
    let (images, committed) = watch::channel(Arc::new(MetadataImage::default()));
    let (leads, leader) = watch::channel(QuorumLeader::default());
    let (fail, failure) = watch::channel(None);
    let (ready, started) = oneshot::channel();
    let outlets = worker::Outlets { images, leader: leads, mailbox: commands.downgrade() };
    let run = async move {
        let worker = match open(config, disk, outlets) {
            Ok((worker, identity)) => {
                ready.send(Ok(identity)).ok();
                worker
            }
            Err(error) => return drop(ready.send(Err(error))),
        };
        if let Err(error) = worker.run(inbox).await {
            tracing::error!(error = format!("{error:#}"), "metadata quorum failed");
            fail.send_replace(Some(format!("{error:#}")));
        }
    };
    task::run_apart("quorum", run).context("start the quorum's thread")?;
    let identity = started.await.context("the quorum's thread ended")??;
    let (applied, _) = watch::channel(Offset(0));
    let image = ArcSwap::default();
    let (is_followed, stopping) = (AtomicBool::new(false), AtomicBool::new(false));
    let shared =
        Shared { identity, commands, committed, applied, image, leader, failure, is_followed, stopping };
    Ok(QuorumHandle(Arc::new(shared)))
}

/// Opens the replica and takes its first step: a quorum of this node alone leads when this returns.
fn open(
    config: Arc<Config>,
    disk: Arc<dyn Disk>,
    outlets: worker::Outlets,
) -> anyhow::Result<(worker::Worker, Identity)> {
    let dir = LogDir::open(&config, &disk, worker::now())?;
    let seed = Uuid::new_v4().as_u128() ^ Uuid::new_v4().as_u128().rotate_left(64);
    let identity = Identity {
        cluster_id: dir.meta.cluster_id.as_str().into(),
        node_id: config.node_id,
        directories: dir.directories.clone(),
    };
    let mut node = Node::open(config, disk, dir, (seed, worker::now()))?;
    node.step(worker::now(), Input::Start)?;
    let mut worker = worker::Worker::new(node, outlets);
    worker.act();
    Ok((worker, identity))
}

/// The newest snapshot of the metadata that is on the disk: what it covers, and its file.
pub(crate) fn newest_snapshot(config: &Config) -> Option<(Offset, std::fs::Metadata)> {
    let (id, file) = snapshot::newest_in(&config.metadata_dir.join(format::METADATA_FOLDER))?;
    Some((id.offset, file))
}

impl QuorumHandle {
    /// Who this process is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Who leads the quorum, and every change of it.
    pub(crate) fn leader(&self) -> watch::Receiver<QuorumLeader> {
        self.0.leader.clone()
    }

    /// The newest image that this broker has acted on.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.0.image.load_full()
    }

    /// The newest committed image, which this broker may not have acted on yet.
    pub(crate) fn committed(&self) -> Arc<MetadataImage> {
        self.0.committed.borrow().clone()
    }

    /// The newest committed image, once it is one that `test` accepts.
    pub(crate) async fn committed_where(&self, test: impl Fn(&MetadataImage) -> bool) -> Arc<MetadataImage> {
        let mut committed = self.0.committed.clone();
        let found = committed.wait_for(|image| test(image)).await.ok().map(|image| image.clone());
        match found {
            Some(image) => image,
            // The quorum has ended, which others tell.
            None => std::future::pending().await,
        }
    }

    /// This broker has acted on everything below.
    pub(crate) fn applied_end(&self) -> Offset {
        *self.0.applied.borrow()
    }

    /// Resolves once this broker has acted on everything below `offset`.
    pub(crate) async fn applied(&self, offset: Offset) {
        // The sender lives as long as `self`.
        self.0.applied.subscribe().wait_for(|applied| *applied >= offset).await.ok();
    }

    /// Gives every committed image to `apply`, which acts on it, and then shows it to handlers. Runs until the quorum
    /// ends; must run exactly once, on a multi-threaded runtime: `apply` may block.
    pub(crate) fn follow(
        self,
        mut apply: impl FnMut(&MetadataDelta, &Arc<MetadataImage>) + Send,
    ) -> impl Future<Output = ()> + Send {
        self.0.is_followed.store(true, Ordering::Release);
        async move {
            let mut committed = self.0.committed.clone();
            committed.mark_changed();
            while committed.changed().await.is_ok() {
                let image = committed.borrow_and_update().clone();
                let delta = MetadataDelta::between(&self.image(), &image);
                if !delta.is_empty() {
                    task::block_in_place(|| apply(&delta, &image));
                }
                self.0.image.store(image.clone());
                self.0.applied.send_replace(image.next_offset());
            }
        }
    }

    /// Asks the controller; resolves when the outcome is committed and this broker, if it serves already, has acted on the
    /// image that holds it.
    pub(crate) async fn submit(&self, request: ControllerRequest) -> ControllerReply {
        let (reply, offset) = self.ask(request).await;
        if self.0.is_followed.load(Ordering::Acquire) {
            self.applied(offset).await;
        }
        reply
    }

    /// Asks the controller on behalf of another process; resolves when the outcome is committed.
    pub(crate) async fn submit_for_peer(&self, request: ControllerRequest) -> ControllerReply {
        self.ask(request).await.0
    }

    /// The reply, and the end of what it depends on.
    async fn ask(&self, request: ControllerRequest) -> (ControllerReply, Offset) {
        let (reply, answer) = oneshot::channel();
        if self.0.commands.send(Command::Submit { request, reply }).await.is_err() {
            return (unavailable(), Offset::ZERO);
        }
        answer.await.unwrap_or_else(|_| (unavailable(), Offset::ZERO))
    }

    /// Asks this node's replica of the quorum on behalf of another; `None` while the process ends.
    pub(crate) async fn ask_replica(&self, request: PeerRequest) -> Option<PeerAnswer> {
        let (answer, answered) = oneshot::channel();
        self.0.commands.send(Command::Ask { request, answer }).await.ok()?;
        answered.await.ok()
    }

    /// How far the replicas are; `None` where this node does not lead.
    pub(crate) async fn view(&self) -> Option<(QuorumView, VoterSet)> {
        let (view, viewed) = oneshot::channel();
        self.0.commands.send(Command::View { view }).await.ok()?;
        viewed.await.ok().flatten()
    }

    /// Asks the controller on behalf of a client that waits no longer than `timeout_ms`; what was asked may happen all the
    /// same, unless that is 0 or less.
    pub(crate) async fn submit_within(&self, request: ControllerRequest, timeout_ms: i32) -> ControllerReply {
        let timed_out = || ControllerReply::Refused(Refusal::from(ErrorCode::RequestTimedOut));
        let Some(timeout_ms) = u64::try_from(timeout_ms).ok().filter(|&ms| ms > 0) else {
            return timed_out();
        };
        let timeout = Duration::from_millis(timeout_ms);
        tokio::time::timeout(timeout, self.submit(request)).await.unwrap_or_else(|_| timed_out())
    }

    /// Resolves with the reason when the quorum fails; never if it does not.
    pub(crate) async fn failed(&self) -> anyhow::Error {
        let mut failure = self.0.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => anyhow!("metadata quorum: {}", reason.as_deref().unwrap_or_default()),
            Err(_) if self.0.stopping.load(Ordering::Relaxed) => std::future::pending().await,
            Err(_) => anyhow!("metadata quorum: its thread panicked"),
        }
    }

    /// Ends the quorum after what it was already asked, and closes its log.
    pub(crate) async fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        let (stopped, done) = oneshot::channel();
        if self.0.commands.send(Command::Stop { stopped }).await.is_ok() {
            done.await.ok();
        }
    }
}

/// No controller is there to ask.
fn unavailable() -> ControllerReply {
    ControllerReply::Refused(Refusal::from(ErrorCode::NotController))
}
