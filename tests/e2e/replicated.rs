//! Clusters of several brokers, while records flow: applied, grown, rolled, a pod killed, replicas moved, the operator
//! killed in between. On one node or on several; `NODES=3 make kubernetes` makes three in three zones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

use crate::fixture::{CLUSTER, Fixture, LIMIT};
use crate::kafka::Kafka;
use crate::kubernetes::{eventually, run};
use crate::operator;

const TOPIC: &str = "orders";
/// Records that each run of the producer sends.
const BATCH: usize = 200;

/// Produces while `steps` run; every send must succeed. Yields how many runs there were.
fn under_load(kafka: &Kafka, steps: impl FnOnce() -> Result<()>) -> Result<usize> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut runs = 0;
            while !done.load(Ordering::Relaxed) {
                kafka.produce(TOPIC, &run_name(runs), BATCH)?;
                runs += 1;
            }
            Ok::<_, anyhow::Error>(runs)
        });
        let outcome = steps();
        done.store(true, Ordering::Relaxed);
        let runs = producer.join().map_err(|_| anyhow!("the producer panicked"))?;
        outcome.and(runs)
    })
}

fn run_name(run: usize) -> String {
    format!("run{run:04}")
}

/// All of what was sent is there, once.
fn has_all(kafka: &Kafka, runs: usize) -> Result<()> {
    let names: Vec<_> = (0..runs).map(run_name).collect();
    let produced: Vec<_> = names.iter().map(|name| (name.as_str(), BATCH)).collect();
    kafka.has_exactly(TOPIC, &produced)
}

/// Waits until the cluster is ready with the newest spec, and all of its pods are others than `before`.
fn await_rolled(fixture: &Fixture, before: &[(String, String)]) -> Result<()> {
    eventually(LIMIT * 2, "every broker was replaced", || {
        let now = fixture.ready_brokers()?;
        ensure!(now.len() == before.len(), "{} of {} brokers are ready", now.len(), before.len());
        ensure!(now.iter().all(|pod| !before.contains(pod)), "not all are new: {now:?}");
        Ok(Some(()))
    })?;
    await_ready(fixture)
}

fn await_ready(fixture: &Fixture) -> Result<()> {
    fixture.await_observed(CLUSTER)?;
    fixture.namespace.wait(CLUSTER, "Ready", LIMIT)
}

#[test]
fn three_brokers_serve_through_rolls_and_moves_and_a_killed_pod() -> Result<()> {
    Fixture::new("three")?.check(|fixture| {
        let began = Instant::now();
        fixture.apply_cluster_with("brokers: 3, deleteClaims: true")?;
        fixture.namespace.wait(CLUSTER, "Ready", LIMIT)?;
        println!("three brokers applied -> Ready: {:.1} s (goal 10 s)", began.elapsed().as_secs_f64());
        fixture.topic(TOPIC, 6)?;
        let replicas = fixture.namespace.field("kafkatopic/orders", "{.status.replicationFactor}")?;
        ensure!(replicas == "3", "the topic has {replicas} replicas");
        let kafka = fixture.kafka()?;
        let runs = under_load(&kafka, || {
            let before = fixture.ready_brokers()?;
            let began = Instant::now();
            fixture.apply_cluster_with("brokers: 3, deleteClaims: true, config: {num.partitions: 2}")?;
            eventually(LIMIT, "the first broker is replaced", || {
                let now = fixture.ready_brokers()?;
                ensure!(now.iter().any(|pod| !before.contains(pod)), "none is yet");
                Ok(Some(()))
            })?;
            // In the middle of it there is no operator for a moment.
            operator::scale(0)?;
            operator::scale(1)?;
            await_rolled(fixture, &before)?;
            println!("configuration changed -> rolled: {:.1} s", began.elapsed().as_secs_f64());

            fixture.namespace.kubectl(&["delete", "pod", "demo-broker-1", "--grace-period=0", "--force"])?;
            eventually(LIMIT, "three brokers are ready again", || {
                let ready = fixture.ready_brokers()?.len();
                ensure!(ready == 3, "{ready} are ready");
                Ok(Some(()))
            })?;
            await_ready(fixture)?;
            for replicas in [1, 3, 2] {
                let began = Instant::now();
                fixture.topic_with(TOPIC, &format!("partitions: 6, replicationFactor: {replicas}"))?;
                println!("replicationFactor {replicas}: {:.1} s", began.elapsed().as_secs_f64());
            }
            Ok(())
        })?;
        println!("{} records sent, none failed", runs * BATCH);
        has_all(&kafka, runs)
    })
}

