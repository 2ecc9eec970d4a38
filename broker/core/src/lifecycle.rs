//! A broker's life in its cluster (KIP-631), as a pure state machine.
//!
//! | from | trigger | to |
//! |---|---|---|
//! | not running | [`Input::Start`] | starting: registers, again and again until the controller agrees |
//! | starting | [`Input::CaughtUp`]: this broker has the metadata that holds its registration | recovery |
//! | recovery | the logs are open ([`Input::Ready`]) and a heartbeat's answer says unfenced | running |
//! | running | [`Input::Stop`], there are others to take over | pending controlled shutdown |
//! | any before, or running with nobody to take over | [`Input::Stop`] | shutting down |
//! | pending controlled shutdown | the answer says to shut down, nobody answers, the patience ends, a second stop | shutting down |
//! | starting | never registered within `initial.broker.registration.timeout.ms` | shutting down, failed |
//!
//! `step(now, input)` answers with at most one [`Output`]; one exchange with the controller is under way at a time.
//! Heartbeats go out every `broker.heartbeat.interval.ms`, and at once when there is something new to say or somebody new
//! to say it to. A controller that does not know the registration any more (BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH)
//! gets it again, under the same incarnation id, in whatever state the broker is.
//!
//! Differences from Apache Kafka's `BrokerLifecycleManager`: it learns from heartbeats that it is caught up, asks every
//! 10 ms meanwhile, and registers again only when the metadata lacks it.

use std::collections::BTreeSet;

use milena_protocol::{ErrorCode, Timestamp, Uuid};

/// Pause before a registration or a wish to shut down is tried again; the heartbeat interval if that is shorter.
const RETRY_PAUSE_MS: i64 = 500;
/// Pause between heartbeats while the controller moves leaderships away.
const CONTROLLED_SHUTDOWN_PAUSE_MS: i64 = 50;

/// What a broker is configured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i64,
    /// `initial.broker.registration.timeout.ms`.
    pub registration_timeout_ms: i64,
    /// Longest wait for leaderships to move before a stop, in milliseconds.
    pub controlled_shutdown_timeout_ms: i64,
}

/// Where a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum State {
    /// Nothing was said to the controller yet.
    #[default]
    NotRunning,
    /// Registers and catches up with the metadata.
    Starting,
    /// Opens its logs; fenced.
    Recovery,
    /// Serves clients.
    Running,
    /// Serves until its leaderships are with others.
    PendingControlledShutdown,
    /// Says nothing to the controller any more.
    ShuttingDown,
}

/// What happens to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The process starts.
    Start,
    /// The metadata that this broker has holds its registration.
    CaughtUp,
    /// The logs are open: from now on it wants to be unfenced.
    Ready,
    /// A log directory failed for good.
    LogDirFailed(Uuid),
    /// Another controller is active, which should hear of this broker.
    ControllerMoved,
    /// The process is told to stop.
    Stop {
        /// There are brokers that could take over.
        has_others: bool,
    },
    /// The controller answered a registration: the broker's epoch, or why not.
    Registered(Result<i64, ErrorCode>),
    /// The controller answered a heartbeat.
    Heartbeat(Result<Answer, ErrorCode>),
    /// Nobody answered.
    Unanswered,
    /// The deadline has come.
    Deadline,
}

/// What the controller says to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The broker must not lead, and clients are not told of it.
    pub is_fenced: bool,
    /// Its leaderships are with others, and they know.
    pub should_shut_down: bool,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Register, and come back with [`Input::Registered`] or [`Input::Unanswered`].
    Register {
        /// The epoch of this incarnation if it was registered before.
        epoch_before: Option<i64>,
    },
    /// Send a heartbeat, and come back with [`Input::Heartbeat`] or [`Input::Unanswered`].
    Heartbeat(Heartbeat),
    /// End the process: the cluster does not take it.
    Fail,
}

/// What a heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The epoch of the registration.
    pub broker_epoch: i64,
    /// Not ready to lead.
    pub want_fence: bool,
    /// On its way out.
    pub want_shut_down: bool,
    /// Log directories that failed.
    pub offline_log_dirs: BTreeSet<Uuid>,
}

/// The state of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    settings: Settings,
    state: State,
    /// The last epoch that the controller gave.
    epoch: Option<i64>,
    /// The controller knows of that epoch, as far as is known.
    is_registered: bool,
    is_ready: bool,
    offline_log_dirs: BTreeSet<Uuid>,
    in_flight: bool,
    /// There was news while an exchange was under way.
    has_news: bool,
    next_exchange: Option<Timestamp>,
    /// When the first registration, and later the controlled shutdown, must be over.
    patience_end: Option<Timestamp>,
}

