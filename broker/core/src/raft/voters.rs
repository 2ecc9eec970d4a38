//! Who votes, and since which offset of the log: a set of voters counts from the moment it is appended (KIP-853).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytestring::ByteString;
use milena_protocol::{NodeId, Offset};

use super::ReplicaKey;

/// A host and a port to dial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A name or an address.
    pub host: ByteString,
    /// The port.
    pub port: u16,
}

/// Where a listener is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: ByteString,
    /// Where it listens.
    pub address: Address,
}

/// The address of the listener called `listener`.
pub(super) fn address(endpoints: &[Endpoint], listener: &str) -> Option<Address> {
    endpoints.iter().find(|endpoint| endpoint.name == listener).map(|endpoint| endpoint.address.clone())
}

/// One who votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// The replica; its directory is nil with static voters.
    pub key: ReplicaKey,
    /// Where its controller listeners are reached.
    pub endpoints: Vec<Endpoint>,
    /// The levels of `kraft.version` it knows.
    pub kraft_versions: RangeInclusive<i16>,
}

/// Everybody who votes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VoterSet {
    /// The level of `kraft.version`: 0 where the configuration names the voters, 1 where the log does.
    pub kraft_version: i16,
    /// In the order of their ids.
    pub voters: Vec<Voter>,
}

impl VoterSet {
    /// Whether `key` votes.
    pub fn contains(&self, key: &ReplicaKey) -> bool {
        self.voters.iter().any(|voter| voter.key.matches(key))
    }

    /// The voter of node `id`.
    pub fn by_id(&self, id: NodeId) -> Option<&Voter> {
        self.voters.iter().find(|voter| voter.key.id == id)
    }

    /// Everybody's keys.
    pub fn keys(&self) -> impl Iterator<Item = ReplicaKey> {
        self.voters.iter().map(|voter| voter.key)
    }

    /// The highest level of `kraft.version` that all of them know, by a directory of their own.
    pub(super) fn kraft_version_max(&self) -> i16 {
        let level =
            |voter: &Voter| if voter.key.directory_id.is_nil() { 0 } else { *voter.kraft_versions.end() };
        self.voters.iter().map(level).min().unwrap_or(self.kraft_version)
    }

    /// The fewest voters that are more than half of all.
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// Everybody but the node `id`.
    #[must_use]
    pub fn without(&self, id: NodeId) -> Self {
        let voters = self.voters.iter().filter(|voter| voter.key.id != id).cloned().collect();
        Self { voters, ..*self }
    }

    /// Everybody, and `voter` in place of the one that has its id.
    #[must_use]
    pub fn with(&self, voter: Voter) -> Self {
        let mut set = self.without(voter.key.id);
        set.voters.push(voter);
        set.voters.sort_by_key(|voter| voter.key);
        set
    }
}

/// The sets of voters that the log names, the last one counting.
#[derive(Debug, Clone)]
pub struct VoterHistory {
    /// From the configuration or the snapshot that the log begins with, or the last committed set.
    base: VoterSet,
    /// By the offset of their records.
    recorded: BTreeMap<Offset, VoterSet>,
}

impl VoterHistory {
    /// The set of the configuration, or of the snapshot that the log follows, and those that the log names.
    pub fn new(base: VoterSet, recorded: impl IntoIterator<Item = (Offset, VoterSet)>) -> Self {
        Self { base, recorded: recorded.into_iter().collect() }
    }

    /// Whether `key` votes in the last committed set or in one after it.
    pub(super) fn any_contains(&self, key: &ReplicaKey) -> bool {
        self.base.contains(key) || self.recorded.values().any(|voters| voters.contains(key))
    }

    pub(super) fn current(&self) -> &VoterSet {
        self.recorded.values().next_back().unwrap_or(&self.base)
    }

    /// The voters of a log that ends at `offset`.
    pub(super) fn at(&self, offset: Offset) -> &VoterSet {
        self.recorded.range(..offset).next_back().map_or(&self.base, |(_, voters)| voters)
    }

    /// Where the newest set stands, if it is not committed yet.
    pub(super) fn uncommitted(&self, committed: Offset) -> Option<Offset> {
        self.recorded.keys().next_back().copied().filter(|offset| *offset >= committed)
    }

    pub(super) fn record(&mut self, offset: Offset, voters: VoterSet) {
        self.recorded.insert(offset, voters);
    }

    pub(super) fn truncate(&mut self, end: Offset) {
        self.recorded.split_off(&end);
    }

    /// Nothing below `committed` is ever truncated: of the sets there the last is enough.
    pub(super) fn forget_before(&mut self, committed: Offset) {
        let kept = self.recorded.split_off(&committed);
        if let Some((_, last)) = std::mem::replace(&mut self.recorded, kept).pop_last() {
            self.base = last;
        }
    }
}
