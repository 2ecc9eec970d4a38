//! One node: a host, its disk, and the broker process on it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use milena_broker::{Config, inspect};
use milena_storage::{Disk, MemDisk, Survival};
use milena_world::{HostId, State, task};
use tokio_util::sync::CancellationToken;

use crate::disk::{DATA, Forgetful};

/// What the configurations of all nodes have in common.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) nodes: usize,
    /// The first of them vote.
    pub(crate) voters: usize,
    pub(crate) forgets_votes: bool,
}

/// How a process came to its end by itself.
type Ended = Arc<Mutex<Option<Result<(), String>>>>;

/// One node of the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) host: HostId,
    pub(crate) disk: MemDisk,
    shape: Shape,
    stop: CancellationToken,
    ended: Ended,
    /// It has a process.
    pub(crate) is_up: bool,
    /// It was told to stop.
    pub(crate) is_leaving: bool,
    /// Its disk has refused something since its process began.
    pub(crate) had_errors: bool,
    /// Counts its processes.
    pub(crate) process: u64,
}

pub(crate) fn name(id: usize) -> String {
    format!("node-{id}")
}

impl Node {
    pub(crate) fn new(id: usize, shape: Shape) -> Self {
        Self {
            id,
            host: milena_world::add_host(&name(id)),
            disk: MemDisk::new(),
            shape,
            stop: CancellationToken::new(),
            ended: Ended::default(),
            is_up: false,
            is_leaving: false,
            had_errors: false,
            process: 0,
        }
    }

    /// Starts a process on the disk as it is.
    pub(crate) fn start(&mut self) {
        let config =
            Config::load(None, &self.keys(), std::iter::empty()).expect("the configuration is valid");
        let (stop, ended) = (CancellationToken::new(), Ended::default());
        (self.stop, self.ended) = (stop.clone(), ended.clone());
        (self.is_up, self.is_leaving, self.had_errors) = (true, false, false);
        self.process += 1;
        let disk: Arc<dyn Disk> = match self.shape.forgets_votes {
            true => Arc::new(Forgetful(self.disk.clone())),
            false => Arc::new(self.disk.clone()),
        };
        let run = async move {
            let end =
                milena_broker::run(config, disk, None, Duration::ZERO, async || stop.cancelled().await).await;
            let end = end.map_err(|error| format!("{error:#}"));
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        };
        task::spawn_on(self.host, OneThread(Box::pin(run)));
    }

    /// Asks the process to end in order.
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.stop.cancel();
    }

    /// How the process ended, if it did so by itself.
    pub(crate) fn ended(&self) -> Option<Result<(), String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the process; the machine stays, with all that was written.
    pub(crate) async fn kill(&mut self) {
        milena_world::kill(self.host).await;
        self.is_up = false;
        // What tasks of the former process still hold is not this disk.
        self.disk = self.disk.crash(Survival::All);
    }

    /// Takes the power; of what was not synced, `survival` is left.
    pub(crate) async fn power_off(&mut self, survival: Survival) {
        let disk = self.disk.crash(survival);
        milena_world::power_off(self.host).await;
        self.is_up = false;
        self.disk = disk;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        milena_world::state(self.host) == State::Stopped
    }

    pub(crate) fn sight(&self) -> Option<inspect::Sight> {
        inspect::broker(self.host).filter(|_| self.is_up)
    }

    fn keys(&self) -> Vec<String> {
        let Shape { nodes, voters, .. } = self.shape;
        let named = |id: usize, port: u16| format!("{}:{port}", name(id));
        let controllers: Vec<String> = (1..=voters).map(|id| format!("{id}@{}", named(id, 9093))).collect();
        let is_voter = self.id <= voters;
        let listeners = match is_voter {
            true => format!("PLAINTEXT://{},CONTROLLER://{}", named(self.id, 9092), named(self.id, 9093)),
            false => format!("PLAINTEXT://{}", named(self.id, 9092)),
        };
        let bootstrap: Vec<String> = (1..=voters).map(|id| named(id, 9093)).collect();
        let initial = if is_voter { controllers.join(",") } else { String::new() };
        let keys = [
            ("process.roles", (if is_voter { "broker,controller" } else { "broker" }).to_owned()),
            ("node.id", self.id.to_string()),
            ("listeners", listeners),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
            ("controller.quorum.bootstrap.servers", bootstrap.join(",")),
            ("initial.controllers", initial),
            ("cluster.id", "c2ltdWxhdGlvbi1vZi1taQ".to_owned()),
            ("log.dirs", DATA.to_owned()),
            ("log.cleaner.enable", "false".to_owned()),
            ("default.replication.factor", nodes.min(3).to_string()),
            ("offsets.topic.replication.factor", nodes.min(3).to_string()),
            ("min.insync.replicas", "2".to_owned()),
            ("replica.lag.time.max.ms", "4000".to_owned()),
            ("replica.socket.timeout.ms", "5000".to_owned()),
            ("broker.session.timeout.ms", "3000".to_owned()),
            ("broker.heartbeat.interval.ms", "700".to_owned()),
            ("controller.quorum.request.timeout.ms", "1000".to_owned()),
            ("initial.broker.registration.timeout.ms", "600000".to_owned()),
            ("leader.imbalance.check.interval.seconds", "5".to_owned()),
            ("metadata.log.max.record.bytes.between.snapshots", "6000".to_owned()),
            ("metadata.log.segment.ms", "20000".to_owned()),
            ("replica.high.watermark.checkpoint.interval.ms", "1000".to_owned()),
        ];
        let mut keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        keys.retain(|key| key != "initial.controllers=");
        keys
    }
}

/// A future that never leaves its thread, as nothing here does.
struct OneThread(Pin<Box<dyn Future<Output = ()>>>);

#[expect(unsafe_code, reason = "a world has one thread")]
// SAFETY: the runtime of a world has no other thread to send it to.
unsafe impl Send for OneThread {}

impl Future for OneThread {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}
