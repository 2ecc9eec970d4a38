//! This process as a broker of its cluster: what `core::lifecycle` decides, said to the active controller.
//!
//! It runs on a thread of its own and speaks on a connection of its own, so that neither a stalled disk nor a slow
//! request of somebody else keeps a heartbeat back. [`Lifecycle::join`] registers, [`Lifecycle::ready`] lets clients come,
//! [`Lifecycle::leave`] hands the leaderships over while they are still served.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytestring::ByteString;
use futures::future::BoxFuture;
use milena_core::config::broker::{quorum, server};
use milena_core::lifecycle::{Answer, Heartbeat, Input, Lifecycle as Machine, Output, Settings, State};
use milena_core::metadata::features::{SUPPORTED, is_acceptable, is_supported};
use milena_core::metadata::{BrokerImage, MetadataImage};
use milena_protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use milena_protocol::messages::broker_registration::{BrokerRegistrationRequest, Feature, Listener};
use milena_protocol::{ErrorCode, NodeId, Offset, Timestamp, Uuid};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::config::Config;
use crate::controller_channel::ControllerChannel;
use crate::partitions::Partitions;
use crate::quorum::QuorumHandle;
use crate::task;

/// The number of PLAINTEXT among security protocols.
const PLAINTEXT: i16 = 0;
/// Events that may wait for the thread.
const INPUTS_MAX: usize = 16;
/// Longest wait for leaderships to move before a stop.
const CONTROLLED_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a broker that leaves looks for a controller: beyond an election, not beyond the patience of its operator.
const LEAVING_PATIENCE: Duration = Duration::from_secs(3);

/// Where this broker stands.
#[derive(Debug, Clone, Copy, Default)]
struct Status {
    state: State,
    epoch: Option<i64>,
    failed: bool,
}

/// The way to the thread.
pub(crate) struct Lifecycle {
    node_id: NodeId,
    inputs: mpsc::Sender<Input>,
    status: watch::Receiver<Status>,
    waiting: Mutex<Option<Waiting>>,
}

/// What the thread starts with.
struct Waiting {
    inbox: mpsc::Receiver<Input>,
    status: watch::Sender<Status>,
}

/// What the thread knows.
struct Member {
    registration: BrokerRegistrationRequest,
    settings: Settings,
    /// How long a controller is looked for with each exchange.
    patience: Duration,
    quorum: QuorumHandle,
    controller: ControllerChannel,
    partitions: Partitions,
}

/// What a broker says of its log directories when it registers.
pub(crate) struct KnownDirs {
    pub(crate) ids: Vec<Uuid>,
    /// The epoch that the process before this had at its end in order.
    pub(crate) previous_epoch: Option<i64>,
}

impl Lifecycle {
    /// A broker that has said nothing yet.
    pub(crate) fn new(node_id: NodeId) -> Self {
        let (inputs, inbox) = mpsc::channel(INPUTS_MAX);
        let (tell, status) = watch::channel(Status::default());
        Self { node_id, inputs, status, waiting: Mutex::new(Some(Waiting { inbox, status: tell })) }
    }

    /// Where this broker stands.
    pub(crate) fn state(&self) -> State {
        self.status.borrow().state
    }

    /// The epoch of its registration; -1 before it has one.
    pub(crate) fn epoch(&self) -> i64 {
        self.status.borrow().epoch.unwrap_or(-1)
    }

    /// Registers with the active controller, with the directories of `partitions`, and yields the first image that knows of
    /// it. To be called once.
    pub(crate) async fn join(
        &self,
        config: &Config,
        quorum: &QuorumHandle,
        controller: &ControllerChannel,
        partitions: &Partitions,
    ) -> anyhow::Result<Arc<MetadataImage>> {
        let online = partitions.dirs().iter().filter(|dir| dir.is_online());
        let known = KnownDirs {
            ids: online.map(|dir| dir.id).collect(),
            previous_epoch: partitions.previous_broker_epoch(),
        };
        let registration = registration(config, quorum, known);
        let (node_id, incarnation_id) = (self.node_id, registration.incarnation_id);
        self.run(Member {
            registration,
            settings: settings(config),
            patience: session_timeout(config),
            quorum: quorum.clone(),
            controller: controller.lane(),
            partitions: partitions.clone(),
        })?;
        self.tell(Input::Start).await;
        let is_known = |broker: &BrokerImage| broker.incarnation_id == incarnation_id;
        let image = quorum.committed_where(|image| image.broker(node_id).is_some_and(is_known)).await;
        self.tell(Input::CaughtUp).await;
        self.status.clone().wait_for(|status| status.epoch.is_some()).await.context(ENDED)?;
        Ok(image)
    }

