//! Random requests, right and wrong, go to Apache Kafka and to Milena in lockstep, and the answers must agree.
//!
//! A run is made of a seed and a number of steps: `make differential SEED=7 STEPS=20000`. A step makes its choices from
//! both alone, so a mismatch that is printed with them comes again. What may differ is masked (error messages, clocks,
//! ports) or called by common names (topic ids, member ids); differences on purpose are listed in `differences`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lockstep::Lockstep;
use milena_tests::Dice;

mod cluster;
mod configs;
mod differences;
mod groups;
mod leaders;
mod lockstep;
mod parked;
mod records;
mod sessions;
mod side;
mod text;
mod topics;
mod wire;

/// Timestamp of the earliest record: two hours ago, so that retention leaves it alone.
pub(crate) static START_MS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis() as i64 - 2 * HOUR_MS
});
/// Timestamps that lie so long after the earliest record come from a broker's clock.
pub(crate) const HOUR_MS: i64 = 3_600_000;
const SEED: u64 = 1;
const STEPS: u64 = 400;

type Step = fn(&mut Lockstep, &mut Dice);

/// What a step does, and how often compared to the others.
const STEPS_BY_WEIGHT: &[(usize, Step)] = &[
    (6, topics::create),
    (3, topics::grow),
    (3, topics::delete),
    (8, topics::metadata),
    (2, topics::create_by_name),
    (6, topics::describe_partitions),
    (8, configs::describe),
    (6, configs::alter),
    (4, configs::replace),
    (3, configs::list),
    (24, records::produce),
    (4, records::produce_unanswered),
    (16, records::fetch),
    (12, sessions::fetch),
    (3, records::delete),
    (12, records::list_offsets),
    (4, records::epochs),
    (3, records::init_producer),
    (4, records::describe_producers),
    (16, groups::join),
    (8, groups::sync),
    (6, groups::heartbeat),
    (4, groups::leave),
    (6, groups::describe),
    (4, groups::list),
    (2, groups::delete),
    (8, groups::commit),
    (8, groups::offsets),
    (3, groups::delete_offsets),
    (4, leaders::reassign),
    (2, leaders::list_reassignments),
    (3, leaders::elect),
    (1, leaders::unregister),
    (2, cluster::api_versions),
    (2, cluster::update_features),
    (3, wire::unserved),
    (3, cluster::describe),
    (4, cluster::log_dirs),
    (3, cluster::find_coordinator),
];

#[test]
fn answers_are_those_of_apache_kafka() {
    let (seed, steps) = (setting("SEED", SEED), setting("STEPS", STEPS));
    let mut lockstep = Lockstep::start(seed).unwrap();
    let started = Instant::now();
    for _ in 0..steps {
        let mut dice = lockstep.next_step();
        one_of(&mut dice)(&mut lockstep, &mut dice);
        if lockstep.is_over() {
            break;
        }
    }
    eprintln!("seed {seed}: {steps} steps in {:?}; sent {:?}", started.elapsed(), lockstep.sent);
    eprintln!("differences on purpose: {:?}", lockstep.excused);
    let report = |(report, count): &(String, usize)| format!("{report}\n  {count} of this kind\n");
    let mismatches: String = lockstep.mismatches.values().map(report).collect();
    assert!(mismatches.is_empty(), "answers differ:\n{mismatches}");
}

fn one_of(dice: &mut Dice) -> Step {
    let mut point = dice.below(STEPS_BY_WEIGHT.iter().map(|(weight, _)| weight).sum());
    for (weight, step) in STEPS_BY_WEIGHT {
        match point.checked_sub(*weight) {
            Some(rest) => point = rest,
            None => return *step,
        }
    }
    unreachable!("the point lies below the sum of the weights")
}

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    let value = std::env::var(format!("MILENA_DIFFERENTIAL_{name}")).ok();
    value.and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}
