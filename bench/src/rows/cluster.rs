//! Three brokers: what replication costs, and what they cost while nobody uses them.
//!
//! The last row: the single brokers end before, and the clusters run one after the other. Three idle JVMs would be in the way
//! of whoever is measured.

use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use milena_protocol::messages::CreateTopicsRequest;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::metadata::MetadataResponsePartition;
use milena_tests::frame;

use super::{Bench, GIB};
use crate::cluster::{Cluster, NODES, wait_for};
use crate::frames::Shape;
use crate::load::Done;
use crate::load::open_loop::{Latency, OpenLoop};
use crate::load::produce::Produce;
use crate::report::Goal;
use crate::server::Peer;
use crate::usage;

const PARTITIONS: usize = 12;
const REPLICATED: Shape = Shape { acks: -1, ..Shape::ONE_KILOBYTE };
/// Batches of 64 KiB, 512 MiB in all, and a third of it before.
const LOAD: Produce = Produce {
    shape: Shape { batch_records: 63, ..REPLICATED },
    partitions: PARTITIONS,
    connections: PARTITIONS,
    in_flight: 4,
    requests: 1 << 13,
    checked: true,
};
const WARM_UP: Produce = Produce { requests: LOAD.requests / 3, ..LOAD };
/// 5,000 records a second, as ten to a request.
const OPEN_LOOP: OpenLoop = OpenLoop {
    shape: Shape { batch_records: 10, ..REPLICATED },
    partitions: PARTITIONS,
    connections: PARTITIONS,
    requests_per_second: 500,
    duration: Duration::from_secs(40),
    warm_up: Duration::from_secs(10),
    checked: true,
};
const MANY: usize = 1000;
const SETTLE: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_secs(20);
const MIB: f64 = (1 << 20) as f64;
const THIRD: f64 = 1.0 / 3.0;

/// Of one peer; of its brokers the one that has the most of it.
struct Figures {
    started_s: f64,
    idle_mib: f64,
    created_s: f64,
    known_s: f64,
    descriptors: f64,
    idle_percent: f64,
    records_per_second: f64,
    cpu_seconds_per_gib: f64,
    latency: Latency,
    loaded_mib: f64,
}

pub(super) fn three_brokers(bench: &mut Bench) -> anyhow::Result<()> {
    let peers: Vec<Peer> = bench.brokers.drain(..).map(|(peer, _)| peer).collect();
    let figures = |peer: &Peer| anyhow::Ok((*peer, measure(*peer, &bench.data)?));
    let results = peers.iter().map(figures).collect::<anyhow::Result<Vec<_>>>()?;
    type Of = fn(&Figures) -> f64;
    let rows: [(&str, Of, Goal); 12] = [
        ("ready from nothing, s", |of| of.started_s, Goal::AtMost(1.0)),
        ("resident memory of each, idle, MiB", |of| of.idle_mib, Goal::AtMost(25.0)),
        ("1,000 partitions x 3 created by a warm client, s", |of| of.created_s, Goal::AtMost(0.3)),
        ("the same until every broker names their leaders, s", |of| of.known_s, Goal::None),
        ("descriptors of each with them", |of| of.descriptors, Goal::AtMost(200.0)),
        ("processor time of each with them, idle, %", |of| of.idle_percent, Goal::AtMost(1.0)),
        ("produce 1 KB, acks=all: records/s", |of| of.records_per_second, Goal::AtLeastTimesKafka(3.0)),
        ("produce 1 KB, acks=all: CPU s of all per GiB", |of| of.cpu_seconds_per_gib, Goal::AtMost(6.0)),
        ("produce 5k/s of 1 KB, acks=all: p50 ms", |of| of.latency.p50, Goal::AtMostTimesKafka(THIRD)),
        ("produce 5k/s of 1 KB, acks=all: p99 ms", |of| of.latency.p99, Goal::AtMostTimesKafka(THIRD)),
        ("produce 5k/s of 1 KB, acks=all: p99.9 ms", |of| of.latency.p999, Goal::AtMostTimesKafka(THIRD)),
        ("resident memory of each after it, MiB", |of| of.loaded_mib, Goal::AtMost(100.0)),
    ];
    for (what, of, goal) in rows {
        bench.tell(&format!("three brokers: {what}"), &results, None, (of, goal));
    }
    Ok(())
}

