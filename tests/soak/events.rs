//! What a run has reached, counted by kind: a run that reached too little shows too little.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A batch of our writers, or a record of the outside ones.
    Acknowledged,
    /// A record that a compacted topic does not take.
    Refused,
    Start,
    OrderlyStop,
    Kill,
    KilledWhileStarting,
    KilledWhileStopping,
    /// A kill that left half of a compaction.
    KilledWhileCompacting,
    /// An end that left files which were on their way out.
    LeftDeleting,
    Rolled,
    Compacted,
    /// Segments deleted by retention.
    Retired,
    RecordsDeleted,
    TopicRecreated,
    PartitionAdded,
    OffsetCommitted,
    Reconfigured,
    /// A torn batch or a lost index, as a loss of power leaves them.
    Damaged,
    /// A torn batch that a start cut off.
    TornTail,
    /// The log of a topic whose deletion was cut short.
    SetAside,
    MetadataSnapshot,
    FileDumped,
}

/// Every run must reach these, however short it is.
const WANTED: [Event; 12] = [
    Event::Acknowledged,
    Event::Refused,
    Event::OrderlyStop,
    Event::Kill,
    Event::Rolled,
    Event::Compacted,
    Event::Retired,
    Event::RecordsDeleted,
    Event::TopicRecreated,
    Event::PartitionAdded,
    Event::OffsetCommitted,
    Event::MetadataSnapshot,
];

/// A long run must reach these too.
const WANTED_OF_LONG: [Event; 8] = [
    Event::KilledWhileStarting,
    Event::KilledWhileStopping,
    Event::KilledWhileCompacting,
    Event::LeftDeleting,
    Event::Reconfigured,
    Event::Damaged,
    Event::TornTail,
    Event::FileDumped,
];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<BTreeMap<Event, usize>>);

impl Events {
    pub(crate) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    pub(crate) fn add(&self, event: Event, number: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(event).or_default() += number;
    }

    pub(crate) fn of(&self, event: Event) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&event).copied().unwrap_or(0)
    }

    /// What must still happen.
    pub(crate) fn missing(&self, is_long: bool) -> Vec<Event> {
        let more = WANTED_OF_LONG.into_iter().filter(|_| is_long);
        WANTED.into_iter().chain(more).filter(|event| self.of(*event) == 0).collect()
    }

    pub(crate) fn print(&self) {
        for (event, number) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            eprintln!("{number:>9}  {event:?}");
        }
    }
}
