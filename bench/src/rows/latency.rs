//! How long a producer waits with `acks=all`, and how long a record takes from a producer to a consumer.

use std::time::Duration;

use super::Bench;
use crate::frames::Shape;
use crate::load::open_loop::{Latency, OpenLoop};
use crate::report::Goal;
use crate::server::{Peer, Server};
use crate::tools;

const PARTITIONS: usize = 4;
const THIRD: f64 = 1.0 / 3.0;
/// 20,000 records of 1 KB a second, as ten to a request.
const OPEN_LOOP: OpenLoop = OpenLoop {
    shape: Shape { batch_records: 10, acks: -1, ..Shape::ONE_KILOBYTE },
    partitions: PARTITIONS,
    connections: 10,
    requests_per_second: 2000,
    duration: Duration::from_secs(60),
    warm_up: Duration::from_secs(10),
    checked: true,
};
/// The first ones meet a cold JVM on both sides.
const END_TO_END_RECORDS: u64 = 20_000;

pub(super) fn open_loop(bench: &mut Bench) -> anyhow::Result<()> {
    let results = bench.each(PARTITIONS, |broker, topic| OPEN_LOOP.run(&[&broker.address], topic))?;
    let server = Server::floor("produce", &bench.data)?;
    let floor = OpenLoop { checked: false, ..OPEN_LOOP }.run(&[&server.address], "floor")?;
    tell(bench, "produce 20k/s of 1 KB, acks=all, open loop", &results, Some(floor));
    Ok(())
}

pub(super) fn end_to_end(bench: &mut Bench) -> anyhow::Result<()> {
    let results = bench
        .each(1, |broker, topic| tools::end_to_end_latency(&broker.address, topic, END_TO_END_RECORDS))?;
    tell(bench, "EndToEndLatency, acks=all", &results, None);
    Ok(())
}

fn tell(bench: &mut Bench, what: &str, results: &[(Peer, Latency)], floor: Option<Latency>) {
    type Quantile = fn(&Latency) -> f64;
    let quantiles: [(&str, Quantile); 3] =
        [("p50", |latency| latency.p50), ("p99", |latency| latency.p99), ("p99.9", |latency| latency.p999)];
    let goal = Goal::AtMostTimesKafka(THIRD);
    for (name, of) in quantiles {
        bench.tell(&format!("{what}: {name} ms"), results, floor.as_ref().map(of), (of, goal));
    }
}
