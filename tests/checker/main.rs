//! Nothing acknowledged is lost, whatever is done to the processes of a cluster; a history says so, not a hope.
//!
//! `make checker SEED=7 SECONDS=600 BROKERS=5`. Producers and consumers of real clients (`clients`) write and read with
//! their defaults, idempotent and with acks of all, while nodes are killed, stopped and paused, cables are cut (`cuts`), a disk
//! fills up and leaders and replicas move (`faults`). What they invoked and were answered is a history (`history`); at the end
//! the whole log is read once from every replica, and `verdict` decides from these alone. The seed decides the faults; how
//! they meet the requests is up to the machine.
//!
//! Every broker is a host of its own, which takes root. `MILENA_TEST_BROKER=kafka` judges Apache Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use clients::{Clients, Ends, PROGRAMS, Scene};
use faults::{Chaos, REPLICAS};
use figures::Figures;
use history::Event;
use milena_protocol::messages::CreateTopicsRequest;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_tests::{Dice, Flavor, Network, Node, Role, SmallDisk, TestCluster, within};

mod clients;
mod cuts;
mod faults;
mod figures;
mod history;
mod verdict;

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const TOPIC: (&str, u32) = ("checked", 6);
const CONFIGS: [(&str, &str); 3] =
    [("min.insync.replicas", "2"), ("segment.bytes", "1048576"), ("retention.ms", "-1")];
/// Records that every program must get acknowledged after a round before the next one begins.
const PROGRESS: u64 = 50;
/// The disk of the last node: room for a long run.
const DISK_BYTES: u64 = 4 << 30;
/// Anomalies that are printed.
const SHOWN_MAX: usize = 30;

/// How a run is repeated; said when it fails.
#[derive(Debug)]
struct Plan {
    seed: u64,
    seconds: u64,
    brokers: usize,
    rate: u32,
}

impl Drop for Plan {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { seed, seconds, brokers, rate } = self;
            eprintln!("again: make checker SEED={seed} SECONDS={seconds} BROKERS={brokers} RATE={rate}");
        }
    }
}

#[test]
fn acknowledged_records_outlive_every_fault() {
    let plan = Plan {
        seed: setting("SEED", 1),
        seconds: setting("SECONDS", 20),
        brokers: setting("BROKERS", 3),
        rate: setting("RATE", 200),
    };
    let (cluster, disk) = start(plan.brokers);
    create(&cluster);
    let bootstrap = cluster.bootstrap();
    let folder = cluster.node(1).folder().parent().unwrap().to_owned();
    let (topic, partitions) = TOPIC;
    let hosts = cluster.network().unwrap().hosts()[plan.brokers..].to_vec();
    let scene =
        Scene { bootstrap: &bootstrap, topic, partitions, rate: plan.rate, folder: &folder, hosts: &hosts };
    let mut clients = Clients::start_all(scene);
    let controllers: Vec<_> = cluster.nodes().iter().map(Node::controller_address).collect();
    let watch = Clients::watch(scene, &controllers.join(","));
    let mut chaos = Chaos::new(cluster, disk, TOPIC, &setting("FAULTS", String::new()));
    let started = Instant::now();
    let mut stood = Vec::new();
    let mut is_live = true;
    for step in 0.. {
        is_live = makes_progress(&mut clients);
        stood = standing(&clients);
        if !is_live || !stood.is_empty() || started.elapsed() >= Duration::from_secs(plan.seconds) {
            break;
        }
        eprintln!("round {step} at {:?}", started.elapsed());
        chaos.round(&mut Dice::new(plan.seed, step));
    }
    clients.iter().for_each(Clients::ask_to_end);
    watch.ask_to_end();
    let mut history: Vec<Event> = clients.into_iter().chain([watch]).flat_map(Clients::history).collect();
    history.extend(stood);
    for node in 1..=plan.brokers as i32 {
        if !chaos.lead(node) {
            history.push(Event::Lagged { node });
        }
        history.extend(Clients::audit(scene, node as u32 - 1).history());
    }
    let anomalies = verdict::judge(&history);
    let figures = Figures::of(&history);
    eprintln!("seed {}, {} brokers, {:?}", plan.seed, plan.brokers, started.elapsed());
    figures.print(chaos.done(), &anomalies);
    anomalies.iter().take(SHOWN_MAX).for_each(|anomaly| eprintln!("{anomaly:?}"));
    assert!(anomalies.is_empty(), "{} anomalies", anomalies.len());
    assert!(is_live, "nothing is acknowledged any more to one of the programs");
    assert_eq!(figures.unanswered(), 0, "records without an answer");
    assert_eq!(figures.failed(), 0, "records given up");
}

/// Whether every program gets some records acknowledged now that all faults are healed.
fn makes_progress(clients: &mut [Clients]) -> bool {
    clients.iter_mut().all(|clients| {
        let before = clients.acknowledged();
        within(PATIENCE, || (clients.acknowledged() >= before + PROGRESS).then_some(())).is_some()
    })
}

/// The consumers that are not handed, now that all faults are healed, what was acknowledged until now.
fn standing(clients: &[Clients]) -> Vec<Event> {
    let mut ends = Ends::new();
    for (partition, end) in clients.iter().flat_map(Clients::ends) {
        let known = ends.entry(partition).or_default();
        *known = end.max(*known);
    }
    let behind = || clients.iter().flat_map(|clients| clients.behind(&ends)).collect::<Vec<_>>();
    within(PATIENCE, || behind().is_empty().then(Vec::new)).unwrap_or_else(behind)
}

/// So many brokers, each on a host of its own, and the disk of the last one; a host more for each client program.
fn start(brokers: usize) -> (TestCluster, Option<SmallDisk>) {
    let flavor = Flavor::wanted();
    let network = Network::start(brokers + PROGRAMS);
    let nodes = vec![(Role::Combined, flavor); brokers];
    let session = setting("SESSION_MS", "9000".to_owned());
    let settings = [("broker.session.timeout.ms", session.as_str()), ("broker.heartbeat.interval.ms", "500")];
    let mut cluster = TestCluster::prepare_on(network, &nodes, &settings).unwrap();
    // Kafka formats what would be hidden, and ends for good without room.
    let disk = (flavor == Flavor::Milena).then(|| {
        let data = cluster.node(brokers as i32).folder().join("data");
        fs::create_dir(&data).unwrap();
        SmallDisk::mount(&data, DISK_BYTES)
    });
    cluster.launch_all().unwrap();
    cluster.await_all();
    (cluster, disk)
}

fn create(cluster: &TestCluster) {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    };
    let (name, partitions) = TOPIC;
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions as i32,
        replication_factor: REPLICAS as i16,
        configs: CONFIGS.iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, validate_only: false };
    let answer = cluster.node(1).ask(7, &request).unwrap();
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
}

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    let value = std::env::var(format!("MILENA_CHECKER_{name}")).ok();
    value.and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}
