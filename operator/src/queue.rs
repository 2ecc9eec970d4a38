//! Work to do, by cluster: each key waits at most once and is worked on by one worker at a time.
//!
//! Events that arrive while a key is being worked on make it due again afterwards. The size is bounded by the number of
//! clusters that resources name.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::names::ClusterKey;

const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long a queue without work sleeps before it looks again.
const IDLE: Duration = Duration::from_secs(3600);

/// When a key is worked on again without an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Only an event brings it back.
    Never,
    After(Duration),
    /// It failed: later and later until it succeeds.
    Backoff,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    due: HashMap<ClusterKey, Instant>,
    running: HashSet<ClusterKey>,
    failures: HashMap<ClusterKey, u32>,
}

impl Queue {
    /// Makes `key` due now.
    pub(crate) fn push(&self, key: ClusterKey) {
        self.state().due.insert(key, Instant::now());
        self.changed.notify_waiters();
    }

    /// Waits for a key that is due and that nobody works on. Every `next` wants its `done`.
    pub(crate) async fn next(&self) -> ClusterKey {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wake_at = match self.state().take(Instant::now()) {
                Ok(key) => return key,
                Err(wake_at) => wake_at,
            };
            tokio::select! {
                () = changed => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    pub(crate) fn done(&self, key: &ClusterKey, again: Again) {
        self.state().finish(key, again, Instant::now());
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A due key, or when to look again.
    fn take(&mut self, now: Instant) -> Result<ClusterKey, Instant> {
        let waiting = self.due.iter().filter(|(key, _)| !self.running.contains(*key));
        let Some((key, at)) = waiting.min_by_key(|(_, at)| **at).map(|(key, at)| (key.clone(), *at)) else {
            return Err(now + IDLE);
        };
        if at > now {
            return Err(at);
        }
        self.due.remove(&key);
        self.running.insert(key.clone());
        Ok(key)
    }

    fn finish(&mut self, key: &ClusterKey, again: Again, now: Instant) {
        self.running.remove(key);
        let delay = match again {
            Again::Never => None,
            Again::After(delay) => Some(delay),
            Again::Backoff => {
                let failures = self.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                Some(backoff(*failures))
            }
        };
        if again != Again::Backoff {
            self.failures.remove(key);
        }
        if let Some(delay) = delay {
            let at = self.due.entry(key.clone()).or_insert(now + delay);
            *at = (*at).min(now + delay);
        }
    }
}

fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ClusterKey {
        ClusterKey::new("ns", name)
    }

    #[tokio::test]
    async fn an_event_during_work_brings_the_key_back_once() {
        let queue = Queue::default();
        queue.push(key("a"));
        queue.push(key("a"));
        let taken = queue.next().await;
        queue.push(key("a"));
        queue.push(key("a"));
        assert!(queue.state().take(Instant::now()).is_err(), "nobody else works on it meanwhile");
        queue.done(&taken, Again::Never);
        assert_eq!(queue.next().await, key("a"));
        queue.done(&taken, Again::Never);
        assert!(queue.state().due.is_empty());
    }

    #[tokio::test]
    async fn failures_wait_longer_each_time_and_success_forgets_them() {
        let queue = Queue::default();
        let now = Instant::now();
        for expected in [500, 1000, 2000] {
            queue.state().due.clear();
            queue.state().finish(&key("a"), Again::Backoff, now);
            assert_eq!(queue.state().due[&key("a")], now + Duration::from_millis(expected));
        }
        queue.state().finish(&key("a"), Again::Never, now);
        assert!(queue.state().failures.is_empty());
        assert_eq!(backoff(40), BACKOFF_MAX);
    }

    #[tokio::test]
    async fn an_event_is_not_delayed_by_a_later_look() {
        let queue = Queue::default();
        queue.push(key("a"));
        let taken = queue.next().await;
        queue.push(key("a"));
        queue.done(&taken, Again::After(Duration::from_secs(30)));
        assert_eq!(queue.next().await, key("a"));
    }
}
