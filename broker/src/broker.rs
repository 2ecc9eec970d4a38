//! What every request handler can reach: configuration, metadata image, partitions, coordinators, quorum, metrics.
//!
//! One `Broker` lives as long as the process. Handlers take it by reference and never see a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::anyhow;
use bytestring::ByteString;
use milena_core::config::broker::server;
use milena_core::lifecycle::State;
use milena_core::metadata::MetadataImage;
use milena_core::session::Sessions;
use milena_protocol::NodeId;
use milena_storage::{Disk, LazyDisk, LogDirLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Listener, LiveProperties};
use crate::connection::{RequestMemory, ResponseMemory};
use crate::connections::Connections;
use crate::controller_channel::ControllerChannel;
use crate::controller_registration;
use crate::coordinator::Coordinators;
use crate::follower::{Followers, Surroundings};
use crate::isr_changes::IsrChanges;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::partitions::Partitions;
use crate::prober::{Heard, Prober};
use crate::quorum::{self, QuorumHandle};
use crate::task;
use crate::throttle::Throttles;

/// Memory that large requests in flight may hold together.
const REQUEST_MEMORY_BYTES: usize = 32 * 1024 * 1024;

/// Memory that finished responses may hold together before no further request is started.
const RESPONSE_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Files of logs that are open at a time, besides those in use at the moment.
const OPEN_FILES_MAX: usize = 128;

/// The parts of a running broker.
pub(crate) struct Broker {
    pub(crate) config: Arc<Config>,
    /// The properties in effect, dynamic values included.
    pub(crate) live: LiveProperties,
    pub(crate) node_id: NodeId,
    pub(crate) cluster_id: ByteString,
    pub(crate) partitions: Partitions,
    pub(crate) isr_changes: IsrChanges,
    pub(crate) throttles: Throttles,
    pub(crate) coordinators: Coordinators,
    pub(crate) quorum: QuorumHandle,
    /// The way to the active controller for what this broker itself asks.
    pub(crate) controller: ControllerChannel,
    /// The same for what clients ask through this broker.
    pub(crate) forwarding: ControllerChannel,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) prober: Prober,
    pub(crate) metrics: Metrics,
    pub(crate) request_memory: RequestMemory,
    pub(crate) response_memory: Arc<ResponseMemory>,
    connections: ConnectionTables,
    /// Cancelled when the task that acts on new images ends, by a panic too.
    follower_ended: CancellationToken,
    pub(crate) fetch_sessions: Mutex<Sessions>,
    _log_dirs: Vec<LogDirLock>,
}

impl Broker {
    /// Locks the log directories and starts the quorum. Controllers' listeners may then be served.
    pub(crate) async fn open(
        config: Arc<Config>,
        disk: Arc<dyn Disk>,
        metrics: Metrics,
    ) -> anyhow::Result<Arc<Self>> {
        let disk: Arc<dyn Disk> = Arc::new(LazyDisk::new(metrics.measure(disk), OPEN_FILES_MAX));
        let log_dirs = lock_directories(&config, &*disk)?;
        let quorum = quorum::start(config.clone(), disk.clone()).await?;
        let live = LiveProperties::new(&config, &quorum.committed());
        let directories = &quorum.identity().directories;
        let partitions = Partitions::open(&config, directories, disk, live.clone(), metrics.storage.clone())?;
        let leader = quorum.leader();
        Ok(Arc::new_cyclic(|broker| {
            let controller = ControllerChannel::new(broker.clone(), Origin::local(&config), leader, &config);
            Self {
                forwarding: controller.lane(),
                controller,
                node_id: config.node_id,
                cluster_id: quorum.identity().cluster_id.clone(),
                coordinators: Coordinators::new(config.node_id, &config.properties),
                lifecycle: Arc::new(Lifecycle::new(config.node_id)),
                prober: Prober::new(),
                throttles: Throttles::new(&live),
                live,
                partitions,
                isr_changes: IsrChanges::default(),
                quorum,
                metrics,
                request_memory: RequestMemory::new(REQUEST_MEMORY_BYTES),
                response_memory: ResponseMemory::new(RESPONSE_MEMORY_BYTES),
                connections: ConnectionTables::new(&config),
                fetch_sessions: Mutex::new(Sessions::new(session_slots(&config))),
                config,
                follower_ended: CancellationToken::new(),
                _log_dirs: log_dirs,
            }
        }))
    }

