//! Start-up time and resident memory.

use std::time::Duration;

use super::Bench;
use crate::report::Goal;
use crate::server::{Peer, Server};
use crate::usage::Memory;

/// Idle time before memory is looked at.
const IDLE: Duration = Duration::from_secs(3);
/// Starts of Milena, of which the slowest counts; Kafka takes seconds and starts once.
const STARTS: usize = 5;
const MIB: f64 = (1 << 20) as f64;

/// From nothing to the first answered Metadata request, formatting left out for Kafka.
pub(super) fn start(bench: &mut Bench) -> anyhow::Result<()> {
    let mut results = Vec::new();
    for peer in Peer::BOTH.into_iter().filter(|peer| bench.brokers.iter().any(|(other, _)| other == peer)) {
        let count = if peer == Peer::Kafka { 1 } else { STARTS };
        let mut slowest = Duration::ZERO;
        for _ in 0..count {
            slowest = slowest.max(Server::start(peer, &bench.data)?.started_in);
        }
        results.push((peer, slowest));
    }
    bench.tell("start to the first answer, s", &results, None, (Duration::as_secs_f64, Goal::AtMost(0.1)));
    Ok(())
}

/// Before any load, if this is the first row but the start.
pub(super) fn idle_memory(bench: &mut Bench) -> anyhow::Result<()> {
    std::thread::sleep(IDLE);
    tell(bench, "resident memory idle, MiB", 25.0)
}

/// After the rows before.
pub(super) fn loaded_memory(bench: &mut Bench) -> anyhow::Result<()> {
    tell(bench, "resident memory after the loads, MiB", 100.0)
}

fn tell(bench: &mut Bench, what: &str, limit: f64) -> anyhow::Result<()> {
    let memory = |(peer, broker): &(Peer, Server)| anyhow::Ok((*peer, broker.memory()?));
    let results = bench.brokers.iter().map(memory).collect::<anyhow::Result<Vec<_>>>()?;
    let total = |memory: &Memory| (memory.anonymous + memory.file) / MIB;
    bench.tell(what, &results, None, (total, Goal::AtMost(limit)));
    Ok(())
}
