//! What consuming costs, by the native generator and by Kafka's own ConsumerPerformance.

use super::{Bench, Cost, GIB, measure};
use crate::frames::Shape;
use crate::load::Done;
use crate::load::fetch::Fetch;
use crate::load::produce::Produce;
use crate::report::Goal;
use crate::server::Server;
use crate::tools;

const PARTITIONS: usize = 4;
/// How often the native reader reads what the topic holds.
const PASSES: u64 = 2;
const MB: f64 = (1 << 20) as f64;

/// What both readers did.
struct Consumed {
    native: (Done, Cost),
    /// Rate in MB/s as the tool tells it.
    tool: (f64, Cost),
}

pub(super) fn one_kilobyte(bench: &mut Bench) -> anyhow::Result<()> {
    consume(bench, "1 KB", (Shape::new(1024, 64 << 10), 24_000), 0.5)
}

pub(super) fn hundred_kilobytes(bench: &mut Bench) -> anyhow::Result<()> {
    consume(bench, "100 KB", (Shape::new(100_000, 1), 16_000), 0.4)
}

fn consume(
    bench: &mut Bench,
    size: &str,
    (shape, requests): (Shape, u64),
    cpu_goal: f64,
) -> anyhow::Result<()> {
    let (records, bytes) =
        (requests * shape.batch_records, requests * shape.batch_records * shape.record_bytes as u64);
    let load =
        Produce { shape, partitions: PARTITIONS, connections: 4, in_flight: 4, requests, checked: true };
    let fetch =
        Fetch { partitions: PARTITIONS, partition_bytes: bytes * PASSES / PARTITIONS as u64, checked: true };
    let results = bench.each(PARTITIONS, |broker, topic| {
        load.run(&[&broker.address], topic)?;
        let native = measure(broker, || fetch.run(&broker.address, topic))?;
        let tool = measure(broker, || tools::consumer_performance(&broker.address, topic, records))?;
        Ok(Consumed { native, tool })
    })?;
    let floors = ["pread", "sendfile"].map(|mode| {
        let server = Server::floor(mode, &bench.data)?;
        let fetch = Fetch { checked: false, ..fetch };
        measure(&server, || fetch.run(&server.address, "floor"))
    });
    let [pread, sendfile] = floors;
    let (pread, sendfile) = (pread?, sendfile?);
    let rate = |(done, cost): &(Done, Cost)| done.bytes as f64 / MB / cost.seconds;
    let cpu = |(done, cost): &(Done, Cost)| cost.cpu_seconds / (done.bytes as f64 / GIB);
    let native = (|result: &Consumed| rate(&result.native), Goal::AtLeastTimesKafka(1.0));
    bench.tell(&format!("consume {size}: MB/s (floor: sendfile)"), &results, Some(rate(&sendfile)), native);
    let native = (|result: &Consumed| cpu(&result.native), Goal::AtMost(cpu_goal));
    bench.tell(
        &format!("consume {size}: CPU s per GiB (floor: sendfile)"),
        &results,
        Some(cpu(&sendfile)),
        native,
    );
    let native = (|result: &Consumed| cpu(&result.native), Goal::None);
    bench.tell(&format!("consume {size}: CPU s per GiB (floor: pread)"), &results, Some(cpu(&pread)), native);
    let tool = (|result: &Consumed| result.tool.0, Goal::AtLeastTimesKafka(1.0));
    bench.tell(&format!("ConsumerPerformance {size}: MB/s"), &results, None, tool);
    let tool = (|result: &Consumed| result.tool.1.cpu_seconds / (bytes as f64 / GIB), Goal::AtMost(cpu_goal));
    bench.tell(&format!("ConsumerPerformance {size}: CPU s per GiB"), &results, None, tool);
    Ok(())
}
