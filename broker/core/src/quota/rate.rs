//! How many events a second there were lately, and how long to hold the next one back.
//!
//! Time is cut into windows; the oldest are dropped. The span that a rate is taken over never shrinks below all windows
//! but one, so that a burst after a pause is let through and paid for afterwards.
//!
//! Source: `Rate`, `SampledStat` and `QuotaUtils` of Apache Kafka.

use std::collections::VecDeque;

use milena_protocol::Timestamp;

/// `quota.window.num` windows of `quota.window.size.seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How many are kept, at least one.
    pub count: usize,
    /// Length of one in milliseconds, more than zero. No event is held back for longer.
    pub length_ms: i64,
}

/// Events of the last windows.
#[derive(Debug, Clone)]
pub struct Rate {
    windows: Windows,
    /// Begin and events of each window in which there were some, oldest first.
    samples: VecDeque<(Timestamp, u32)>,
}

impl Rate {
    /// No event yet.
    pub fn new(windows: Windows) -> Self {
        Self { windows, samples: VecDeque::new() }
    }

    /// Counts an event and tells how long it is to be held back where `limit` a second are allowed, in milliseconds.
    pub fn record(&mut self, now: Timestamp, limit: i32) -> i64 {
        let Windows { count, length_ms } = self.windows;
        let span_ms = length_ms.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        self.samples.retain(|(begin, _)| now.ms_since(*begin) < span_ms);
        match self.samples.back_mut() {
            Some((begin, events)) if now.ms_since(*begin) < length_ms => *events = events.saturating_add(1),
            _ => self.samples.push_back((now, 1)),
        }
        let measured_ms = self.measured_ms(now);
        let events: u64 = self.samples.iter().map(|(_, events)| u64::from(*events)).sum();
        let rate = events as f64 * 1000.0 / measured_ms as f64;
        let limit = f64::from(limit);
        if rate <= limit {
            return 0;
        }
        let wait_ms = (rate - limit) / limit * measured_ms as f64;
        // Infinite where nothing is allowed.
        if wait_ms < length_ms as f64 { wait_ms.round() as i64 } else { length_ms }
    }

    /// The time since the oldest window began, as if all windows but the newest were full.
    fn measured_ms(&self, now: Timestamp) -> i64 {
        let length_ms = self.windows.length_ms;
        let elapsed_ms = self.samples.front().map_or(0, |(begin, _)| now.ms_since(*begin).max(0));
        let missing =
            (i64::try_from(self.windows.count).unwrap_or(i64::MAX) - 1 - elapsed_ms / length_ms).max(0);
        (elapsed_ms + missing.saturating_mul(length_ms)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { count: 11, length_ms: 1_000 };

    #[test]
    fn burst_of_ten_seconds_is_let_through_and_the_rest_held_back() {
        let mut rate = Rate::new(WINDOWS);
        let now = Timestamp(50_000);
        let waits: Vec<i64> = (0..21).map(|_| rate.record(now, 2)).collect();
        assert_eq!(waits[..20], [0; 20]);
        assert_eq!(waits[20], 500, "0.1 a second too many over ten seconds");
        assert_eq!(rate.record(now, 2), 1_000);
        assert_eq!(rate.record(now, 2), 1_000, "never longer than a window");
    }

    #[test]
    fn rate_falls_with_time() {
        let mut rate = Rate::new(WINDOWS);
        for _ in 0..30 {
            rate.record(Timestamp(0), 2);
        }
        assert!(rate.record(Timestamp(10_000), 2) > 0);
        assert_eq!(rate.record(Timestamp(11_000), 2), 0, "the first window is forgotten");
        assert_eq!(rate.samples, [(Timestamp(10_000), 1), (Timestamp(11_000), 1)]);
    }

    #[test]
    fn nothing_allowed_holds_everything_back() {
        let mut rate = Rate::new(WINDOWS);
        assert_eq!(rate.record(Timestamp(0), 0), 1_000);
        assert_eq!(Rate::new(WINDOWS).record(Timestamp(0), i32::MAX), 0);
    }
}