fn measure(peer: Peer, data: &Path) -> anyhow::Result<Figures> {
    let cluster = Cluster::start(peer, data, None)?;
    thread::sleep(SETTLE);
    let idle_mib = resident_mib(&cluster)?;
    let mut admin = frame::connect(&cluster.nodes[0].address)?;
    create(&mut admin, "warm-up", 1)?;
    let started = Instant::now();
    create(&mut admin, "many", MANY)?;
    let created_s = started.elapsed().as_secs_f64();
    await_leaders(&cluster, "many", MANY)?;
    let known_s = started.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let descriptors = most(&cluster, |process| Ok(usage::descriptors(process)? as f64))?;
    let idle_percent = idle_percent(&cluster)?;
    let (records_per_second, cpu_seconds_per_gib) = produce(&cluster)?;
    let latency = OPEN_LOOP.run(&replicated(&cluster, "paced")?, "paced")?;
    let loaded_mib = resident_mib(&cluster)?;
    let started_s = cluster.started_in.as_secs_f64();
    Ok(Figures {
        started_s,
        idle_mib,
        created_s,
        known_s,
        descriptors,
        idle_percent,
        records_per_second,
        cpu_seconds_per_gib,
        latency,
        loaded_mib,
    })
}

fn create(admin: &mut TcpStream, name: &str, partitions: usize) -> anyhow::Result<()> {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions as i32,
        replication_factor: NODES as i16,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, validate_only: false };
    let answer = frame::exchange(admin, 7, &request)?;
    ensure!(answer.topics.iter().all(|topic| topic.error_code == 0), "{name} refused: {answer:?}");
    Ok(())
}

fn await_leaders(cluster: &Cluster, topic: &str, count: usize) -> anyhow::Result<()> {
    let is_led = |partition: &MetadataResponsePartition| partition.leader_id > 0;
    cluster.nodes.iter().try_for_each(|node| {
        wait_for("leaders of a new topic", || {
            let partitions = node.partitions(topic)?;
            (partitions.len() == count && partitions.iter().all(is_led)).then_some(())
        })
    })
}

/// A new topic with as many leaders on each broker: partition `n` is led by the address `n`, around all.
fn replicated<'a>(cluster: &'a Cluster, topic: &str) -> anyhow::Result<Vec<&'a str>> {
    cluster.create_topic(topic, PARTITIONS)?;
    cluster.lead(topic, |partition| partition % NODES + 1)?;
    Ok(cluster.nodes.iter().map(|node| node.address.as_str()).collect())
}

/// Records a second, and what a GiB costs all brokers.
fn produce(cluster: &Cluster) -> anyhow::Result<(f64, f64)> {
    let addresses = replicated(cluster, "produced")?;
    WARM_UP.run(&addresses, "produced")?;
    rustix::fs::sync();
    let (cpu, started) = (cpu_seconds(cluster)?, Instant::now());
    let Done { records, bytes, .. } = LOAD.run(&addresses, "produced")?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(cluster)? - cpu;
    Ok((records as f64 / seconds, cpu / (bytes as f64 / GIB)))
}

fn cpu_seconds(cluster: &Cluster) -> anyhow::Result<f64> {
    cluster.nodes.iter().map(|node| usage::cpu_seconds(node.process()?.id())).sum()
}

fn idle_percent(cluster: &Cluster) -> anyhow::Result<f64> {
    let used = || -> anyhow::Result<Vec<f64>> {
        cluster.nodes.iter().map(|node| usage::cpu_seconds(node.process()?.id())).collect()
    };
    let before = used()?;
    thread::sleep(IDLE);
    let spent = used()?.into_iter().zip(before).map(|(after, before)| after - before);
    Ok(spent.fold(0.0, f64::max) / IDLE.as_secs_f64() * 100.0)
}

fn resident_mib(cluster: &Cluster) -> anyhow::Result<f64> {
    most(cluster, |process| {
        let memory = usage::memory(process)?;
        Ok((memory.anonymous + memory.file) / MIB)
    })
}

/// Of all brokers.
fn most(cluster: &Cluster, figure: impl Fn(u32) -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let figures = cluster.nodes.iter().map(|node| figure(node.process()?.id()));
    figures.collect::<anyhow::Result<Vec<_>>>().map(|figures| figures.into_iter().fold(0.0, f64::max))
}
