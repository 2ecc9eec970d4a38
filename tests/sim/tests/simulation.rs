//! CI's share of the simulation: a seed is one life, a number of seeds for a bounded time without a violation, every kind of
//! fault and transition reached, and each mistake that can be built in found.

use std::process::Command;

/// Seeds of CI's share; an hour's worth is `make sim SEEDS=10000`.
const SHARE: &str = "40";
/// Begin no further seed of the share after this many seconds.
const SHARE_SECONDS: &str = "45";
/// Seeds within which a mistake must be found.
const SEARCH: &str = "400";
/// Events that every seed has at least.
const EVENTS_MIN: u64 = 5_000;
/// What the share must have reached.
const REACHED: [&str; 19] = [
    "elections of the quorum",
    "leaders of partitions",
    "in-sync replicas left",
    "in-sync replicas joined",
    "truncations",
    "fenced by the prober",
    "snapshots written",
    "crashes of processes",
    "losses of power",
    "pauses",
    "cuts both ways",
    "cuts one way",
    "cuts from all",
    "connections reset",
    "full disks",
    "failing disks",
    "wrong clocks",
    "reassignments",
    "records acknowledged",
];

fn sim(arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_milena-sim")).args(arguments).output().expect("run the simulation");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn one_seed_is_one_life() {
    let lives = [sim(&["one", "--seed", "1"]), sim(&["one", "--seed", "1"])];
    assert!(lives[0].0, "{}", lives[0].1);
    assert_eq!(lives[0], lives[1]);
    assert_ne!(lives[0].1, sim(&["one", "--seed", "2"]).1);
}

#[test]
fn a_share_of_the_seeds_keeps_every_invariant_and_reaches_every_fault() {
    let (is_well, told) = sim(&["many", "--seeds", SHARE, "--seconds", SHARE_SECONDS]);
    assert!(is_well, "{told}");
    for name in REACHED {
        assert!(told.contains(&format!("  {name}\n")), "{name} was not reached:\n{told}");
    }
    let fewest = told.split("at least ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(fewest.is_some_and(|fewest| fewest >= EVENTS_MIN), "{told}");
}

#[test]
fn every_mistake_that_is_built_in_is_found() {
    for flaw in ["acks", "truncation", "vote"] {
        let (is_found, told) = sim(&["many", "--flaw", flaw, "--seeds", SEARCH, "--find"]);
        assert!(is_found, "{flaw}:\n{told}");
    }
}
