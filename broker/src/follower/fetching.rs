//! The task of one fetcher: the shell around [`milena_core::follower::Fetcher`].
//!
//! It dials, fetches, does the steps, and dials anew when the connection is gone, after a pause that grows to
//! `replica.fetch.backoff.ms`. A fetch that waits at the leader for records is given up when partitions are added, so that
//! those of a failed leader are followed at once; not more often than such a wait is long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_client::ClientError;
use milena_core::follower::{Action, Fetcher, FetcherSettings, Key, Logs, Step, StepError};
use milena_protocol::messages::fetch::{FetchRequest, FetchResponse};
use milena_protocol::{LeaderEpoch, NodeId, Offset};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::link::{Link, Links};
use crate::partition::{Cut, Partition, now};
use crate::partitions::Partitions;
use crate::task;
use crate::throttle::Throttle;

/// The first pause after a connection that failed.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// See the file.
pub(super) struct Fetching {
    leader: NodeId,
    settings: FetcherSettings,
    state: Mutex<State>,
    /// Partitions were added, or the last one was taken away.
    changed: Notify,
}

struct State {
    fetcher: Fetcher,
    targets: Targets,
    is_over: bool,
}

/// What is fetched.
struct Targets {
    partitions: HashMap<Key, Arc<Partition>>,
    throttle: Arc<Throttle>,
}

impl Logs for Targets {
    fn log_start(&self, key: Key) -> Option<Offset> {
        self.partitions.get(&key).map(|partition| partition.log_start_offset())
    }

    fn is_throttled(&self, key: Key) -> bool {
        let is_throttled =
            self.partitions.get(&key).is_some_and(|partition| partition.is_throttled_follower());
        is_throttled && self.throttle.is_exceeded()
    }
}

