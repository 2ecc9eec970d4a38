//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `probe` yields something.
///
/// # Panics
/// If it does not within `patience`; the message names `what`.
pub fn eventually<T>(what: &str, patience: Duration, probe: impl FnMut() -> Option<T>) -> T {
    within(patience, probe).unwrap_or_else(|| panic!("{what}: not within {patience:?}"))
}

/// Looks until `probe` yields something; `None` if it does not within `patience`.
pub fn within<T>(patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = probe();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
