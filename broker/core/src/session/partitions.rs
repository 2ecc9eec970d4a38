//! The partitions of one session: what was asked of each, and what its reader was told last.
//!
//! They have an order, in which they are read. Whoever gets records moves to the end, so that all get their turn when an
//! answer is too small for all of them.

use std::collections::{BTreeMap, HashMap};

use bytestring::ByteString;
use milena_protocol::messages::fetch::FetchPartition;
use milena_protocol::{ErrorCode, Offset, TopicId};

use super::{Outcome, PartitionKey, Wanted, name};

/// Says that the reader was told nothing yet.
const UNTOLD: Offset = Offset(-1);

#[derive(Debug, Default)]
pub(super) struct CachedPartitions {
    places: HashMap<PartitionKey, u64>,
    in_order: BTreeMap<u64, Cached>,
    place_next: u64,
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: Offset,
    log_start_offset: Offset,
}

impl CachedPartitions {
    /// Those of a first request and what its answer tells.
    pub(super) fn new(partitions: &[Wanted], outcomes: &[Outcome]) -> Self {
        let mut cached = Self::default();
        for (wanted, outcome) in partitions.iter().zip(outcomes) {
            cached.push(Cached {
                wanted: wanted.clone(),
                high_watermark: outcome.high_watermark,
                log_start_offset: outcome.log_start_offset,
            });
        }
        cached
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// From now on `asked` is asked of a partition, which comes last when it is new.
    pub(super) fn ask(&mut self, key: &PartitionKey, asked: &FetchPartition) {
        match self.places.get(key).and_then(|place| self.in_order.get_mut(place)) {
            Some(cached) => cached.wanted.asked = asked.clone(),
            None => self.push(Cached {
                wanted: Wanted { key: key.clone(), name: None, asked: asked.clone() },
                high_watermark: UNTOLD,
                log_start_offset: UNTOLD,
            }),
        }
    }

    pub(super) fn forget(&mut self, key: &PartitionKey) {
        if let Some(place) = self.places.remove(key) {
            self.in_order.remove(&place);
        }
    }

    /// What to read, in order. Names that were unknown are looked up again.
    pub(super) fn wanted(&mut self, name_of: impl Fn(TopicId) -> Option<ByteString>) -> Vec<Wanted> {
        let with_name = |cached: &mut Cached| {
            let wanted = &mut cached.wanted;
            if wanted.name.is_none() {
                wanted.name = name(&wanted.key, &name_of);
            }
            wanted.clone()
        };
        self.in_order.values_mut().map(with_name).collect()
    }

    /// Takes in what was read; yields which of it the reader must be told.
    pub(super) fn learn(&mut self, partitions: &[Wanted], outcomes: &[Outcome]) -> Vec<bool> {
        let learn = |(wanted, outcome): (&Wanted, &Outcome)| {
            let Some(place) = self.places.get(&wanted.key).copied() else { return false };
            let is_told = self.in_order.get_mut(&place).is_some_and(|cached| cached.learn(outcome));
            if outcome.records_bytes > 0
                && let Some(cached) = self.in_order.remove(&place)
            {
                self.push(cached);
            }
            is_told
        };
        partitions.iter().zip(outcomes).map(learn).collect()
    }

    fn push(&mut self, cached: Cached) {
        self.places.insert(cached.wanted.key.clone(), self.place_next);
        self.in_order.insert(self.place_next, cached);
        self.place_next += 1;
    }
}

impl Cached {
    /// Whether the reader must be told: records, an error, a redirection, or offsets that moved.
    fn learn(&mut self, outcome: &Outcome) -> bool {
        let is_failed = outcome.error != ErrorCode::None;
        let is_moved = self.high_watermark != outcome.high_watermark
            || self.log_start_offset != outcome.log_start_offset;
        // So that the reader learns when the error is over.
        self.high_watermark = if is_failed { UNTOLD } else { outcome.high_watermark };
        self.log_start_offset = outcome.log_start_offset;
        outcome.records_bytes > 0 || is_failed || is_moved || outcome.is_redirected
    }
}
