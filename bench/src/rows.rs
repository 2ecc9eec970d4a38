//! The rows: what is run, in which order, and what of it is told.

mod cluster;
mod consume;
mod latency;
mod process;
mod produce;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;

use crate::report::{Goal, Line, Report};
use crate::server::{Peer, Server};

/// Bytes of a GiB.
const GIB: f64 = (1_u64 << 30) as f64;

type Row = fn(&mut Bench) -> anyhow::Result<()>;

/// Every row by name, in the order they run.
pub(crate) const ROWS: &[(&str, Row)] = &[
    ("start", process::start),
    ("idle", process::idle_memory),
    ("produce-1k", produce::one_kilobyte),
    ("produce-100", produce::hundred_bytes),
    ("produce-100k", produce::hundred_kilobytes),
    ("zstd", produce::zstd),
    ("small-batches", produce::small_batches),
    ("producers-400", produce::many_producers),
    ("consume-1k", consume::one_kilobyte),
    ("consume-100k", consume::hundred_kilobytes),
    ("perf-1k", produce::perf_one_kilobyte),
    ("perf-100", produce::perf_hundred_bytes),
    ("perf-100k", produce::perf_hundred_kilobytes),
    ("end-to-end", latency::end_to_end),
    ("latency", latency::open_loop),
    ("loaded", process::loaded_memory),
    ("three-brokers", cluster::three_brokers),
];

/// Both brokers, and what was measured so far.
pub(crate) struct Bench {
    pub(crate) data: PathBuf,
    pub(crate) report: Report,
    brokers: Vec<(Peer, Server)>,
    topics: u32,
}

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    cpu_seconds: f64,
}

impl Bench {
    /// Starts the brokers of `peers` below `data`.
    pub(crate) fn start(data: PathBuf, peers: &[Peer]) -> anyhow::Result<Self> {
        let start = |peer: &Peer| anyhow::Ok((*peer, Server::start(*peer, &data)?));
        let brokers = peers.iter().map(start).collect::<anyhow::Result<_>>()?;
        Ok(Self { data, report: Report::default(), brokers, topics: 0 })
    }

    /// Does `work` with each broker in turn, on a topic of its own that is gone afterwards.
    fn each<T>(
        &mut self,
        partitions: usize,
        work: impl Fn(&Server, &str) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<(Peer, T)>> {
        self.topics += 1;
        let topic = format!("bench-{}", self.topics);
        let with = |(peer, broker): &(Peer, Server)| {
            broker.create_topic(&topic, partitions)?;
            let result = work(broker, &topic).with_context(|| format!("with {}", peer.name()))?;
            broker.delete_topic(&topic)?;
            Ok((*peer, result))
        };
        self.brokers.iter().map(with).collect()
    }

    /// Tells one measure of what [`Bench::each`] yielded.
    fn tell<T>(
        &mut self,
        what: &str,
        results: &[(Peer, T)],
        floor: Option<f64>,
        (measure, goal): (impl Fn(&T) -> f64, Goal),
    ) {
        let of =
            |wanted: Peer| results.iter().find(|(peer, _)| *peer == wanted).map(|(_, value)| measure(value));
        let (kafka, milena) = (of(Peer::Kafka), of(Peer::Milena));
        self.report.push(Line { what: what.to_owned(), kafka, milena, floor, goal });
    }
}

/// Times `work` and what it costs `server`. The disk is idle when it begins.
fn measure<T>(server: &Server, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Cost)> {
    rustix::fs::sync();
    let (cpu, started) = (server.cpu_seconds()?, Instant::now());
    let result = work()?;
    let seconds = started.elapsed().as_secs_f64();
    Ok((result, Cost { seconds, cpu_seconds: server.cpu_seconds()? - cpu }))
}
