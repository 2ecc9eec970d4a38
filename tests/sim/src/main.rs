//! The simulation: whole clusters of brokers in one process, under a virtual clock, network and disk.
//!
//! `milena-sim one` lives the life of one seed and prints what it came to; the same seed is the same life, event by event.
//! `milena-sim many` does so for many seeds, each in a process of its own, because some of what a seed decides is
//! decided once per process. An event is one poll of a task of a host or one segment delivered by the network.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod checks;
mod clients;
mod clock;
mod counters;
mod disk;
mod faults;
mod history;
mod many;
mod node;
mod one;
mod scenario;

/// A mistake that is built in, to see whether it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flaw {
    /// Records are acknowledged before they are replicated.
    Acks,
    /// Followers keep what the leader's log does not have.
    Truncation,
    /// A vote is not on the disk when it is given.
    Vote,
}

/// Simulates clusters.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The life of one seed.
    One {
        #[arg(long)]
        seed: u64,
        #[arg(long, value_enum)]
        flaw: Option<Flaw>,
        /// What the brokers say goes to standard error.
        #[arg(long)]
        log: bool,
    },
    /// The lives of many seeds.
    Many(many::Many),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::One { seed, flaw, log } => one::run(seed, flaw, log),
        Command::Many(many) => many.run(),
    }
}