    /// Takes its place in the cluster: registers, recovers the partitions, is unfenced. Clients may then be served.
    pub(crate) async fn join(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        task::spawn(follow_limits(self.clone(), stop.clone()));
        if self.config.roles.is_controller {
            let (broker, stopped) = (self.clone(), stop.clone());
            task::spawn(async move { broker.prober.run(broker.clone(), stopped).await });
            let (registered, stop) = (controller_registration::keep_registered(self.clone()), stop.clone());
            task::spawn(async move { stop.run_until_cancelled(registered).await });
        }
        if self.config.roles.is_broker {
            let (quorum, controller) = (&self.quorum, &self.controller);
            let image = self.lifecycle.join(&self.config, quorum, controller, &self.partitions).await?;
            self.partitions.recover(&image).await?;
        }
        self.follow(stop);
        if self.config.roles.is_broker {
            self.exchange_isr(tasks, stop);
            self.lifecycle.ready(&self.quorum).await?;
            self.partitions.maintain(tasks, stop);
        }
        Ok(())
    }

    /// Acts on every new image from now on.
    fn follow(self: &Arc<Self>, stop: &CancellationToken) {
        let follower = self.clone();
        let followers = Followers::new(
            &self.config,
            Surroundings {
                quorum: self.quorum.clone(),
                lifecycle: self.lifecycle.clone(),
                partitions: self.partitions.clone(),
                throttle: self.throttles.follower.clone(),
                stop: stop.clone(),
            },
        );
        let follow = self.quorum.clone().follow(move |delta, image| {
            follower.live.apply(delta, image);
            if follower.config.roles.is_broker {
                follower.partitions.apply(delta, image);
                followers.apply(delta);
                follower.coordinators.apply(&follower.partitions, delta, image);
            }
        });
        let ended = self.follower_ended.clone().drop_guard();
        task::spawn(async move {
            let _ended = ended;
            follow.await;
        });
    }

    /// Keeps the controller informed of who is in sync with the partitions led here, and of where logs are.
    fn exchange_isr(self: &Arc<Self>, tasks: &TaskTracker, stop: &CancellationToken) {
        let lag_ms = self.config.properties.long(&server::REPLICA_LAG_TIME_MAX_MS);
        let lag = Duration::from_millis(u64::try_from(lag_ms).unwrap_or(0));
        let shrink = self.isr_changes.clone().shrink(self.partitions.clone(), lag, stop.clone());
        task::spawn(tasks.track_future(shrink));
        let (node_id, lifecycle) = (self.node_id, self.lifecycle.clone());
        let this = move || (node_id, lifecycle.epoch());
        let lane = self.controller.lane();
        let ask = move |request| {
            let lane = lane.clone();
            async move { lane.send(&request).await }
        };
        task::spawn(tasks.track_future(self.isr_changes.clone().run(ask, this, stop.clone())));
        let (node_id, lifecycle) = (self.node_id, self.lifecycle.clone());
        let this = move || (node_id, lifecycle.epoch());
        let lane = self.controller.lane();
        let ask = move |request| {
            let lane = lane.clone();
            async move { lane.send(&request).await }
        };
        let assignments = self.partitions.assignments().clone();
        task::spawn(tasks.track_future(assignments.run(ask, this, stop.clone())));
    }

    /// Hands leaderships over to others while clients are served. Bounded by time.
    pub(crate) async fn leave(&self) {
        self.lifecycle.leave(&self.config, &self.quorum.committed()).await;
    }

    /// Ends coordinators and quorum.
    pub(crate) async fn end_quorum(&self) {
        self.coordinators.stop().await;
        self.quorum.stop().await;
    }

    /// Makes every log durable and marks the directory clean.
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        self.partitions.close(self.lifecycle.epoch()).await
    }

    /// Resolves with the reason when this broker can follow the cluster no longer; never if it can.
    pub(crate) async fn failed(&self) -> anyhow::Error {
        tokio::select! {
            failure = self.quorum.failed() => failure,
            failure = self.lifecycle.failed() => failure,
            failure = self.partitions.watch_dirs(&self.lifecycle, &self.quorum) => failure,
            () = self.follower_ended.cancelled() => anyhow!("the task that acts on new metadata ended"),
        }
    }

    /// The connections that share their limits with those of `listener`.
    pub(crate) fn connections_of(&self, listener: &Listener) -> &Arc<Connections> {
        if listener.is_controller { &self.connections.of_controller } else { &self.connections.of_clients }
    }

    /// Whether a request that names its cluster, or none, names this one.
    pub(crate) fn is_this_cluster(&self, named: Option<&str>) -> bool {
        named.is_none_or(|named| *named == *self.cluster_id)
    }

    /// What is said to a request that is not meant for this cluster.
    pub(crate) fn other_cluster(&self, named: Option<&str>) -> String {
        let named = named.unwrap_or_default();
        format!("The given id \"{named}\" doesn't match the cluster id \"{}\"", self.cluster_id)
    }

    /// Whether this process does what it is there for, or else what it does instead.
    pub(crate) fn readiness(&self) -> Result<(), &'static str> {
        if !self.config.roles.is_broker {
            let has_leader = self.quorum.leader().borrow().id.is_some();
            return if has_leader { Ok(()) } else { Err("nobody leads the quorum") };
        }
        match self.state() {
            State::NotRunning | State::Starting | State::Recovery => Err("recovering"),
            State::PendingControlledShutdown | State::ShuttingDown => Err("shutting down"),
            State::Running if self.image().broker(self.node_id).is_some_and(|broker| !broker.fenced) => {
                Ok(())
            }
            State::Running => Err("fenced"),
        }
    }

    /// Where this process stands as a broker.
    pub(crate) fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// What is told of the metadata at `listener`: controllers tell what is committed, brokers what they have acted on.
    pub(crate) fn image_at(&self, listener: &Listener) -> Arc<MetadataImage> {
        if listener.is_controller { self.quorum.committed() } else { self.image() }
    }

    /// The newest committed metadata this broker has.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.quorum.image()
    }
}

