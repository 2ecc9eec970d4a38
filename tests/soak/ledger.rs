//! What one partition must hold: which records were sent to it, which of them were acknowledged, and which may be gone.
//!
//! A batch that was sent is in doubt until it is acknowledged or found in the log. What is in doubt may be
//! there once, as a whole; a producer that tries again gets the offset at which it lies. A record that may rightly be
//! gone, and is, is forgotten: it must not come back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A record as its sender knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// See [`crate::content::fingerprint`].
    pub(crate) content: u64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<u64>,
    pub(crate) is_tombstone: bool,
    /// Who sent it, and the how manieth of this writer it is, more or less: they ascend.
    pub(crate) writer: u32,
    pub(crate) number: u64,
}

/// A record as the log holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) content: u64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<u64>,
}

/// The records of batches by base offset and checksum: what was decoded once need not be again.
pub(crate) type Decoded = HashMap<(i64, u32), Vec<Found>>;

/// What was read of a partition, from its start to the end that it had before.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) records: Vec<Found>,
    pub(crate) now_ms: i64,
}

/// What the topic's configuration says of the log, above all why records may leave it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    pub(crate) compacts: bool,
    pub(crate) bounds_bytes: bool,
    pub(crate) age_ms_max: Option<i64>,
    /// The broker sets the timestamps.
    pub(crate) stamps: bool,
    /// No batch may be larger.
    pub(crate) segment_bytes: usize,
}

/// Stands for a batch that was sent.
pub(crate) type Ticket = u64;

/// See the file.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rules: Rules,
    state: Mutex<State>,
    /// What the last reading has decoded.
    pub(crate) decoded: Mutex<Decoded>,
}

#[derive(Debug, Default)]
struct State {
    /// Acknowledged, or found, and not rightly gone.
    stored: BTreeMap<i64, Sent>,
    doubtful: BTreeMap<Ticket, Doubt>,
    /// Where each record in doubt is.
    places: HashMap<(u64, i64), (Ticket, usize)>,
    /// Where batches that were not acknowledged yet were found.
    found: HashMap<Ticket, i64>,
    sent: Ticket,
    /// Up to where deletion was asked for, and granted.
    deletable_to: i64,
    deleted_to: i64,
}

#[derive(Debug)]
struct Doubt {
    batch: Vec<Sent>,
    /// Its producer will try again.
    is_retried: bool,
}

impl Ledger {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before a batch leaves.
    pub(crate) fn send(&self, mut batch: Vec<Sent>, is_retried: bool) -> Ticket {
        let mut state = self.lock();
        state.sent += 1;
        let ticket = state.sent;
        for (index, sent) in batch.iter_mut().enumerate() {
            if self.rules.stamps {
                sent.timestamp = 0;
            }
            state.places.insert((sent.content, sent.timestamp), (ticket, index));
        }
        state.doubtful.insert(ticket, Doubt { batch, is_retried });
        ticket
    }

    /// The broker gave the batch this offset.
    pub(crate) fn acknowledge(&self, ticket: Ticket, base: i64) {
        let mut state = self.lock();
        match state.found.remove(&ticket) {
            Some(found) => assert_eq!(found, base, "acknowledged elsewhere than it was found"),
            None => state.settle(ticket, base),
        }
    }

    /// Records below `offset` are about to be deleted.
    pub(crate) fn deleting(&self, offset: i64) {
        let mut state = self.lock();
        state.deletable_to = state.deletable_to.max(offset);
    }

    /// They were.
    pub(crate) fn deleted(&self, offset: i64) {
        let mut state = self.lock();
        state.deleted_to = state.deleted_to.max(offset);
    }

    /// How many records are in the log, as far as is known.
    pub(crate) fn len(&self) -> usize {
        self.lock().stored.len()
    }

    /// An offset that the log reaches, `percent` of the way.
    pub(crate) fn offset_at(&self, percent: usize) -> Option<i64> {
        let state = self.lock();
        state.stored.keys().nth(state.stored.len() * percent / 100).copied()
    }

    /// Compares what is there with what must and may be there, while nobody writes. Records that nobody is known to have sent are told, for
    /// the news of a sender may be on its way; all else that is wrong panics.
    pub(crate) fn compare(&self, reading: &Reading) -> Result<(), String> {
        let mut state = self.lock();
        state.identify(reading, self.rules.stamps)?;
        let lost = state.stored.range(reading.end..).next();
        assert_eq!(lost, None, "lost: the log ends at {}", reading.end);
        state.assert_ascending(reading);
        state.forget_gone(reading, &self.rules);
        assert!(state.deleted_to <= reading.start, "deleted records below {} are back", state.deleted_to);
        Ok(())
    }

