//! Idempotent producers of one partition: which sequence comes next, and which batches are there already (KIP-98).
//!
//! | the batch has | the answer |
//! |---|---|
//! | a producer nobody knows | any sequence is accepted: its state may have expired; an epoch below -1 is `INVALID_PRODUCER_EPOCH` |
//! | an older epoch | `INVALID_PRODUCER_EPOCH` |
//! | a newer epoch | sequence 0 is accepted, others are `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | the first and last sequence of one of the last five batches | a duplicate: the first try's offset and timestamp |
//! | the sequence after the last, or 0 after `i32::MAX` | accepted |
//! | any other | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//!
//! A snapshot holds only the last batch of a producer: whoever restores one is asked for what lies before it, as soon as a
//! sequence is refused for want of it. Else the retries after a stop of all replicas would fail, as they do in Kafka.
//!
//! A transaction is open from its first batch to its marker; where it began, the last stable offset stops. Its producer is
//! remembered meanwhile.
//!
//! Source: `ProducerStateManager`, `ProducerAppendInfo` and `ProducerStateEntry` of Apache Kafka. Deliberate
//! difference: a producer expires by the broker's clock; Kafka goes by the timestamps of its records, which may be old
//! or absent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use milena_protocol::records::{BatchHeader, advance_sequence};
use milena_protocol::{ErrorCode, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Batches of a producer that a retry is compared with; a producer has at most this many requests in flight.
const BATCHES_KEPT_MAX: usize = 5;
/// Producers of one partition. Beyond this the one that was silent for longest is forgotten, as if it had expired.
const PRODUCERS_MAX: usize = 100_000;

/// A batch that a producer appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Distance from its first to its last record.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: Timestamp,
}

impl BatchMetadata {
    fn of(header: &BatchHeader, base_offset: Offset) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: base_offset + i64::from(header.last_offset_delta),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    /// Offset of its first record.
    pub fn first_offset(&self) -> Offset {
        self.last_offset + -i64::from(self.offset_delta)
    }

    /// Sequence of its first record.
    pub fn first_sequence(&self) -> i32 {
        advance_sequence(self.last_sequence, -self.offset_delta)
    }
}

/// A producer as a snapshot keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// Its last batch, if it has one in this epoch.
    pub last_batch: Option<BatchMetadata>,
    /// When it was last seen, by the broker's clock.
    pub last_seen: Timestamp,
    /// First offset of its open transaction.
    pub transaction_start: Option<Offset>,
    /// Epoch of the coordinator that wrote its last marker, as far as a snapshot told it, else -1.
    pub coordinator_epoch: i32,
}

/// A transaction whose marker is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Of its first record.
    pub first_offset: Offset,
    /// Of its marker.
    pub marker_offset: Offset,
    /// No transaction that began below is open any more.
    pub last_stable_offset: Offset,
}

/// What a batch's sequence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequenced {
    Next,
    Duplicate(BatchMetadata),
}

/// All producers of a partition.
#[derive(Debug, Clone, Default)]
pub struct Producers {
    by_id: BTreeMap<ProducerId, Producer>,
    /// First offset of each open transaction.
    open: BTreeSet<(Offset, ProducerId)>,
    /// Producers came from a snapshot, and batches of theirs may be in the log before those that are known.
    has_forgotten: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: ProducerEpoch,
    /// Of this epoch, oldest first.
    batches: VecDeque<BatchMetadata>,
    last_seen: Timestamp,
    transaction_start: Option<Offset>,
    coordinator_epoch: i32,
}

impl Producer {
    fn new(epoch: ProducerEpoch, last_seen: Timestamp) -> Self {
        Self { epoch, batches: VecDeque::new(), last_seen, transaction_start: None, coordinator_epoch: -1 }
    }
}

