//! How a stage ends: the moments at which the process is stopped or killed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use milena_tests::{Dice, TestBroker};

use crate::events::{Event, Events};
use crate::files;

/// How long a file is waited for that tells of work which is going on.
const WATCH_MAX: Duration = Duration::from_secs(4);
/// A start or a stop is killed within this time.
const CUT_MS_MAX: usize = 300;

/// See the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    Stop,
    Kill,
    /// Killed when a file appears whose name ends so.
    KillAtSight(&'static str),
    /// Asked to stop, and killed after so long.
    KillWhileStopping(Duration),
}

impl Ending {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..25 => Self::Stop,
            25..45 => Self::Kill,
            45..65 => Self::KillAtSight(".cleaned"),
            65..75 => Self::KillAtSight(".swap"),
            75..80 => Self::KillAtSight(".deleted"),
            80..85 => Self::KillAtSight(".tmp"),
            85..90 => Self::KillAtSight("-delete"),
            _ => Self::KillWhileStopping(cut(dice)),
        }
    }

    pub(crate) fn is_orderly(self) -> bool {
        matches!(self, Self::Stop)
    }

    /// Ends the process.
    pub(crate) fn bring(self, broker: &mut TestBroker, events: &Events) {
        match self {
            Self::Stop => broker.stop(),
            Self::Kill => broker.kill(),
            Self::KillAtSight(ending) => {
                await_sight(&broker.data(), ending);
                broker.kill();
            }
            Self::KillWhileStopping(after) => {
                broker.process().signal("TERM");
                thread::sleep(after);
                broker.kill();
                events.count(Event::KilledWhileStopping);
            }
        }
        events.count(if self.is_orderly() { Event::OrderlyStop } else { Event::Kill });
    }
}

/// Starts the process, and kills it at any moment of that.
pub(crate) fn cut_start(broker: &mut TestBroker, dice: &mut Dice, events: &Events) {
    broker.launch().unwrap();
    thread::sleep(cut(dice));
    broker.kill();
    events.count(Event::Kill);
    events.count(Event::KilledWhileStarting);
}

/// A moment is nothing that a condition could be waited for.
fn cut(dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.below(CUT_MS_MAX) as u64)
}

fn await_sight(data: &Path, ending: &str) {
    let deadline = Instant::now() + WATCH_MAX;
    while Instant::now() < deadline && !files::any(data, |name| name.ends_with(ending)) {
        thread::sleep(Duration::from_millis(1));
    }
}