    /// No request of before is on its way any more: what nobody will try again can no longer arrive.
    pub(crate) fn settle_doubts(&self) {
        let mut state = self.lock();
        let doubtful = state.doubtful.iter().filter(|(_, doubt)| !doubt.is_retried);
        let over: Vec<_> = doubtful.map(|(ticket, _)| *ticket).collect();
        for ticket in over {
            state.drop_doubt(ticket);
        }
    }
}

impl State {
    fn drop_doubt(&mut self, ticket: Ticket) -> Option<Doubt> {
        let doubt = self.doubtful.remove(&ticket)?;
        for sent in &doubt.batch {
            let place = (sent.content, sent.timestamp);
            if self.places.get(&place).is_some_and(|(owner, _)| *owner == ticket) {
                self.places.remove(&place);
            }
        }
        Some(doubt)
    }

    /// The batch lies at `base`.
    fn settle(&mut self, ticket: Ticket, base: i64) {
        let Some(doubt) = self.drop_doubt(ticket) else { return };
        for (offset, sent) in (base..).zip(doubt.batch) {
            let before = self.stored.insert(offset, sent);
            assert_eq!(before, None, "offset {offset} was given twice, now to {sent:?}");
        }
    }

    fn identify(&mut self, reading: &Reading, stamps: bool) -> Result<(), String> {
        for found in &reading.records {
            let timestamp = if stamps { 0 } else { found.timestamp };
            let (offset, seen) = (found.offset, (found.content, timestamp));
            if !self.stored.contains_key(&offset) {
                let Some((ticket, index)) = self.places.get(&seen).copied() else {
                    return Err(format!("nobody sent {found:?}"));
                };
                let base = offset - index as i64;
                let is_retried = self.doubtful[&ticket].is_retried;
                self.settle(ticket, base);
                if is_retried {
                    self.found.insert(ticket, base);
                }
            }
            let sent = &self.stored[&offset];
            assert_eq!((sent.content, sent.timestamp), seen, "at {offset}: {found:?} instead of {sent:?}");
        }
        Ok(())
    }

    /// Every writer's records stand in the order in which it sent them.
    fn assert_ascending(&self, reading: &Reading) {
        let mut last: HashMap<u32, u64> = HashMap::new();
        for found in &reading.records {
            let sent = &self.stored[&found.offset];
            let before = last.insert(sent.writer, sent.number);
            assert!(before < Some(sent.number), "{sent:?} at {} after number {before:?}", found.offset);
        }
    }

    /// Forgets what may be gone and is.
    fn forget_gone(&mut self, reading: &Reading, rules: &Rules) {
        let mut present = reading.records.iter().map(|found| found.offset).peekable();
        let mut gone = Vec::new();
        for offset in self.stored.range(..reading.end).map(|(offset, _)| *offset) {
            while present.next_if(|next| *next < offset).is_some() {}
            if present.next_if_eq(&offset).is_none() {
                gone.push(offset);
            }
        }
        let last: HashMap<u64, i64> =
            self.stored.iter().filter_map(|(offset, sent)| Some((sent.key?, *offset))).collect();
        for offset in &gone {
            let sent = &self.stored[offset];
            let is_excused = *offset < self.deletable_to
                || (rules.compacts && self.is_superseded(*offset, sent, &last))
                || (*offset < reading.start && rules.retires(sent, reading.now_ms));
            assert!(is_excused, "lost: {sent:?} at {offset}; the log starts at {}", reading.start);
        }
        if rules.compacts {
            for found in &reading.records {
                let newest = found.key.and_then(|key| last.get(&key)).copied().unwrap_or(found.offset);
                let is_back = newest > found.offset && gone.binary_search(&newest).is_ok();
                assert!(!is_back, "{found:?} is there, and what followed it at {newest} is not");
            }
        }
        self.stored.retain(|offset, _| gone.binary_search(offset).is_err());
    }

    /// A later record of the same key is there, or it says that there is none.
    fn is_superseded(&self, offset: i64, sent: &Sent, last: &HashMap<u64, i64>) -> bool {
        let Some(key) = sent.key else { return false };
        let mut doubtful = self.doubtful.values().flat_map(|doubt| &doubt.batch);
        sent.is_tombstone
            || last[&key] > offset
            || doubtful.any(|doubt| doubt.key == Some(key) && doubt.is_tombstone)
    }
}

impl Rules {
    /// Whether retention may have deleted the record by now.
    fn retires(&self, sent: &Sent, now_ms: i64) -> bool {
        self.bounds_bytes || self.age_ms_max.is_some_and(|max| sent.timestamp < now_ms - max)
    }
}