    /// Tells the controller that a log directory failed for good.
    pub(crate) async fn dir_failed(&self, id: Uuid) {
        self.tell(Input::LogDirFailed(id)).await;
    }

    /// Lets the cluster count on this broker: resolves once it does, and this broker knows.
    pub(crate) async fn ready(&self, quorum: &QuorumHandle) -> anyhow::Result<()> {
        quorum.applied(Offset(self.epoch() + 1)).await;
        self.tell(Input::Ready).await;
        self.status.clone().wait_for(|status| status.state >= State::Running).await.context(ENDED)?;
        let is_served = |broker: &BrokerImage| !broker.fenced;
        let image = quorum.committed_where(|image| image.broker(self.node_id).is_some_and(is_served)).await;
        quorum.applied(image.next_offset()).await;
        Ok(())
    }

    /// Hands the leaderships over and says goodbye; resolves when this broker may close its doors. Bounded by time.
    pub(crate) async fn leave(&self, config: &Config, image: &MetadataImage) {
        let could_lead = |broker: &BrokerImage| !broker.fenced && !broker.in_controlled_shutdown;
        let others = image.brokers().filter(|broker| broker.id != self.node_id);
        let is_enabled = config.properties.boolean(&server::CONTROLLED_SHUTDOWN_ENABLE);
        let has_others = is_enabled && others.into_iter().any(could_lead);
        self.tell(Input::Stop { has_others }).await;
        let has_left = |status: &Status| matches!(status.state, State::NotRunning | State::ShuttingDown);
        self.status.clone().wait_for(has_left).await.ok();
    }

    /// Resolves with the reason when the cluster does not take this broker; never if it does.
    pub(crate) async fn failed(&self) -> anyhow::Error {
        match self.status.clone().wait_for(|status| status.failed).await {
            Ok(_) => anyhow!("unable to register with the controller quorum"),
            Err(_) if self.state() == State::ShuttingDown => std::future::pending().await,
            Err(_) => anyhow!(ENDED),
        }
    }

    async fn tell(&self, input: Input) {
        // A thread that has ended needs to know nothing.
        self.inputs.send(input).await.ok();
    }

    fn run(&self, member: Member) -> anyhow::Result<()> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Waiting { inbox, status } = waiting.context("this broker has joined already")?;
        task::run_apart("lifecycle", member.live(inbox, status)).context("start a thread")
    }
}

const ENDED: &str = "the thread of this broker's heartbeats ended";

impl Member {
    async fn live(self, mut inbox: mpsc::Receiver<Input>, status: watch::Sender<Status>) {
        let started = Instant::now();
        let now = || Timestamp(i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX));
        let mut machine = Machine::new(self.settings);
        let mut exchange: Option<BoxFuture<'_, Input>> = None;
        let mut leader = self.quorum.leader();
        while machine.state() != State::ShuttingDown {
            let due = machine.next_deadline().map(|due| {
                let ms = u64::try_from(due.ms_since(now())).unwrap_or(0);
                Instant::now() + Duration::from_millis(ms)
            });
            let input = tokio::select! {
                Some(input) = inbox.recv() => input,
                Ok(()) = leader.changed() => match leader.borrow_and_update().id {
                    Some(_) => Input::ControllerMoved,
                    None => continue,
                },
                answer = answer_of(&mut exchange) => answer,
                () = until(due) => Input::Deadline,
            };
            let before = machine.state();
            let output = machine.step(now(), input);
            let (state, epoch) = (machine.state(), machine.epoch());
            if state != before {
                tracing::info!(from = ?before, to = ?state, "broker moves on");
            }
            let failed = output == Some(Output::Fail);
            status.send_replace(Status { state, epoch, failed });
            match output {
                Some(Output::Register { epoch_before }) => {
                    exchange = Some(Box::pin(self.register(epoch_before)))
                }
                Some(Output::Heartbeat(heartbeat)) => exchange = Some(Box::pin(self.heartbeat(heartbeat))),
                Some(Output::Fail) | None => {}
            }
        }
    }

    async fn register(&self, epoch_before: Option<i64>) -> Input {
        let mut request = self.registration.clone();
        request.features = features(&self.quorum.committed());
        // What was served until now is whole.
        request.previous_broker_epoch = epoch_before.unwrap_or(request.previous_broker_epoch);
        match self.controller.send_within(&request, self.patience).await {
            Ok(answer) if answer.error_code == 0 => {
                tracing::info!(broker_epoch = answer.broker_epoch, "registered");
                self.partitions.mark_run(answer.broker_epoch);
                Input::Registered(Ok(answer.broker_epoch))
            }
            Ok(answer) => {
                let code = ErrorCode::from(answer.error_code);
                tracing::warn!(%code, "the controller does not register this broker yet");
                Input::Registered(Err(code))
            }
            Err(error) => unanswered(&error),
        }
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Input {
        let patience = if heartbeat.want_shut_down { LEAVING_PATIENCE } else { self.patience };
        let request = BrokerHeartbeatRequest {
            broker_id: self.registration.broker_id,
            broker_epoch: heartbeat.broker_epoch,
            current_metadata_offset: self.quorum.applied_end().0 - 1,
            want_fence: heartbeat.want_fence,
            want_shut_down: heartbeat.want_shut_down,
            offline_log_dirs: heartbeat.offline_log_dirs.into_iter().collect(),
            cordoned_log_dirs: Some(self.partitions.cordoned()),
        };
        match self.controller.send_within(&request, patience).await {
            Ok(answer) if answer.error_code == 0 => Input::Heartbeat(Ok(Answer {
                is_fenced: answer.is_fenced,
                should_shut_down: answer.should_shut_down,
            })),
            Ok(answer) => {
                let code = ErrorCode::from(answer.error_code);
                tracing::warn!(%code, "the controller refused a heartbeat");
                Input::Heartbeat(Err(code))
            }
            Err(error) => unanswered(&error),
        }
    }
}

