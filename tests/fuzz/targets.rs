//! What is fuzzed: each target reads any bytes as one kind of outside input and holds the answer to what must be true
//! of it. A target panics when it is not; it never panics because its input is wrong.

use crate::memory::allocated_by;

mod batches;
mod config;
mod files;
mod groups;
mod messages;
mod metadata;
mod requests;

/// A target and the inputs to begin with.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "requests", run: requests::run, seeds: requests::seeds },
    Target { name: "messages", run: messages::run, seeds: messages::seeds },
    Target { name: "batches", run: batches::run, seeds: batches::seeds },
    Target { name: "metadata", run: metadata::run, seeds: metadata::seeds },
    Target { name: "groups", run: groups::run, seeds: groups::seeds },
    Target { name: "files", run: files::run, seeds: files::seeds },
    Target { name: "config", run: config::run, seeds: config::seeds },
];

/// Does `work`, which may allocate `bytes_max` in all, freed ones included.
fn bounded<T>(bytes_max: usize, work: impl FnOnce() -> T) -> T {
    let (result, allocated) = allocated_by(work);
    assert!(allocated <= bytes_max, "{allocated} bytes were allocated, at most {bytes_max} may be");
    result
}
