//! What a seed reached: faults that were done, and what the brokers said that they did about them.
//!
//! Brokers are not asked: a layer under their log lines counts those that tell of a transition.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

/// Log lines that count, by how they begin, and their names here.
const TOLD: [(&str, &str); 10] = [
    ("nobody listens where a broker was", "fenced by the prober"),
    ("cut the log off where", "truncations"),
    ("cut the metadata log where", "truncations of the metadata log"),
    ("cut a torn tail off", "torn tails"),
    ("cut off the torn end of the metadata log", "torn tails of the metadata log"),
    ("fetched a metadata snapshot", "snapshots fetched"),
    ("wrote a metadata snapshot", "snapshots written"),
    ("log directory has room again", "full disks that had room again"),
    ("this node leads the metadata quorum", "terms of controllers"),
    ("answering before this broker has seen", "answers before the metadata"),
];

thread_local! {
    static COUNTS: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts something.
pub(crate) fn count(name: &'static str, times: u64) {
    COUNTS.with_borrow_mut(|counts| *counts.entry(name).or_default() += times);
}

/// Everything that was counted.
pub(crate) fn counts() -> BTreeMap<&'static str, u64> {
    COUNTS.with_borrow(Clone::clone)
}

/// Counts log lines.
pub(crate) struct Listener;

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let told = TOLD.iter().find(|(beginning, _)| message.0.starts_with(beginning));
        told.into_iter().for_each(|(_, name)| count(name, 1));
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