/// Listeners of the controller have limits of their own, as in Kafka, where they are another server.
struct ConnectionTables {
    of_clients: Arc<Connections>,
    of_controller: Arc<Connections>,
}

impl ConnectionTables {
    /// With nothing but the limits of `config`; those set meanwhile come with [`follow_limits`].
    fn new(config: &Config) -> Self {
        let table = |of_controller| {
            let limits = config.connection_limits(&config.properties, of_controller);
            Connections::new(limits, config.connection_windows())
        };
        Self { of_clients: table(false), of_controller: table(true) }
    }
}

/// Makes the directories and keeps other processes out of them. One whose disk does not let it is left to whoever reads it
/// next, as long as it is not that of the metadata log.
fn lock_directories(config: &Config, disk: &dyn Disk) -> anyhow::Result<Vec<LogDirLock>> {
    let metadata_dir = &config.metadata_dir;
    let lock = |folder: &PathBuf| {
        let made = disk.create_dir_all(folder).map_err(anyhow::Error::from);
        // A disk of the simulation belongs to one process.
        if cfg!(feature = "simulation") {
            return made.map(|()| None);
        }
        match made.and_then(|()| Ok(LogDirLock::acquire(folder)?)) {
            Ok(Some(lock)) => Ok(Some(lock)),
            Ok(None) => Err(anyhow!("log directory {} is in use by another process", folder.display())),
            Err(error) if folder != metadata_dir => {
                let error = format!("{error:#}");
                tracing::error!(folder = %folder.display(), error, "cannot lock log directory");
                Ok(None)
            }
            Err(error) => Err(error.context(format!("make log directory {}", folder.display()))),
        }
    };
    let others = config.log_dirs.iter().filter(|folder| *folder != metadata_dir);
    let locks: anyhow::Result<Vec<_>> = std::iter::once(metadata_dir).chain(others).map(lock).collect();
    Ok(locks?.into_iter().flatten().collect())
}

/// Takes over limits of connections that are set while the broker runs.
async fn follow_limits(broker: Arc<Broker>, stop: CancellationToken) {
    let mut live = broker.live.subscribe();
    live.mark_changed();
    while let Some(Ok(())) = stop.run_until_cancelled(live.changed()).await {
        let (properties, config) = (live.borrow_and_update().clone(), broker.config.clone());
        // Names of hosts are looked up.
        let limits = task::spawn_blocking(move || {
            [false, true].map(|of_controller| config.connection_limits(&properties, of_controller))
        });
        let Ok([of_clients, of_controller]) = limits.await else { continue };
        broker.connections.of_clients.limit(of_clients);
        broker.connections.of_controller.limit(of_controller);
    }
}

fn session_slots(config: &Config) -> usize {
    let slots = config.properties.int(&server::MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);
    usize::try_from(slots).unwrap_or(0)
}

/// Where a connection came from.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    pub(crate) listener: Arc<Listener>,
    /// Whose heartbeats come from here.
    pub(crate) heard: Heard,
}

impl Origin {
    /// Of what this process asks of itself. A process that is no controller never does.
    pub(crate) fn local(config: &Config) -> Self {
        let listener = config.controller_listener().or(config.listeners.first()).cloned();
        let listener = Arc::new(listener.expect("a process has a listener"));
        Self { peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), listener, heard: Heard::default() }
    }
}

/// What a handler knows of the request beside its body.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(crate) version: i16,
    pub(crate) client_id: ByteString,
    pub(crate) peer: SocketAddr,
    pub(crate) listener: Arc<Listener>,
    /// Whose heartbeats come from where this comes from.
    pub(crate) heard: Heard,
}
