//! What producing costs, by the native generator and by Kafka's own ProducerPerformance.

use milena_protocol::records::Compression;

use super::{Bench, Cost, GIB, measure};
use crate::frames::Shape;
use crate::load::Done;
use crate::load::produce::Produce;
use crate::report::Goal;
use crate::server::Server;
use crate::tools;

/// Part of the work that is done before, so that a JVM has compiled what it runs.
const WARM_UP_PART: u64 = 3;
/// What most rows share; each row names its shape and its requests.
const LOAD: Produce = Produce {
    shape: Shape::ONE_KILOBYTE,
    partitions: 4,
    connections: 8,
    in_flight: 4,
    requests: 0,
    checked: true,
};

/// What processor time is divided by.
#[derive(Debug, Clone, Copy)]
enum Per {
    Gib,
    MillionRecords,
    MillionBatches,
}

impl Per {
    fn name(self) -> &'static str {
        match self {
            Self::Gib => "GiB",
            Self::MillionRecords => "million records",
            Self::MillionBatches => "million batches",
        }
    }

    fn units(self, done: &Done, load: &Produce) -> f64 {
        match self {
            Self::Gib => done.bytes as f64 / GIB,
            Self::MillionRecords => done.records as f64 / 1e6,
            Self::MillionBatches => (done.requests * load.shape.batches as u64) as f64 / 1e6,
        }
    }
}

/// A native row.
struct Native {
    name: &'static str,
    load: Produce,
    per: Per,
    rate: Goal,
    cpu: Goal,
}

pub(super) fn one_kilobyte(bench: &mut Bench) -> anyhow::Result<()> {
    let shape = Shape::new(1024, 64 << 10);
    let load = Produce { shape, requests: 2 << 14, ..LOAD };
    let (rate, cpu) = (Goal::AtLeastTimesKafka(3.0), Goal::AtMostTimesFloor(1.7));
    native(bench, &Native { name: "produce 1 KB, batches of 64 KiB", load, per: Per::Gib, rate, cpu })
}

pub(super) fn hundred_bytes(bench: &mut Bench) -> anyhow::Result<()> {
    let load = Produce { shape: Shape::new(100, 64 << 10), requests: 1 << 14, ..LOAD };
    let (rate, cpu) = (Goal::None, Goal::AtMost(2.0));
    native(bench, &Native { name: "produce 100 B, batches of 64 KiB", load, per: Per::Gib, rate, cpu })
}

pub(super) fn hundred_kilobytes(bench: &mut Bench) -> anyhow::Result<()> {
    let load = Produce { shape: Shape::new(100_000, 1), requests: 20_000, ..LOAD };
    let (rate, cpu) = (Goal::None, Goal::AtMostTimesFloor(1.5));
    native(bench, &Native { name: "produce 100 KB", load, per: Per::Gib, rate, cpu })
}

pub(super) fn zstd(bench: &mut Bench) -> anyhow::Result<()> {
    let shape = Shape { compression: Compression::Zstd, ..Shape::new(1024, 64 << 10) };
    let load = Produce { shape, requests: 16_000, ..LOAD };
    let (rate, cpu) = (Goal::None, Goal::AtMost(1.5));
    native(bench, &Native { name: "produce 1 KB, zstd", load, per: Per::MillionRecords, rate, cpu })
}

pub(super) fn small_batches(bench: &mut Bench) -> anyhow::Result<()> {
    let shape = Shape { batches: 10, ..Shape::new(1400, 1) };
    let load = Produce { shape, partitions: 10, requests: 50_000, ..LOAD };
    let (name, per) = ("produce batches of 1.5 KB, ten a request", Per::MillionBatches);
    native(bench, &Native { name, load, per, rate: Goal::None, cpu: Goal::AtMost(2.5) })
}

pub(super) fn many_producers(bench: &mut Bench) -> anyhow::Result<()> {
    let shape = Shape { keyed: true, batch_records: 10, ..Shape::new(100, 1) };
    let load = Produce { shape, partitions: 10, connections: 400, in_flight: 1, requests: 200_000, ..LOAD };
    let (name, per) = ("400 producers, ten keyed records of 100 B a request", Per::MillionBatches);
    native(bench, &Native { name, load, per, rate: Goal::None, cpu: Goal::None })
}

fn native(bench: &mut Bench, row: &Native) -> anyhow::Result<()> {
    let results = bench.each(row.load.partitions, |broker, topic| run(broker, topic, row.load))?;
    let floor = Server::floor("produce", &bench.data)?;
    let floor = run(&floor, "floor", Produce { checked: false, ..row.load })?;
    let rate = |(done, cost): &(Done, Cost)| done.records as f64 / cost.seconds;
    let cpu = |(done, cost): &(Done, Cost)| cost.cpu_seconds / row.per.units(done, &row.load);
    bench.tell(&format!("{}: records/s", row.name), &results, Some(rate(&floor)), (rate, row.rate));
    let what = format!("{}: CPU s per {}", row.name, row.per.name());
    bench.tell(&what, &results, Some(cpu(&floor)), (cpu, row.cpu));
    Ok(())
}

fn run(server: &Server, topic: &str, load: Produce) -> anyhow::Result<(Done, Cost)> {
    Produce { requests: load.requests / WARM_UP_PART, ..load }.run(&[&server.address], topic)?;
    server.touch_memory(load.requests * load.frame_bytes())?;
    measure(server, || load.run(&[&server.address], topic))
}

pub(super) fn perf_one_kilobyte(bench: &mut Bench) -> anyhow::Result<()> {
    perf(bench, "1 KB", 1_000_000, 1024)
}

pub(super) fn perf_hundred_bytes(bench: &mut Bench) -> anyhow::Result<()> {
    perf(bench, "100 B", 5_000_000, 100)
}

pub(super) fn perf_hundred_kilobytes(bench: &mut Bench) -> anyhow::Result<()> {
    perf(bench, "100 KB", 12_000, 100_000)
}

/// ProducerPerformance, in batches of 64 KiB, `acks=1`.
fn perf(bench: &mut Bench, size: &str, records: u64, record_bytes: usize) -> anyhow::Result<()> {
    let client = ["acks=1", "batch.size=65536"];
    let results = bench.each(1, |broker, topic| {
        let work = (records, record_bytes);
        broker.touch_memory(records * record_bytes as u64)?;
        measure(broker, || tools::producer_performance(&broker.address, topic, work, &client))
    })?;
    let rate = |(rate, _): &(f64, Cost)| *rate;
    let gibibytes = records as f64 * record_bytes as f64 / GIB;
    let cpu = |(_, cost): &(f64, Cost)| cost.cpu_seconds / gibibytes;
    let goal = Goal::AtLeastTimesKafka(1.0);
    bench.tell(&format!("ProducerPerformance {size}: records/s"), &results, None, (rate, goal));
    bench.tell(&format!("ProducerPerformance {size}: CPU s per GiB"), &results, None, (cpu, Goal::None));
    Ok(())
}
