//! A partition that this broker leads in one epoch, as the log of a coordinator.

use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::records::RecordBatch;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset};

use super::journal::Journal;
use crate::partition::{Isolation, Partition, Progress, ReadRequest};

/// Bytes that one read of a load asks for.
const LOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// See the file.
#[derive(Clone)]
pub(super) struct Led {
    partition: Arc<Partition>,
    epoch: LeaderEpoch,
}

impl Led {
    pub(super) fn new(partition: Arc<Partition>, epoch: LeaderEpoch) -> Self {
        Self { partition, epoch }
    }
}

impl Journal for Led {
    fn append(&self, batch: &RecordBatch) -> Result<Offset, ErrorCode> {
        self.partition.append(batch, self.epoch).map(|appended| appended.last_offset + 1)
    }

    fn high_watermark(&self) -> Offset {
        self.partition.high_watermark()
    }

    async fn committed(&self, end: Offset) -> Result<(), ErrorCode> {
        let mut progress = self.partition.watch();
        let is_led = |is_leader: bool, epoch: LeaderEpoch| is_leader && epoch == self.epoch;
        let is_lost = |now: &Progress| !is_led(now.is_leader, now.leader_epoch) || now.has_failed;
        let settled = progress.wait_for(|now| now.high_watermark >= end || is_lost(now));
        match settled.await {
            Ok(now) if now.high_watermark >= end => Ok(()),
            _ => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    fn range(&self) -> (Offset, Offset) {
        (self.partition.log_start_offset(), self.partition.log_end_offset())
    }

    fn read(&self, offset: Offset) -> Result<Bytes, ErrorCode> {
        let request = ReadRequest {
            offset,
            current_leader_epoch: self.epoch,
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: LOAD_BYTES_MAX,
            at_least_one: true,
            isolation: Isolation::Uncommitted,
            leader_only: true,
        };
        let read = self.partition.read(&request)?;
        read.records.into_bytes().map_err(|_| ErrorCode::KafkaStorageError)
    }
}
