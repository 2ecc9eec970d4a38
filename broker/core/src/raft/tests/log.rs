//! A log in memory whose bytes are lines of text.

use bytes::Bytes;
use milena_protocol::{LeaderEpoch, Offset};

use super::cluster::voters;
use crate::raft::{LogEnd, LogView, VoterSet};

/// A record: its epoch, and the voters if it names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) epoch: LeaderEpoch,
    pub(super) value: u32,
    pub(super) voters: Option<VoterSet>,
}

/// A log whose offsets below `start` are only in a snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryLog {
    pub(super) entries: Vec<Entry>,
    pub(super) start: usize,
    /// What is here of a snapshot that is being fetched.
    pub(super) partial: Vec<u8>,
}

impl MemoryLog {
    pub(super) fn of_epochs(epochs: &[i32]) -> Self {
        let entry = |epoch: &i32| Entry { epoch: LeaderEpoch(*epoch), value: 0, voters: None };
        Self { entries: epochs.iter().map(entry).collect(), ..Self::default() }
    }

    pub(super) fn end(&self) -> LogEnd {
        self.end_at(self.entries.len())
    }

    fn end_at(&self, length: usize) -> LogEnd {
        let epoch = length.checked_sub(1).map_or(LeaderEpoch(0), |last| self.entries[last].epoch);
        LogEnd { offset: Offset(i64::try_from(length).unwrap()), epoch }
    }
}

impl LogView for MemoryLog {
    fn start_offset(&self) -> Offset {
        Offset(i64::try_from(self.start).unwrap())
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd {
        self.end_at(self.entries.partition_point(|entry| entry.epoch <= epoch))
    }

    fn earliest_snapshot(&self) -> Option<LogEnd> {
        (self.start > 0).then(|| self.end_at(self.start))
    }

    fn latest_snapshot(&self) -> Option<LogEnd> {
        self.earliest_snapshot()
    }
}

/// The bytes of a leader's batches, in this world.
pub(super) fn encode(entries: &[Entry]) -> Bytes {
    let ids = |set: &VoterSet| set.keys().map(|key| key.id.0.to_string()).collect::<Vec<_>>().join(",");
    let line = |entry: &Entry| {
        let names = entry.voters.as_ref().map(ids).unwrap_or_default();
        format!("{} {} {names}\n", entry.epoch.0, entry.value)
    };
    Bytes::from(entries.iter().map(line).collect::<String>())
}

pub(super) fn decode(bytes: &Bytes) -> Vec<Entry> {
    let text = std::str::from_utf8(bytes).unwrap();
    let lines = text.lines().filter(|line| line.matches(' ').count() == 2);
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let epoch = LeaderEpoch(words.next().unwrap().parse().unwrap());
            let value = words.next().unwrap().parse().unwrap();
            let ids: Vec<i32> = words
                .next()
                .unwrap()
                .split(',')
                .filter(|id| !id.is_empty())
                .map(|id| id.parse().unwrap())
                .collect();
            Entry { epoch, value, voters: (!ids.is_empty()).then(|| voters(&ids)) }
        })
        .collect()
}
