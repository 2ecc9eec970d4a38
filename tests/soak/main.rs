//! A broker lives through a long and mixed life, and what it acknowledged is there at every start, once and in order.
//!
//! A run is made of a seed and a time: `make soak SEED=7 SOAK_SECONDS=600`. The seed decides what is done, how much of
//! it before each end of the process, and how that end comes; how requests meet each other is up to the machine.
//! franz-go and writers of our own write with every codec to topics of every kind, while records are deleted, topics
//! come and go, partitions are added and groups commit. The process is killed or stopped, also while it compacts,
//! deletes, starts or stops. After a start everything that is served is compared with what was acknowledged (`ledger`),
//! and every so often Apache Kafka's DumpLogSegments reads all files. At the end Apache Kafka serves the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::str::FromStr;
use std::time::{Duration, Instant};

use life::Life;

mod administrator;
mod client;
mod content;
mod ending;
mod events;
mod files;
mod ledger;
mod life;
mod outside;
mod world;
mod writer;

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// How much longer than asked for a run may go on until everything has happened once.
const EXTENSION: Duration = Duration::from_secs(300);
/// A run of this length reaches everything.
const LONG: Duration = Duration::from_secs(300);
const SEED: u64 = 1;
const SECONDS: u64 = 10;

#[test]
fn acknowledged_records_outlive_everything() {
    let (seed, seconds) = (setting("SEED", SEED), setting("SECONDS", SECONDS));
    eprintln!("seed {seed}, {seconds} seconds");
    let (started, wanted) = (Instant::now(), Duration::from_secs(seconds));
    let mut life = Life::begin(seed, wanted >= LONG);
    while started.elapsed() < wanted || (life.is_poor() && started.elapsed() < wanted + EXTENSION) {
        life.stage();
    }
    life.end().hand_over();
    eprintln!("seed {seed} ended after {:?}", started.elapsed());
}

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    let value = std::env::var(format!("MILENA_SOAK_{name}")).ok();
    value.and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}
