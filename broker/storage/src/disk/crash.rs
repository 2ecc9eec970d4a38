//! A crash at every change that a scenario makes to its disk: of the process, and of the machine.
//!
//! The scenario must make the same changes each time it runs: one thread, no clock, no randomness.

use super::{MemDisk, Survival};

/// Tosses of the coin for each change: which unsynced writes survive.
const TOSSES: u64 = 4;

/// What a restart finds after a crash.
#[derive(Debug)]
pub struct Crash {
    /// Changes that were made before.
    pub step: u64,
    /// What became of those that were not synced.
    pub survival: Survival,
    /// The disk.
    pub disk: MemDisk,
}

impl Crash {
    /// The process died and the machine did not: everything written is there.
    pub fn is_of_process(&self) -> bool {
        self.survival == Survival::All
    }
}

/// Runs `scenario` on a disk from `prepare` once to count its changes, then once for each of them with a disk that
/// fails from there on. It yields what it has promised until then; `check` gets that with every disk that the crash may
/// leave. Yields the number of crashes.
pub fn crash_everywhere<P>(
    prepare: impl Fn() -> MemDisk,
    scenario: impl Fn(&MemDisk) -> P,
    check: impl Fn(&Crash, &P),
) -> usize {
    let disk = prepare();
    let before = disk.changes();
    scenario(&disk);
    let steps = disk.changes() - before;
    let mut crashes = 0;
    for step in 0..=steps {
        let disk = prepare();
        disk.fail_after(step);
        let promise = scenario(&disk);
        let tosses = (0..TOSSES).map(|seed| Survival::Some(step * TOSSES + seed));
        for survival in [Survival::All, Survival::None].into_iter().chain(tosses) {
            check(&Crash { step, survival, disk: disk.crash(survival) }, &promise);
            crashes += 1;
        }
    }
    crashes
}
