//! Which offset each leader epoch of the log began at (KIP-101, KIP-279), kept in `leader-epoch-checkpoint`.
//!
//! ```text
//! 0                 version
//! 2                 number of lines
//! 0 0               epoch, start offset
//! 3 1042
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use milena_protocol::{LeaderEpoch, Offset};

use super::Log;
use crate::checkpoint;
use crate::disk::Disk;
use crate::error::StorageError;

const FILE_NAME: &str = "leader-epoch-checkpoint";

/// The first offset that a leader of this epoch wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start_offset: Offset,
}

impl Log {
    /// All epochs of the log, ascending.
    pub fn epochs(&self) -> Arc<Vec<EpochStart>> {
        self.epochs.load_full()
    }

    /// The epoch of the last batch, if there is one.
    pub fn last_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.load().last().map(|start| start.epoch)
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let epochs = self.epochs.load();
        let count = epochs.partition_point(|start| start.start_offset <= offset);
        count.checked_sub(1).and_then(|index| epochs.get(index)).map(|start| start.epoch)
    }

    /// The largest epoch at or below `epoch` and the offset at which it ended, as OffsetForLeaderEpoch answers: the
    /// log end offset for the newest epoch, `(-1, -1)` where the log knows nothing of it. An epoch before the first
    /// ended where that begins, even a negative one other than -1, as in Kafka.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let epochs = self.epochs.load();
        let count = epochs.partition_point(|start| start.epoch <= epoch);
        let floor = count.checked_sub(1).and_then(|index| epochs.get(index));
        match (floor, epochs.get(count)) {
            (Some(floor), None) if floor.epoch == epoch => (epoch, self.end_offset()),
            (Some(floor), Some(higher)) => (floor.epoch, higher.start_offset),
            (None, Some(higher)) if epoch.0 != -1 => (epoch, higher.start_offset),
            _ => (LeaderEpoch(-1), Offset(-1)),
        }
    }

    /// Notes epochs that begin, and writes the file if there is a new one.
    pub(super) fn assign_epochs(
        &self,
        begun: impl Iterator<Item = (LeaderEpoch, Offset)>,
    ) -> Result<(), StorageError> {
        let known = self.epochs.load();
        let mut newest = known.last().map_or(LeaderEpoch(-1), |start| start.epoch);
        let mut added = Vec::new();
        for (epoch, start_offset) in begun {
            if epoch > newest {
                newest = epoch;
                added.push(EpochStart { epoch, start_offset });
            }
        }
        if added.is_empty() {
            return Ok(());
        }
        let mut epochs = known.to_vec();
        epochs.extend(added);
        self.store_epochs(epochs)
    }

    /// Keeps the epochs that began before `end`.
    pub(super) fn truncate_epochs(&self, end: Offset) -> Result<(), StorageError> {
        let mut epochs = self.epochs.load().to_vec();
        epochs.retain(|start| start.start_offset < end);
        self.store_epochs(epochs)
    }

    /// Forgets epochs that ended before `start`; the one that `start` lies in begins there from now on.
    pub(super) fn trim_epochs(&self, start: Offset) -> Result<(), StorageError> {
        let mut epochs = self.epochs.load().to_vec();
        let ended = epochs.partition_point(|entry| entry.start_offset <= start).saturating_sub(1);
        epochs.drain(..ended);
        if let Some(first) = epochs.first_mut() {
            first.start_offset = first.start_offset.max(start);
        }
        self.store_epochs(epochs)
    }

    fn store_epochs(&self, epochs: Vec<EpochStart>) -> Result<(), StorageError> {
        if **self.epochs.load() == epochs {
            return Ok(());
        }
        save(&*self.disk, &self.folder, &epochs, false)?;
        self.epochs.store(Arc::new(epochs));
        self.epochs_changed.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

/// The epochs of the file; `None` where it is absent or damaged, and they must be collected from the batches.
pub(super) fn load(disk: &dyn Disk, folder: &Path) -> Result<Option<Vec<EpochStart>>, StorageError> {
    let Some(lines) = checkpoint::read(disk, &folder.join(FILE_NAME))? else { return Ok(None) };
    let parse = |line: &String| {
        let (epoch, offset) = line.split_once(' ')?;
        Some(EpochStart {
            epoch: LeaderEpoch(epoch.parse().ok()?),
            start_offset: Offset(offset.parse().ok()?),
        })
    };
    let epochs: Option<Vec<EpochStart>> = lines.iter().map(parse).collect();
    let ascends =
        |pair: &[EpochStart]| pair[0].epoch < pair[1].epoch && pair[0].start_offset <= pair[1].start_offset;
    Ok(epochs.filter(|epochs| epochs.windows(2).all(ascends)))
}

/// Durable before a recovery point moves beyond an epoch's start. Until then recovery finds the start in the batches.
pub(super) fn save(
    disk: &dyn Disk,
    folder: &Path,
    epochs: &[EpochStart],
    durable: bool,
) -> Result<(), StorageError> {
    let lines = epochs.iter().map(|start| format!("{} {}", start.epoch, start.start_offset));
    checkpoint::write(disk, &folder.join(FILE_NAME), lines, durable)
}