impl Producers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Every producer, for a snapshot.
    pub fn iter(&self) -> impl Iterator<Item = Restored> {
        self.by_id.iter().map(|(producer_id, producer)| Restored {
            producer_id: *producer_id,
            epoch: producer.epoch,
            last_batch: producer.batches.back().copied(),
            last_seen: producer.last_seen,
            transaction_start: producer.transaction_start,
            coordinator_epoch: producer.coordinator_epoch,
        })
    }

    /// Where the oldest open transaction began.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.open.first().map(|(offset, _)| *offset)
    }

    pub(super) fn restore(&mut self, restored: Restored) {
        self.has_forgotten = true;
        let batches = restored.last_batch.into_iter().collect();
        self.open.extend(restored.transaction_start.map(|start| (start, restored.producer_id)));
        let producer = Producer {
            epoch: restored.epoch,
            batches,
            last_seen: restored.last_seen,
            transaction_start: restored.transaction_start,
            coordinator_epoch: restored.coordinator_epoch,
        };
        self.by_id.insert(restored.producer_id, producer);
    }

    /// Whether a batch of this refused sequence may be in the log and is not known; asked once.
    pub(super) fn may_recall(&mut self, header: &BatchHeader) -> bool {
        let is_known = self.by_id.contains_key(&header.producer_id);
        is_known && std::mem::take(&mut self.has_forgotten)
    }

    /// Takes in batches of the log that lie before those that are known, newest first.
    pub(super) fn recall(&mut self, header: &BatchHeader) {
        let Some(producer) = self.by_id.get_mut(&header.producer_id) else { return };
        let batch = BatchMetadata::of(header, header.base_offset);
        let is_older = producer.batches.front().is_some_and(|first| batch.last_offset < first.first_offset());
        let is_wanted = header.producer_epoch == producer.epoch && !header.attributes.is_control();
        if is_older && is_wanted && producer.batches.len() < BATCHES_KEPT_MAX {
            producer.batches.push_front(batch);
        }
    }

    /// Judges the epoch and sequence of a client's batch.
    pub(super) fn check(&self, header: &BatchHeader) -> Result<Sequenced, ErrorCode> {
        if !header.has_producer_id() {
            return Ok(Sequenced::Next);
        }
        let Some(producer) = self.by_id.get(&header.producer_id) else {
            let is_epoch = header.producer_epoch >= ProducerEpoch::NONE;
            return is_epoch.then_some(Sequenced::Next).ok_or(ErrorCode::InvalidProducerEpoch);
        };
        if header.producer_epoch < producer.epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if header.producer_epoch > producer.epoch {
            let begins = header.base_sequence == 0;
            return if begins { Ok(Sequenced::Next) } else { Err(ErrorCode::OutOfOrderSequenceNumber) };
        }
        let sequences = (header.base_sequence, header.last_sequence());
        let same = |batch: &&BatchMetadata| (batch.first_sequence(), batch.last_sequence) == sequences;
        if let Some(batch) = producer.batches.iter().find(same) {
            return Ok(Sequenced::Duplicate(*batch));
        }
        let last_sequence = producer.batches.back().map_or(-1, |batch| batch.last_sequence);
        if header.base_sequence == advance_sequence(last_sequence, 1) {
            Ok(Sequenced::Next)
        } else {
            Err(ErrorCode::OutOfOrderSequenceNumber)
        }
    }

    /// Notes a batch that is in the log at `base_offset`. Yields the transaction that it ends.
    pub(super) fn apply(
        &mut self,
        header: &BatchHeader,
        base_offset: Offset,
        now: Timestamp,
    ) -> Option<Ended> {
        if !header.has_producer_id() {
            return None;
        }
        let fresh = || Producer::new(header.producer_epoch, now);
        let producer = self.by_id.entry(header.producer_id).or_insert_with(fresh);
        if producer.epoch != header.producer_epoch {
            // The marker of a transaction may carry the epoch after it.
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.last_seen = producer.last_seen.max(now);
        if header.attributes.is_control() {
            let start = producer.transaction_start.take();
            self.bound();
            return start.map(|start| self.end(header.producer_id, start, base_offset));
        }
        if header.attributes.is_transactional() && producer.transaction_start.is_none() {
            producer.transaction_start = Some(base_offset);
            self.open.insert((base_offset, header.producer_id));
        }
        if producer.batches.len() == BATCHES_KEPT_MAX {
            producer.batches.pop_front();
        }
        producer.batches.push_back(BatchMetadata::of(header, base_offset));
        self.bound();
        None
    }

    fn end(&mut self, producer_id: ProducerId, first_offset: Offset, marker_offset: Offset) -> Ended {
        self.open.remove(&(first_offset, producer_id));
        let last_stable_offset = self.first_unstable_offset().unwrap_or(marker_offset + 1);
        Ended { producer_id, first_offset, marker_offset, last_stable_offset }
    }

    pub(super) fn expire(&mut self, now: Timestamp, silence_ms_max: i64) {
        self.by_id.retain(|_, producer| {
            producer.transaction_start.is_some() || now.ms_since(producer.last_seen) < silence_ms_max
        });
    }

    /// Drops a tenth at a time, so that the search for the oldest is rare.
    fn bound(&mut self) {
        if self.by_id.len() <= PRODUCERS_MAX {
            return;
        }
        let mut seen: Vec<Timestamp> = self.by_id.values().map(|producer| producer.last_seen).collect();
        let (_, limit, _) = seen.select_nth_unstable(PRODUCERS_MAX / 10);
        let (limit, mut excess) = (*limit, PRODUCERS_MAX / 10);
        self.by_id.retain(|_, producer| {
            let drop = excess > 0 && producer.last_seen <= limit && producer.transaction_start.is_none();
            excess -= usize::from(drop);
            !drop
        });
    }
}
