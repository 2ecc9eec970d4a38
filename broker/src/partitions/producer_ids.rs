//! Producer ids for the producers of this broker, from blocks that the controller hands out.
//!
//! A block is asked for when the last id is gone. Callers that find nothing at the same time ask each for a block and
//! share what is left over, so nobody waits for another. Ids of a block that a crash ends are never used.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use milena_core::controller::{ControllerReply, ControllerRequest, PRODUCER_ID_BLOCK};
use milena_protocol::{ErrorCode, ProducerId};

use super::Partitions;
use crate::quorum::QuorumHandle;

/// Blocks kept for later; a stampede's surplus beyond that is dropped.
const BLOCKS_KEPT_MAX: usize = 16;

/// Ids that were given to this broker and to no producer yet.
#[derive(Debug, Default)]
pub(super) struct ProducerIds(Mutex<Vec<Range<i64>>>);

impl ProducerIds {
    fn take(&self) -> Option<ProducerId> {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(block) = blocks.last_mut() {
            match block.next() {
                Some(id) => return Some(ProducerId(id)),
                None => drop(blocks.pop()),
            }
        }
        None
    }

    fn keep(&self, block: Range<i64>) {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() < BLOCKS_KEPT_MAX {
            blocks.push(block);
        }
    }
}

impl Partitions {
    /// An id that no producer of the cluster has had.
    pub(crate) async fn next_producer_id(&self, quorum: &QuorumHandle) -> Result<ProducerId, ErrorCode> {
        if let Some(id) = self.0.producer_ids.take() {
            return Ok(id);
        }
        let (broker, broker_epoch) = (self.0.node_id, quorum.identity().broker_epoch);
        match quorum.submit(ControllerRequest::AllocateProducerIds { broker, broker_epoch }).await {
            ControllerReply::ProducerIds(Ok(first)) => {
                self.0.producer_ids.keep(first.0 + 1..first.0.saturating_add(PRODUCER_ID_BLOCK));
                Ok(first)
            }
            ControllerReply::ProducerIds(Err(refusal)) => {
                tracing::warn!(code = %refusal.code, message = refusal.message, "no producer ids");
                Err(ErrorCode::CoordinatorLoadInProgress)
            }
            // Clients retry this one.
            _ => Err(ErrorCode::CoordinatorLoadInProgress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_of_every_block_is_given_once() {
        let ids = ProducerIds::default();
        ids.keep(5..7);
        ids.keep(100..101);
        let mut given: Vec<i64> = std::iter::from_fn(|| ids.take()).map(|id| id.0).collect();
        given.sort_unstable();
        assert_eq!(given, [5, 6, 100]);
        assert_eq!(ids.take(), None);
    }
}
