//! Deletion of records at the start of logs, as clients ask for it.

use std::sync::Arc;

use milena_protocol::{ErrorCode, Offset};

use super::Partitions;
use crate::partition::Partition;

/// Where a partition's log is to start.
pub(crate) struct NewStart {
    pub(crate) partition: Arc<Partition>,
    pub(crate) offset: Offset,
}

impl Partitions {
    /// Moves log starts and makes them durable. Yields one log start or error for each plan, in order. Blocks.
    pub(crate) fn move_starts(
        &self,
        plans: Vec<Result<NewStart, ErrorCode>>,
    ) -> Vec<Result<Offset, ErrorCode>> {
        let moved =
            |plan: Result<NewStart, ErrorCode>| plan.and_then(|new| new.partition.move_start(new.offset));
        let mut moved: Vec<_> = plans.into_iter().map(moved).collect();
        if moved.iter().any(Result::is_ok)
            && let Err(error) = self.write_start_offsets()
        {
            tracing::error!(%error, "cannot write log starts");
            for start in moved.iter_mut().filter(|start| start.is_ok()) {
                *start = Err(ErrorCode::KafkaStorageError);
            }
        }
        moved
    }
}
