//! How long a peer may take to send or to read what holds memory: a time that runs out while it does nothing and comes
//! back with every byte that it moves.

use std::time::Duration;

/// How often a wait looks whether the terms have changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is asked of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// How long it may do nothing.
    pub(super) pause_max: Duration,
    /// How much it has to move in the long run.
    pub(super) bytes_per_second_min: u32,
}

/// A request that arrives while nobody waits for its memory.
pub(super) const ARRIVAL: Terms =
    Terms { pause_max: Duration::from_secs(30), bytes_per_second_min: 16 * 1024 };
/// A peer whose memory others wait for.
pub(super) const PRESSED: Terms =
    Terms { pause_max: Duration::from_secs(2), bytes_per_second_min: 128 * 1024 };

/// What is left of the time.
#[derive(Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    /// All of it.
    pub(super) fn new(terms: Terms) -> Self {
        Self(terms.pause_max)
    }

    /// How long to wait before looking again; `None` when the time is over.
    pub(super) fn wait(&mut self, terms: Terms) -> Option<Duration> {
        self.0 = self.0.min(terms.pause_max);
        (!self.0.is_zero()).then(|| self.0.min(LOOK_INTERVAL))
    }

    /// Takes in that the peer moved `bytes` after it was waited for.
    pub(super) fn moved(&mut self, waited: Duration, bytes: usize, terms: Terms) {
        let earned = Duration::from_secs_f64(bytes as f64 / f64::from(terms.bytes_per_second_min.max(1)));
        self.0 = self.0.saturating_sub(waited).saturating_add(earned).min(terms.pause_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { pause_max: Duration::from_secs(4), bytes_per_second_min: 100 };

    #[test]
    fn time_runs_out_and_comes_back_with_bytes() {
        let mut patience = Patience::new(TERMS);
        assert_eq!(patience.wait(TERMS), Some(LOOK_INTERVAL));
        patience.moved(Duration::from_millis(3_500), 0, TERMS);
        assert_eq!(patience.wait(TERMS), Some(Duration::from_millis(500)));
        patience.moved(Duration::from_millis(500), 50, TERMS);
        assert_eq!(patience.wait(TERMS), Some(Duration::from_millis(500)), "50 bytes are half a second");
        patience.moved(Duration::from_millis(500), 0, TERMS);
        assert_eq!(patience.wait(TERMS), None);
        patience.moved(Duration::ZERO, 1_000_000, TERMS);
        assert_eq!(patience.0, TERMS.pause_max, "never more than the pause that is allowed");
    }

    #[test]
    fn harder_terms_count_at_once() {
        let mut patience = Patience::new(ARRIVAL);
        patience.wait(PRESSED);
        patience.moved(PRESSED.pause_max, 0, PRESSED);
        assert_eq!(patience.wait(PRESSED), None);
    }
}
