//! A histogram of atomics: an observation is two relaxed additions and takes no lock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

const BUCKETS: usize = 15;
/// Upper bounds in nanoseconds: 50 µs to 10 s.
const TIMES: [u64; BUCKETS] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// Upper bounds in bytes: 64 B to 256 MiB, each four times the one before but the last.
const SIZES: [u64; BUCKETS] = [
    1 << 6,
    1 << 8,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 21,
    1 << 22,
    1 << 23,
    1 << 24,
    1 << 25,
    1 << 26,
    1 << 28,
];
const NANOS_PER_SECOND: f64 = 1e9;

/// How often values fell between bounds, and their sum.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64; BUCKETS],
    /// What one unit of the page is in observed units.
    scale: f64,
    counts: [AtomicU64; BUCKETS],
    above: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    /// Of durations, shown in seconds.
    pub(crate) fn of_times() -> Self {
        Self::new(&TIMES, NANOS_PER_SECOND)
    }

    /// Of sizes in bytes.
    pub(crate) fn of_sizes() -> Self {
        Self::new(&SIZES, 1.0)
    }

    fn new(bounds: &'static [u64; BUCKETS], scale: f64) -> Self {
        Self { bounds, scale, counts: Default::default(), above: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    pub(crate) fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn observe_size(&self, bytes: usize) {
        self.observe(bytes as u64);
    }

    fn observe(&self, value: u64) {
        let bucket = self.counts.get(self.bounds.partition_point(|bound| *bound < value));
        bucket.unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        if value > 0 {
            self.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().chain([&self.above]).map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The sum of all values, as observed.
    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    pub(super) fn write(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / self.scale).chain([f64::INFINITY]);
        let counts = self.counts.iter().chain([&self.above]).map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(self.sum() as f64 / self.scale, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_that_ends_at_or_above_them() {
        let sizes = Histogram::of_sizes();
        for size in [0, 64, 65, usize::MAX >> 1] {
            sizes.observe_size(size);
        }
        let counts: Vec<_> = sizes.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!((counts[0], counts[1], sizes.above.load(Ordering::Relaxed), sizes.count()), (2, 1, 1, 4));
        let times = Histogram::of_times();
        times.observe_time(Duration::from_micros(50));
        assert_eq!((times.counts[0].load(Ordering::Relaxed), times.sum()), (1, 50_000));
    }
}
