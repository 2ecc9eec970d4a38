//! A fetch that waits: each commit costs a look at the partition that it went to, and the end of the wait one read of
//! all of them.
//!
//! Source: `ReplicaManager.fetchMessages` and `DelayedFetch` of Apache Kafka.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Fetch, Reader, Results};
use crate::partition::{Progress, Read, ReadRequest};

impl Fetch<'_> {
    /// What is read when there is enough, something that cannot wait, or no time left.
    pub(super) async fn wait_for_records(&self, deadline: Instant) -> Results {
        let results = self.read(true);
        if self.is_enough(&results) || Instant::now() >= deadline {
            return results;
        }
        let mut readable: Vec<usize> = results.iter().map(bytes).collect();
        let mut total: usize = readable.iter().sum();
        let mut is_stale = false;
        let mut changes: FuturesUnordered<_> = FuturesUnordered::new();
        for (index, watch) in self.watches() {
            let now = self.seen(&watch.borrow());
            let read = results[index].as_ref().map(|read| self.reach(read.high_watermark, read.log_end));
            changes.push(self.changed(index, watch, Seen { reach: read.unwrap_or(now.reach), ..now }));
        }
        while let Ok(Some((index, watch))) = timeout_at(deadline, changes.next()).await {
            is_stale = true;
            let Some(bytes) = self.readable(index) else { break };
            total = total - readable[index] + bytes;
            readable[index] = bytes;
            if total >= self.bytes_min {
                break;
            }
            // Gone with its partition, which says so before.
            let Some(watch) = watch else { break };
            let seen = self.seen(&watch.borrow());
            changes.push(self.changed(index, watch, seen));
        }
        if is_stale { self.read(false) } else { results }
    }

    /// Up to where the reader sees.
    fn reach(&self, high_watermark: Offset, log_end: Offset) -> Offset {
        if matches!(self.reader, Reader::Follower(_)) { log_end } else { high_watermark }
    }

    fn seen(&self, progress: &Progress) -> Seen {
        Seen {
            reach: self.reach(progress.high_watermark, progress.log_end),
            leader_epoch: progress.leader_epoch,
            is_leader: progress.is_leader,
        }
    }

    /// Resolves once the watch shows something else than what was `seen`; without the watch when the partition is gone.
    async fn changed(
        &self,
        index: usize,
        mut watch: watch::Receiver<Progress>,
        seen: Seen,
    ) -> (usize, Option<watch::Receiver<Progress>>) {
        let is_here = watch.wait_for(|now| self.seen(now) != seen).await.is_ok();
        (index, is_here.then_some(watch))
    }

    fn watches(&self) -> impl Iterator<Item = (usize, watch::Receiver<Progress>)> {
        let here = |wanted: &super::Wanted| wanted.found.as_ref().ok().map(|partition| partition.watch());
        self.wanted.iter().enumerate().filter_map(move |(index, wanted)| Some((index, here(wanted)?)))
    }

    /// The bytes that the partition adds to an answer; `None` if it has something to say that cannot wait.
    fn readable(&self, index: usize) -> Option<usize> {
        let wanted = &self.wanted[index];
        let partition = wanted.found.as_ref().ok()?;
        if self.is_held(partition) {
            return Some(0);
        }
        let result = partition.read(&ReadRequest { at_least_one: true, ..wanted.read });
        (!cannot_wait(&result)).then(|| bytes(&result).min(wanted.read.bytes_max))
    }

    fn is_enough(&self, results: &Results) -> bool {
        let is_known = |index: usize| !matches!(self.wanted[index].found, Err(code) if is_unknown(code));
        let mut known = results.iter().enumerate().filter(|(index, _)| is_known(*index)).peekable();
        let total: usize = results.iter().map(bytes).sum();
        total >= self.bytes_min || known.peek().is_none() || known.any(|(_, result)| cannot_wait(result))
    }
}

/// What of a partition concerns a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    reach: Offset,
    leader_epoch: LeaderEpoch,
    is_leader: bool,
}

/// The metadata does not have the partition.
fn is_unknown(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
}

fn cannot_wait(result: &Result<Read, ErrorCode>) -> bool {
    result
        .as_ref()
        .map_or(true, |read| read.diverged.is_some() || read.preferred.is_some() || read.ends_early)
}

fn bytes(result: &Result<Read, ErrorCode>) -> usize {
    result.as_ref().map_or(0, |read| read.records.len())
}