impl Lifecycle {
    /// A broker that has not started.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::NotRunning,
            epoch: None,
            is_registered: false,
            is_ready: false,
            offline_log_dirs: BTreeSet::new(),
            in_flight: false,
            has_news: false,
            next_exchange: None,
            patience_end: None,
        }
    }

    /// Where the broker stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The epoch of the last registration; none before the first.
    pub fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// When [`Input::Deadline`] is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let exchange = self.next_exchange.filter(|_| !self.in_flight);
        exchange.into_iter().chain(self.patience_end).min()
    }

    /// Takes one input in.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Option<Output> {
        match input {
            Input::Start => self.start(now),
            Input::CaughtUp if self.state == State::Starting => self.state = State::Recovery,
            Input::CaughtUp => {}
            Input::Ready => {
                self.is_ready = true;
                self.hurry(now);
            }
            Input::LogDirFailed(id) => {
                if self.offline_log_dirs.insert(id) {
                    self.hurry(now);
                }
            }
            Input::ControllerMoved => self.hurry(now),
            Input::Stop { has_others } => self.stop(now, has_others),
            Input::Registered(result) => self.on_registered(now, result),
            Input::Heartbeat(result) => self.on_heartbeat(now, result),
            // Where all are on their way out, the last ones have no controller to ask.
            Input::Unanswered if self.state == State::PendingControlledShutdown => self.shut_down(),
            Input::Unanswered => self.fail(now),
            Input::Deadline => {}
        }
        if self.is_out_of_patience(now) {
            let never_registered = self.epoch.is_none();
            self.shut_down();
            return never_registered.then_some(Output::Fail);
        }
        self.exchange(now)
    }

    fn start(&mut self, now: Timestamp) {
        self.state = State::Starting;
        self.patience_end = Some(Timestamp(now.0.saturating_add(self.settings.registration_timeout_ms)));
        self.next_exchange = Some(now);
    }

    fn stop(&mut self, now: Timestamp, has_others: bool) {
        if self.state != State::Running || !has_others {
            return self.shut_down();
        }
        self.state = State::PendingControlledShutdown;
        let timeout_ms = self.settings.controlled_shutdown_timeout_ms;
        self.patience_end = Some(Timestamp(now.0.saturating_add(timeout_ms)));
        self.hurry(now);
    }

    fn shut_down(&mut self) {
        self.state = State::ShuttingDown;
        (self.next_exchange, self.patience_end) = (None, None);
    }

    fn on_registered(&mut self, now: Timestamp, result: Result<i64, ErrorCode>) {
        match result {
            Ok(epoch) => {
                if self.epoch.is_none() {
                    self.patience_end = None;
                }
                self.epoch = Some(epoch);
                self.is_registered = true;
                self.answered(now, 0);
            }
            Err(_) => self.fail(now),
        }
    }

    fn on_heartbeat(&mut self, now: Timestamp, result: Result<Answer, ErrorCode>) {
        let answer = match result {
            Ok(answer) => answer,
            Err(code) => {
                if matches!(code, ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered) {
                    self.is_registered = false;
                }
                return self.fail(now);
            }
        };
        match self.state {
            State::Recovery if self.is_ready && !answer.is_fenced => self.state = State::Running,
            State::PendingControlledShutdown if answer.should_shut_down => return self.shut_down(),
            _ => {}
        }
        let pause_ms = match self.state {
            State::PendingControlledShutdown => CONTROLLED_SHUTDOWN_PAUSE_MS,
            _ => self.settings.heartbeat_interval_ms,
        };
        self.answered(now, pause_ms);
    }

    /// An exchange came to nothing: no news makes the next one come sooner.
    fn fail(&mut self, now: Timestamp) {
        self.has_news = false;
        let interval_ms = self.settings.heartbeat_interval_ms;
        let is_quick = !self.is_registered || self.state == State::PendingControlledShutdown;
        self.answered(now, if is_quick { interval_ms.min(RETRY_PAUSE_MS) } else { interval_ms });
    }

    fn answered(&mut self, now: Timestamp, pause_ms: i64) {
        let pause_ms = if std::mem::take(&mut self.has_news) { 0 } else { pause_ms };
        self.in_flight = false;
        if self.state != State::ShuttingDown {
            self.next_exchange = Some(Timestamp(now.0.saturating_add(pause_ms)));
        }
    }

    /// There is something to say now.
    fn hurry(&mut self, now: Timestamp) {
        if self.in_flight {
            self.has_news = true;
        } else if self.next_exchange.is_some() {
            self.next_exchange = Some(now);
        }
    }

    fn is_out_of_patience(&self, now: Timestamp) -> bool {
        self.patience_end.is_some_and(|end| now >= end)
    }

    fn exchange(&mut self, now: Timestamp) -> Option<Output> {
        if self.in_flight || self.next_exchange.is_none_or(|at| now < at) {
            return None;
        }
        (self.in_flight, self.next_exchange) = (true, None);
        match self.epoch.filter(|_| self.is_registered) {
            None => Some(Output::Register { epoch_before: self.epoch }),
            Some(broker_epoch) => Some(Output::Heartbeat(Heartbeat {
                broker_epoch,
                want_fence: !self.is_ready,
                want_shut_down: self.state == State::PendingControlledShutdown,
                offline_log_dirs: self.offline_log_dirs.clone(),
            })),
        }
    }
}

#[cfg(test)]
mod tests;