fn unanswered(error: &milena_client::ClientError) -> Input {
    tracing::warn!(%error, "no controller answers");
    Input::Unanswered
}

/// Resolves with the answer to the exchange under way, and ends it; never without one. Cancel safe.
async fn answer_of(exchange: &mut Option<BoxFuture<'_, Input>>) -> Input {
    let Some(pending) = exchange else { return std::future::pending().await };
    let answer = pending.await;
    *exchange = None;
    answer
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn settings(config: &Config) -> Settings {
    let ms = |key| i64::from(config.properties.int(key));
    Settings {
        heartbeat_interval_ms: ms(&quorum::BROKER_HEARTBEAT_INTERVAL_MS),
        registration_timeout_ms: ms(&quorum::INITIAL_BROKER_REGISTRATION_TIMEOUT_MS),
        controlled_shutdown_timeout_ms: i64::try_from(CONTROLLED_SHUTDOWN_TIMEOUT.as_millis())
            .unwrap_or(i64::MAX),
    }
}

fn session_timeout(config: &Config) -> Duration {
    let ms = config.properties.int(&quorum::BROKER_SESSION_TIMEOUT_MS);
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

/// What this process tells the controller about itself.
pub(crate) fn registration(
    config: &Config,
    quorum: &QuorumHandle,
    dirs: KnownDirs,
) -> BrokerRegistrationRequest {
    let listeners = config.listeners.iter().filter(|listener| !listener.is_controller);
    let listeners = listeners.map(|listener| Listener {
        name: listener.name.as_str().into(),
        host: listener.advertised_host.as_str().into(),
        port: listener.advertised_port,
        security_protocol: PLAINTEXT,
    });
    let identity = quorum.identity();
    BrokerRegistrationRequest {
        broker_id: config.node_id.0,
        cluster_id: identity.cluster_id.clone(),
        incarnation_id: Uuid::new_v4(),
        listeners: listeners.collect(),
        features: features(&quorum.committed()),
        rack: config.rack.clone(),
        log_dirs: dirs.ids,
        previous_broker_epoch: dirs.previous_epoch.unwrap_or(-1),
        ..BrokerRegistrationRequest::default()
    }
}

/// What this broker supports, and what the cluster finalized that it leaves alone without serving it.
fn features(image: &MetadataImage) -> Vec<Feature> {
    let range =
        |name: ByteString, min, max| Feature { name, min_supported_version: min, max_supported_version: max };
    let built = SUPPORTED.iter().map(|feature| {
        range(ByteString::from_static(feature.name), *feature.levels.start(), *feature.levels.end())
    });
    let is_kept = |name: &str, level| !is_supported(name, level) && is_acceptable(name, level);
    let kept = image.features().iter().filter(|(name, level)| is_kept(name, **level));
    built.chain(kept.map(|(name, level)| range(name.clone(), 0, *level))).collect()
}
