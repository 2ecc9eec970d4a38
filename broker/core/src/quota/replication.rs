//! How much is replicated of partitions that are throttled (KIP-73): who is, and whether it is too much at the moment.
//!
//! Nothing is held back in the middle: a replica that is behind is left out while the rate is above the limit. One that is
//! in sync never is, so that a throttle cannot shrink an ISR.
//!
//! Source: `ReplicationQuotaManager` and `SimpleRate` of Apache Kafka.

use std::collections::{BTreeSet, VecDeque};

use milena_protocol::{NodeId, PartitionIndex, Timestamp};

use super::Windows;

/// The value of `leader.replication.throttled.replicas` or its counterpart of followers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Throttled {
    /// None.
    #[default]
    Nobody,
    /// All replicas of the topic: `*`.
    Everybody,
    /// These: `partition:broker,...`.
    Replicas(BTreeSet<(PartitionIndex, NodeId)>),
}

impl Throttled {
    /// The entries of a valid value; what is none is left out.
    pub fn of(entries: &[String]) -> Self {
        let replica = |entry: &String| {
            let (partition, broker) = entry.split_once(':')?;
            Some((PartitionIndex(partition.trim().parse().ok()?), NodeId(broker.trim().parse().ok()?)))
        };
        match entries {
            [] => Self::Nobody,
            [all] if all == "*" => Self::Everybody,
            entries => Self::Replicas(entries.iter().filter_map(replica).collect()),
        }
    }

    /// Whether the replica of `partition` on `node` is.
    pub fn includes(&self, partition: PartitionIndex, node: NodeId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Replicas(replicas) => replicas.contains(&(partition, node)),
        }
    }
}

/// Bytes of the last windows.
#[derive(Debug, Clone)]
pub struct ByteRate {
    windows: Windows,
    /// Begin and bytes of each window in which there were some, oldest first.
    samples: VecDeque<(Timestamp, u64)>,
}

impl ByteRate {
    /// Nothing yet.
    pub fn new(windows: Windows) -> Self {
        Self { windows, samples: VecDeque::new() }
    }

    /// Counts bytes.
    pub fn record(&mut self, now: Timestamp, bytes: u64) {
        self.forget(now);
        match self.samples.back_mut() {
            Some((begin, sum)) if now.ms_since(*begin) < self.windows.length_ms => {
                *sum = sum.saturating_add(bytes);
            }
            _ => self.samples.push_back((now, bytes)),
        }
    }

    /// Whether there were more than `limit` bytes a second, over the windows that are known, and one at least.
    pub fn is_above(&mut self, now: Timestamp, limit: u64) -> bool {
        self.forget(now);
        let Some((begin, _)) = self.samples.front() else { return false };
        let elapsed_ms = now.ms_since(*begin).max(self.windows.length_ms);
        let bytes: u64 = self.samples.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
        let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or(1).max(1);
        u128::from(bytes) * 1_000 > u128::from(limit) * u128::from(elapsed_ms)
    }

    fn forget(&mut self, now: Timestamp) {
        let count = i64::try_from(self.windows.count).unwrap_or(i64::MAX);
        let span_ms = self.windows.length_ms.saturating_mul(count);
        self.samples.retain(|(begin, _)| now.ms_since(*begin) < span_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_replicas() {
        let of = |text: &str| Throttled::of(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
        let includes = |throttled: &Throttled, partition, node| {
            throttled.includes(PartitionIndex(partition), NodeId(node))
        };
        assert!(!includes(&Throttled::of(&[]), 0, 1));
        assert!(includes(&of("*"), 7, 9));
        let some = of("0:1,3:2");
        let seen = [(0, 1), (3, 2), (0, 2), (3, 1)].map(|(partition, node)| includes(&some, partition, node));
        assert_eq!(seen, [true, true, false, false]);
    }

    #[test]
    fn rate_is_that_of_the_last_windows() {
        let mut rate = ByteRate::new(Windows { count: 11, length_ms: 1_000 });
        assert!(!rate.is_above(Timestamp(0), 0), "nothing was sent");
        rate.record(Timestamp(0), 5_000);
        assert!(rate.is_above(Timestamp(0), 4_999));
        assert!(!rate.is_above(Timestamp(0), 5_000), "a window is the shortest time");
        assert!(rate.is_above(Timestamp(4_000), 1_249));
        assert!(!rate.is_above(Timestamp(5_000), 1_000));
        rate.record(Timestamp(6_000), 1_000);
        assert!(!rate.is_above(Timestamp(11_000), 1_000), "the first window is forgotten");
        assert!(rate.is_above(Timestamp(11_000), 199));
    }
}
