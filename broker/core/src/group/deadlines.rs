//! The timers of a coordinator, at most one of each name; the shell sleeps until the earliest.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use milena_protocol::Timestamp;

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A member of a group has been silent for too long.
    Session(ByteString, ByteString),
    /// The group has waited long enough for members to join.
    Join(ByteString),
    /// The group has waited long enough for members to sync.
    Sync(ByteString),
    /// Offsets may have expired.
    Retention,
}

/// Timers by time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(Timestamp, Timer)>,
    by_timer: BTreeMap<Timer, Timestamp>,
}

impl Deadlines {
    /// Starts `timer`, or moves it.
    pub(super) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.cancel(&timer);
        self.by_time.insert((at, timer.clone()));
        self.by_timer.insert(timer, at);
    }

    /// Stops `timer` if it runs.
    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some((timer, at)) = self.by_timer.remove_entry(timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// When the earliest timer is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Stops and yields a timer that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }

    #[cfg(test)]
    pub(super) fn at(&self, timer: &Timer) -> Option<Timestamp> {
        self.by_timer.get(timer).copied()
    }
}