impl Fetching {
    pub(super) fn new(leader: NodeId, settings: FetcherSettings, throttle: Arc<Throttle>) -> Self {
        let targets = Targets { partitions: HashMap::new(), throttle };
        let state = State { fetcher: Fetcher::new(settings), targets, is_over: false };
        Self { leader, settings, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Whether the task has ended, or will without looking at what is added.
    pub(super) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Whether the partition is followed in `epoch` already.
    pub(super) fn follows(&self, key: Key, epoch: LeaderEpoch) -> bool {
        self.state().fetcher.follows(key, epoch)
    }

    pub(super) fn follow(&self, key: Key, partition: Arc<Partition>, epoch: LeaderEpoch) {
        let mut state = self.state();
        state.fetcher.follow(key, partition.topic.clone(), epoch, partition.position());
        state.targets.partitions.insert(key, partition);
        self.changed.notify_one();
    }

    /// Yields whether that was the last one, after which the task ends.
    pub(super) fn forget(&self, key: Key) -> bool {
        let mut state = self.state();
        state.fetcher.forget(key);
        state.targets.partitions.remove(&key);
        state.is_over |= state.fetcher.is_empty();
        if state.is_over {
            self.changed.notify_one();
        }
        state.is_over
    }

    /// Runs until nothing is left to fetch, or `stop`.
    pub(super) async fn run(&self, links: &Links, partitions: &Partitions, stop: &CancellationToken) {
        let mut pause = PAUSE_MIN;
        let pause_max = Duration::from_millis(u64::try_from(self.settings.backoff_ms).unwrap_or(0));
        while !self.is_over() {
            let turn = async {
                let link = links.dial(self.leader).await?;
                tracing::debug!(leader = self.leader.0, "connected to a leader");
                pause = PAUSE_MIN;
                self.fetch_over(&link, links, partitions).await
            };
            let Some(ended) = stop.run_until_cancelled(turn).await else { return };
            self.state().fetcher.on_lost();
            if let Err(error) = ended {
                tracing::warn!(leader = self.leader.0, %error, "cannot fetch from a leader, trying again");
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(pause_max.max(PAUSE_MIN));
            }
        }
    }

    /// Fetches over one connection, until it fails or is given up.
    async fn fetch_over(
        &self,
        link: &Link,
        links: &Links,
        partitions: &Partitions,
    ) -> Result<(), ClientError> {
        let wait_max = Duration::from_millis(u64::try_from(self.settings.wait_ms_max).unwrap_or(0));
        let opened = Instant::now();
        while !self.is_over() {
            self.reset(link, partitions).await?;
            let Some(request) = self.next_request(links.broker_epoch()) else {
                self.idle().await;
                continue;
            };
            let response = tokio::select! {
                biased;
                response = link.fetch(&request) => response?,
                () = self.is_interrupted(opened + wait_max) => return Ok(()),
            };
            self.take_in(response, partitions);
        }
        Ok(())
    }

    fn next_request(&self, broker_epoch: i64) -> Option<FetchRequest> {
        let mut state = self.state();
        let State { fetcher, targets, .. } = &mut *state;
        fetcher.next_fetch(now(), broker_epoch, targets)
    }

    /// Waits until there may be something to ask.
    async fn idle(&self) {
        let now = now();
        let deadline = self.state().fetcher.next_deadline(now);
        let left = deadline.map_or(self.settings.backoff_ms, |at| at.ms_since(now));
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(1));
        tokio::time::timeout(left, self.changed.notified()).await.ok();
    }

    /// Resolves when partitions were added, no earlier than `earliest`.
    async fn is_interrupted(&self, earliest: Instant) {
        tokio::time::sleep_until(earliest).await;
        self.changed.notified().await;
    }

    /// Asks for the ends of partitions that are out of range.
    async fn reset(&self, link: &Link, partitions: &Partitions) -> Result<(), ClientError> {
        let asked = self.state().fetcher.resetting(now());
        if asked.is_empty() {
            return Ok(());
        }
        let ends = link.ends(asked).await?;
        let step = |(key, epoch, ends)| self.state().fetcher.on_ends(now(), (key, epoch), ends);
        let steps = ends.into_iter().filter_map(step).collect();
        self.do_steps(steps, partitions);
        Ok(())
    }

    fn take_in(&self, response: FetchResponse, partitions: &Partitions) {
        let steps = self.state().fetcher.on_answer(now(), response);
        self.do_steps(steps, partitions);
    }

    /// Cuts come first: the recovery points must be written down before anything is appended.
    fn do_steps(&self, steps: Vec<Step>, partitions: &Partitions) {
        let (appends, cuts): (Vec<_>, Vec<_>) =
            steps.into_iter().partition(|step| matches!(step.action, Action::Append(_)));
        if !cuts.is_empty() {
            task::block_in_place(|| {
                cuts.into_iter().for_each(|step| self.do_step(step));
                if let Err(error) = partitions.note_recovery_points() {
                    tracing::error!(%error, "cannot write recovery points");
                }
            });
        }
        appends.into_iter().for_each(|step| self.do_step(step));
    }

    fn do_step(&self, Step { key, leader_epoch, action }: Step) {
        let (partition, throttle) = {
            let targets = &self.state().targets;
            (targets.partitions.get(&key).cloned(), targets.throttle.clone())
        };
        let cut = |partition: &Partition, cut| partition.cut(leader_epoch, cut);
        let position = match (partition, action) {
            (None, _) => Err(StepError::Failed),
            (Some(partition), Action::Diverged(leader)) => cut(&partition, Cut::Diverged(leader)),
            (Some(partition), Action::Truncate(offset)) => cut(&partition, Cut::At(offset)),
            (Some(partition), Action::Restart(offset)) => cut(&partition, Cut::All(offset)),
            (Some(partition), Action::Append(fetched)) => {
                if partition.is_throttled_follower() {
                    throttle.record(fetched.records.len());
                }
                partition.append_fetched(fetched, leader_epoch)
            }
        };
        self.state().fetcher.on_position(now(), (key, leader_epoch), position);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
