//! Which transactions a cleaning passes through: what belongs to an aborted one goes at once, and a marker may go only
//! after every record of its transaction has gone (KIP-98, KIP-534).

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::records::{BatchError, ControlRecordType, RecordBatch, control_record_type};
use milena_protocol::{Offset, ProducerId};

use crate::aborted::AbortedTransaction;

/// What is known of the transactions at one place of the log.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted ones that have not begun yet.
    to_come: BTreeSet<AbortedTransaction>,
    /// Aborted ones that have begun, and whether a batch of theirs was seen.
    aborted: BTreeMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers of which a batch was seen that belongs to no aborted transaction.
    committed: BTreeSet<ProducerId>,
}

/// What a batch is to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing says that it is not needed.
    Needed,
    /// A batch of an aborted transaction, or a marker whose transaction has no batch any more.
    Unneeded,
    /// The marker of an aborted transaction that still has batches; its entry belongs into the index.
    Aborts(AbortedTransaction),
}

impl Transactions {
    /// Adds what the index of the part to come says; it may overlap with what is known.
    pub(super) fn expect(&mut self, aborted: Vec<AbortedTransaction>) {
        let is_new = |aborted: &AbortedTransaction| {
            self.aborted.get(&aborted.producer_id).is_none_or(|(known, _)| known != aborted)
        };
        self.to_come.extend(aborted.into_iter().filter(is_new));
    }

    /// Passes through the next batch of the log.
    pub(super) fn pass(&mut self, batch: &RecordBatch) -> Result<Fate, BatchError> {
        let header = batch.header();
        self.begin_up_to(header.last_offset());
        if header.attributes.is_control() {
            return self.pass_marker(batch);
        }
        if !header.attributes.is_transactional() {
            return Ok(Fate::Needed);
        }
        Ok(match self.aborted.get_mut(&header.producer_id) {
            Some((_, is_seen)) => {
                *is_seen = true;
                Fate::Unneeded
            }
            None => {
                self.committed.insert(header.producer_id);
                Fate::Needed
            }
        })
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(aborted) = self.to_come.first().copied().filter(|next| next.first_offset <= offset) {
            self.to_come.remove(&aborted);
            self.aborted.entry(aborted.producer_id).or_insert((aborted, false));
        }
    }

    fn pass_marker(&mut self, batch: &RecordBatch) -> Result<Fate, BatchError> {
        let producer_id = batch.header().producer_id;
        // A marker without a record was cleaned before.
        let Some(record) = batch.records()?.next().transpose()? else { return Ok(Fate::Unneeded) };
        Ok(match control_record_type(&record) {
            Some(ControlRecordType::Abort) => match self.aborted.remove(&producer_id) {
                Some((aborted, true)) => Fate::Aborts(aborted),
                _ => Fate::Unneeded,
            },
            Some(ControlRecordType::Commit) if !self.committed.remove(&producer_id) => Fate::Unneeded,
            _ => Fate::Needed,
        })
    }
}
