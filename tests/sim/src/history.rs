//! What clients were told, and whether it can be true.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::Value;

/// A partition of a topic that is never deleted.
pub(crate) type Place = (String, i32);

/// Everything that clients were told. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// What each lane has sent so far: every number below.
    sent: BTreeMap<u32, u32>,
    /// Where acknowledged records stand; of those answered as duplicates nobody was told.
    acknowledged: BTreeMap<Place, BTreeMap<Value, Option<i64>>>,
    read: BTreeMap<Place, BTreeMap<i64, Value>>,
    /// Topics whose creation, and whose deletion, was confirmed.
    topics: BTreeMap<String, bool>,
    violations: Vec<String>,
}

impl History {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is true that must not be.
    pub(crate) fn violated(&self, what: String) {
        let mut told = self.told();
        if !told.violations.contains(&what) {
            told.violations.push(what);
        }
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.told().violations.clone()
    }

    /// A lane is about to send every number below `end`.
    pub(crate) fn sends(&self, lane: u32, end: u32) {
        self.told().sent.insert(lane, end);
    }

    /// A record was acknowledged, at an offset that the answer named.
    pub(crate) fn acknowledged(&self, place: &Place, value: Value, offset: Option<i64>) {
        self.told().acknowledged.entry(place.clone()).or_default().insert(value, offset);
    }

    /// A committed record was read.
    pub(crate) fn read(&self, place: &Place, offset: i64, value: Value) {
        let before = self.told().read.entry(place.clone()).or_default().insert(offset, value);
        if let Some(before) = before.filter(|before| *before != value) {
            self.violated(format!("{place:?} had {before:?} and {value:?} at offset {offset}"));
        }
    }

    /// A topic exists, or does so no longer.
    pub(crate) fn topic(&self, name: &str, exists: bool) {
        self.told().topics.insert(name.to_owned(), exists);
    }

    /// A topic may exist or not: nobody was told.
    pub(crate) fn topic_is_unclear(&self, name: &str) {
        self.told().topics.remove(name);
    }

    pub(crate) fn topics(&self) -> BTreeMap<String, bool> {
        self.told().topics.clone()
    }

    /// How many records were acknowledged.
    pub(crate) fn acknowledgements(&self) -> u64 {
        self.told().acknowledged.values().map(|of| of.len() as u64).sum()
    }

    /// How many records were read.
    pub(crate) fn reads(&self) -> u64 {
        self.told().read.values().map(|of| of.len() as u64).sum()
    }

    /// A log that its owner leads with must hold whatever was acknowledged so far.
    pub(crate) fn check_leader(&self, place: &Place, log: &BTreeMap<i64, Value>, who: &str) {
        let missing = {
            let told = self.told();
            let Some(acknowledged) = told.acknowledged.get(place) else { return };
            let is_missing = |(value, offset): &(&Value, &Option<i64>)| match offset {
                Some(offset) => log.get(offset) != Some(*value),
                None => !log.values().any(|found| found == *value),
            };
            acknowledged.iter().find(is_missing).map(|(value, offset)| (*value, *offset))
        };
        if let Some((value, offset)) = missing {
            self.violated(format!(
                "{who} leads {place:?} without {value:?}, acknowledged at offset {offset:?}"
            ));
        }
    }

    /// The log of a partition at the end: everything acknowledged and read is in it, nothing twice, nothing that nobody
    /// sent, and each lane in its order.
    pub(crate) fn check_end(&self, place: &Place, log: &BTreeMap<i64, Value>) {
        self.check_leader(place, log, "at the end, a broker");
        let mut next: BTreeMap<u32, u32> = BTreeMap::new();
        let mut wrong = Vec::new();
        {
            let told = self.told();
            for (offset, value) in log {
                let sent = told.sent.get(&value.lane).copied().unwrap_or(0);
                let expected = next.entry(value.lane).or_default();
                if value.number >= sent {
                    wrong.push(format!("{place:?} holds {value:?} at {offset}, which nobody sent"));
                } else if value.number < *expected {
                    wrong.push(format!("{place:?} holds {value:?} at {offset} again, or too late"));
                }
                *expected = (*expected).max(value.number + 1);
            }
            for (offset, value) in told.read.get(place).into_iter().flatten() {
                if log.get(offset) != Some(value) {
                    wrong.push(format!("{value:?} was read from {place:?} at {offset} and is gone"));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.violated(what));
    }
}
