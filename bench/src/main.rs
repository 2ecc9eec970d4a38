//! Measures Milena against Apache Kafka on the same work in one run, and against the least that work can cost.
//!
//! Brokers run at the same time and work in turn. Progress goes to stderr, the table to stdout. `floor` is this program
//! as a server of its own (see [`floor`]), so that its processor time can be told apart.

#![allow(
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "sizes of a benchmark are its own, and it prints a table"
)]

mod cluster;
mod failover;
mod floor;
mod frames;
mod load;
mod machine;
mod network;
mod report;
mod rows;
mod server;
mod tools;
mod usage;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

use crate::rows::{Bench, ROWS};
use crate::server::Peer;

/// Milena against Apache Kafka.
#[derive(Debug, Parser)]
#[command(name = "milena-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures rows and prints the table.
    Run {
        /// Names of rows, separated by commas or spaces; all without any.
        #[arg(long, default_value = "")]
        rows: String,
        /// Leaves Kafka out.
        #[arg(long)]
        alone: bool,
        /// Where the brokers keep their data.
        #[arg(long, default_value_os_t = std::env::temp_dir())]
        data: PathBuf,
        /// GiB to write and delete before, so that no broker pays for the first touch of a disk image.
        #[arg(long, default_value_t = 8)]
        fill: u64,
    },
    /// What clients notice when one of three brokers goes; takes the rights of root.
    Failover {
        /// Names of cases, separated by commas or spaces; all without any.
        #[arg(long, default_value = "")]
        cases: String,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Leaves Kafka out.
        #[arg(long)]
        alone: bool,
        /// Where the brokers keep their data.
        #[arg(long, default_value_os_t = std::env::temp_dir())]
        data: PathBuf,
    },
    /// The names of the rows.
    Rows,
    /// Serves as a floor program.
    Floor { mode: String, address: String, path: PathBuf },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run { rows, alone, data, fill } => run(&rows, alone, data, fill),
        Command::Failover { cases, rounds, alone, data } => {
            failover::run(&words(&cases), rounds, peers(alone), &data)?;
            println!("{}", machine::describe());
            Ok(())
        }
        Command::Rows => {
            ROWS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        Command::Floor { mode, address, path } => floor::serve(&mode, &address, &path),
    }
}

fn run(wanted: &str, alone: bool, data: PathBuf, fill: u64) -> anyhow::Result<()> {
    let wanted = words(wanted);
    if let Some(name) = wanted.iter().find(|name| ROWS.iter().all(|(row, _)| row != *name)) {
        bail!("no row is called {name}");
    }
    touch_disk(&data, fill).context("write and delete the disk area")?;
    let mut bench = Bench::start(data, peers(alone))?;
    let started = Instant::now();
    let mut failed = Vec::new();
    for (name, row) in ROWS.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
        eprintln!("[{:4.0} s] {name}", started.elapsed().as_secs_f64());
        if let Err(error) = row(&mut bench) {
            eprintln!("{name} failed: {error:#}");
            failed.push(*name);
        }
    }
    println!("{}\n{}", bench.report.markdown(), machine::describe());
    if failed.is_empty() { Ok(()) } else { bail!("rows that failed: {}", failed.join(", ")) }
}

fn words(list: &str) -> Vec<&str> {
    list.split([',', ' ']).filter(|word| !word.is_empty()).collect()
}

fn peers(alone: bool) -> &'static [Peer] {
    if alone { &[Peer::Milena] } else { &Peer::BOTH }
}

fn touch_disk(data: &Path, gibibytes: u64) -> anyhow::Result<()> {
    let mut file: File = tempfile::tempfile_in(data)?;
    let part = vec![1; 1 << 20];
    (0..gibibytes << 10).try_for_each(|_| file.write_all(&part))?;
    Ok(file.sync_data()?)
}
