//! Producer ids for the producers of this broker, from blocks that the controller hands out.
//!
//! A block is asked for when the last id is gone. Callers that find nothing at the same time ask each for a block and
//! share what is left over, so nobody waits for another. Ids of a block that a crash ends are never used.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use milena_protocol::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use milena_protocol::{ErrorCode, ProducerId};

use super::Partitions;
use crate::controller_channel::ControllerChannel;

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
    /// An id that no producer of the cluster has had. `broker_epoch` is the epoch of this broker.
    pub(crate) async fn next_producer_id(
        &self,
        controller: &ControllerChannel,
        broker_epoch: i64,
    ) -> Result<ProducerId, ErrorCode> {
        if let Some(id) = self.0.producer_ids.take() {
            return Ok(id);
        }
        // Clients retry this one.
        const LATER: ErrorCode = ErrorCode::CoordinatorLoadInProgress;
        let request = AllocateProducerIdsRequest { broker_id: self.0.node_id.0, broker_epoch };
        let block = controller.send(&request).await.map_err(|error| {
            tracing::warn!(%error, "no producer ids");
            LATER
        })?;
        if block.error_code != 0 || block.producer_id_len < 1 {
            tracing::warn!(code = %ErrorCode::from(block.error_code), "no producer ids");
            return Err(LATER);
        }
        let first = block.producer_id_start;
        self.0.producer_ids.keep(first + 1..first.saturating_add(i64::from(block.producer_id_len)));
        Ok(ProducerId(first))
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