#[test]
fn one_broker_grows_to_three() -> Result<()> {
    Fixture::new("grow")?.check(|fixture| {
        let kafka = fixture.cluster(true)?;
        fixture.topic(TOPIC, 3)?;
        kafka.produce(TOPIC, &run_name(0), BATCH)?;
        let began = Instant::now();
        fixture.apply_cluster_with("brokers: 3, deleteClaims: true, rebalance: true")?;
        eventually(LIMIT, "three brokers are ready", || {
            let ready = fixture.ready_brokers()?.len();
            ensure!(ready == 3, "{ready} are ready");
            Ok(Some(()))
        })?;
        await_ready(fixture)?;
        println!("one broker -> three: {:.1} s", began.elapsed().as_secs_f64());
        fixture.topic_with(TOPIC, "partitions: 3, replicationFactor: 3")?;
        has_all(&kafka, 1)
    })
}

#[test]
fn dedicated_controllers_and_brokers_roll_under_load() -> Result<()> {
    Fixture::new("dedicated")?.check(|fixture| {
        let spec = "brokers: 3, controllers: {storage: {size: 1Gi}}, deleteClaims: true";
        let began = Instant::now();
        fixture.apply_cluster_with(spec)?;
        fixture.namespace.wait(CLUSTER, "Ready", LIMIT)?;
        println!("three brokers, three controllers -> Ready: {:.1} s", began.elapsed().as_secs_f64());
        fixture.topic(TOPIC, 6)?;
        let kafka = fixture.kafka()?;
        let runs = under_load(&kafka, || {
            let before = fixture.ready_brokers()?;
            let began = Instant::now();
            fixture.apply_cluster_with(&format!("{spec}, config: {{num.partitions: 2}}"))?;
            await_rolled(fixture, &before)?;
            println!("both rolled: {:.1} s", began.elapsed().as_secs_f64());
            Ok(())
        })?;
        println!("{} records sent, none failed", runs * BATCH);
        has_all(&kafka, runs)
    })
}

#[test]
fn a_drained_node_takes_one_broker_with_it_until_it_is_back() -> Result<()> {
    Fixture::new("drain")?.check(|fixture| {
        fixture.apply_cluster_with("brokers: 3, deleteClaims: true")?;
        fixture.namespace.wait(CLUSTER, "Ready", LIMIT)?;
        fixture.topic(TOPIC, 6)?;
        let kafka = fixture.kafka()?;
        let node = fixture.namespace.field("pod/demo-broker-1", "{.spec.nodeName}")?;
        let runs = under_load(&kafka, || {
            let brokers = "--pod-selector=statefulset.kubernetes.io/pod-name=demo-broker-1";
            let uid = fixture.namespace.field("pod/demo-broker-1", "{.metadata.uid}")?;
            let drained = run("kubectl", &["drain", &node, brokers, "--force", "--timeout=80s"]);
            let pending = drained.and_then(|_| {
                eventually(LIMIT, "the broker waits for its node", || {
                    let of = "{.metadata.uid} {.status.phase}";
                    let pod = fixture.namespace.field("pod/demo-broker-1", of)?;
                    ensure!(pod.ends_with("Pending") && !pod.starts_with(&uid), "{pod}");
                    Ok(Some(()))
                })
            });
            run("kubectl", &["uncordon", &node])?;
            pending?;
            eventually(LIMIT, "three brokers are ready again", || {
                let ready = fixture.ready_brokers()?.len();
                ensure!(ready == 3, "{ready} are ready");
                Ok(Some(()))
            })?;
            await_ready(fixture)
        })?;
        println!("{} records sent, none failed", runs * BATCH);
        has_all(&kafka, runs)
    })
}
