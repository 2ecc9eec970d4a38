//! What clients notice when a broker goes: Milena beside Apache Kafka, three processes each, everybody's defaults.
//!
//! In each round every case happens once, while a Java producer and one of librdkafka write at a steady rate into twelve
//! partitions of three replicas each. A case begins with leaders where it wants them and ends when every partition is
//! acknowledged again; then the cluster is made whole. All that was acknowledged is read back at the end.

mod case;
mod clients;
mod history;
mod readback;
mod table;

use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use self::case::{CASES, Fault, Victim};
use self::clients::{Client, FAMILIES, PARTITIONS};
use self::history::Trouble;
use self::table::Table;
use crate::cluster::{Cluster, NODES, wait_for};
use crate::network::Network;
use crate::server::Peer;

/// How long a process that lives cannot answer.
const ABSENCE: Duration = Duration::from_secs(20);
/// Clients write for so long before the first case: both sides of a JVM are warm then.
const WARM_UP: Duration = Duration::from_secs(10);
/// Nothing happens for so long before a case, and after it.
const REST: Duration = Duration::from_secs(2);
/// Rounds of cases that take half a minute.
const SLOW_ROUNDS_MAX: usize = 2;

/// Once a case.
#[derive(Debug)]
struct Happening {
    case: usize,
    /// From the fault until every partition was acknowledged again, in microseconds since 1970.
    time: Range<i64>,
    /// Until another broker named no leader, nor a controller, that was hit.
    replaced_ms: f64,
}

/// Runs `wanted` cases, all without any, and prints the table.
pub(crate) fn run(wanted: &[&str], rounds: usize, peers: &[Peer], data: &Path) -> anyhow::Result<()> {
    if let Some(name) = wanted.iter().find(|name| CASES.iter().all(|case| case.key != **name)) {
        bail!("no case is called {name}");
    }
    let mut table = Table::default();
    for peer in peers {
        let run = measure(*peer, wanted, rounds, data, &mut table);
        run.with_context(|| format!("with {}", peer.name()))?;
    }
    println!("{}", table.markdown());
    Ok(())
}

fn measure(peer: Peer, wanted: &[&str], rounds: usize, data: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(peer, data, Some(Network::new(NODES.unsigned_abs())?))?;
    FAMILIES.iter().try_for_each(|family| cluster.create_topic(family, PARTITIONS))?;
    let mut clients =
        FAMILIES.map(|family| Client::start(family, &cluster)).into_iter().collect::<Result<Vec<_>, _>>()?;
    clients.iter_mut().try_for_each(|client| client.await_answers(0))?;
    thread::sleep(WARM_UP);
    let started = Instant::now();
    let mut happenings = Vec::new();
    for round in 0..rounds {
        for (index, case) in CASES.iter().enumerate() {
            let is_slow = !case.fault.ends_process();
            if (wanted.is_empty() || wanted.contains(&case.key)) && !(is_slow && round >= SLOW_ROUNDS_MAX) {
                eprintln!("[{:4.0} s] {}: {}", started.elapsed().as_secs_f64(), peer.name(), case.name);
                happenings.push(happen(index, &mut cluster, &mut clients)?);
            }
        }
    }
    clients.iter_mut().try_for_each(Client::finish)?;
    for client in &clients {
        let copies = readback::copies(&cluster, client.family)?;
        let history = client.history();
        let troubles: Vec<Trouble> =
            happenings.iter().map(|happening| history.trouble(&happening.time, &copies)).collect();
        table.add(peer, client.family, &happenings, &troubles);
        table.add_whole(peer, client.family, history.count(), history.trouble(&(0..i64::MAX), &copies));
        history.reasons().iter().for_each(|reason| eprintln!("{}, {}: {reason}", peer.name(), client.family));
    }
    Ok(())
}

/// Lets one case happen, and makes the cluster whole again.
fn happen(index: usize, cluster: &mut Cluster, clients: &mut [Client]) -> anyhow::Result<Happening> {
    let case = &CASES[index];
    let controller = cluster.controller(1)?;
    let victim = if case.victim == Victim::Leader { controller % NODES + 1 } else { controller };
    let leader = |partition: i32| match case.victim {
        Victim::Controller => (controller + partition % (NODES - 1)) % NODES + 1,
        Victim::Leader | Victim::Both => partition % NODES + 1,
    };
    FAMILIES.iter().try_for_each(|family| cluster.lead(family, leader))?;
    thread::sleep(REST);
    let (start_us, started) = (now_us(), Instant::now());
    inject(case.fault, victim, cluster)?;
    let other = cluster.other(victim).id;
    if case.victim != Victim::Leader {
        wait_for("another controller", || cluster.node(other).controller().filter(|id| *id != victim))?;
    }
    for family in FAMILIES {
        wait_for("other leaders", || {
            let partitions = cluster.node(other).partitions(family)?;
            let is_led = |id: i32| id >= 0 && id != victim;
            partitions.iter().all(|partition| is_led(partition.leader_id)).then_some(())
        })?;
    }
    let replaced_ms = started.elapsed().as_secs_f64() * 1000.0;
    if !case.fault.ends_process() {
        thread::sleep(ABSENCE.saturating_sub(started.elapsed()));
        relieve(case.fault, victim, cluster)?;
    }
    let healed_us = now_us();
    clients.iter_mut().try_for_each(|client| client.await_answers(healed_us))?;
    thread::sleep(REST);
    let time = start_us..now_us();
    if case.fault.ends_process() {
        cluster.await_end(victim)?;
        cluster.launch(victim)?;
    }
    cluster.await_all()?;
    FAMILIES.iter().try_for_each(|family| cluster.await_in_sync(family))?;
    Ok(Happening { case: index, time, replaced_ms })
}

fn inject(fault: Fault, victim: i32, cluster: &mut Cluster) -> anyhow::Result<()> {
    match fault {
        Fault::Stop => cluster.node(victim).process()?.signal("TERM"),
        Fault::Kill => cluster.kill(victim),
        Fault::Pause => cluster.node(victim).process()?.signal("STOP"),
        Fault::Cut => cluster.cut(victim)?,
    }
    Ok(())
}

fn relieve(fault: Fault, victim: i32, cluster: &Cluster) -> anyhow::Result<()> {
    match fault {
        Fault::Pause => cluster.node(victim).process()?.signal("CONT"),
        Fault::Cut => cluster.mend(victim)?,
        Fault::Stop | Fault::Kill => {}
    }
    Ok(())
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
