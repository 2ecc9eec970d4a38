//! Clusters of several brokers, while records flow: applied, grown, rolled, a pod killed, replicas moved, a node drained,
//! and the operator killed in the midst of each. On one node or on several; `NODES=3 make kubernetes` makes three in
//! three zones.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::fixture::{self, BROKERS, CLUSTER, Fixture, LIMIT, NEXT_IMAGE};
use crate::kafka::Kafka;
use crate::kubernetes::{eventually, run};
use crate::load::under_load;
use crate::operator;

const TOPIC: &str = "orders";
const SPEC: &str = "brokers: 3, deleteClaims: true";

/// Does a step, in the midst of which the operator is killed: at some moment before `latest`, if the step lasts so long.
fn unattended(what: &str, latest: Duration, step: impl FnOnce() -> Result<()>) -> Result<()> {
    let moment = latest.mul_f64(RandomState::new().hash_one(what) as f64 / u64::MAX as f64);
    let began = Instant::now();
    operator::killed_after(moment, step)
        .with_context(|| format!("{what}, operator killed after {moment:?}"))?;
    let (took, killed) = (began.elapsed().as_secs_f64(), moment.as_secs_f64());
    eprintln!("{what}: {took:.1} s, the operator killed after {killed:.1} s");
    Ok(())
}

/// Replaces every broker by what another spec says.
fn roll(fixture: &Fixture, spec: &str) -> Result<()> {
    let before = fixture.ready_brokers()?;
    fixture.apply_cluster_with(spec)?;
    await_rolled(fixture, &before)
}

/// The zones of the replicas of each partition of the topic.
fn zones(fixture: &Fixture, kafka: &Kafka) -> Result<Vec<BTreeSet<String>>> {
    let template =
        "--output=jsonpath={range .items[*]}{.metadata.labels['topology\\.kubernetes\\.io/zone']} {end}";
    let listing =
        fixture.namespace.kubectl(&["get", "pods", BROKERS, "--sort-by=.metadata.name", template])?;
    let zone_of: Vec<&str> = listing.split_whitespace().collect();
    let metadata = kafka.metadata()?;
    let topics = metadata["topics"].as_array().context("topics")?;
    let topic = topics.iter().find(|topic| topic["topic"] == TOPIC).context("the topic is not there")?;
    let zones = |partition: &Value| {
        let replicas = partition["replicas"].as_array().into_iter().flatten();
        let ids = replicas.filter_map(|replica| usize::try_from(replica["id"].as_u64()?).ok());
        ids.filter_map(|id| zone_of.get(id).map(|zone| (*zone).to_owned())).collect()
    };
    Ok(topic["partitions"].as_array().context("partitions")?.iter().map(zones).collect())
}

fn await_brokers(fixture: &Fixture) -> Result<()> {
    eventually(LIMIT, "three brokers are ready again", || {
        let ready = fixture.ready_brokers()?.len();
        ensure!(ready == 3, "{ready} are ready");
        Ok(Some(()))
    })?;
    await_ready(fixture)
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
        unattended("three brokers applied", Duration::from_secs(3), || {
            fixture.apply_cluster_with(SPEC)?;
            fixture.await_observed(CLUSTER)?;
            fixture.namespace.wait(CLUSTER, "Ready", LIMIT)
        })?;
        fixture.topic(TOPIC, 6)?;
        let replicas = fixture.namespace.field("kafkatopic/orders", "{.status.replicationFactor}")?;
        ensure!(replicas == "3", "the topic has {replicas} replicas");
        let kafka = fixture.kafka()?;
        under_load(&kafka, TOPIC, || {
            let config = format!("{SPEC}, config: {{num.partitions: 2}}");
            unattended("configuration changed", Duration::from_secs(10), || roll(fixture, &config))?;
            let image = format!("{config}, image: {NEXT_IMAGE}");
            unattended("image changed", Duration::from_secs(10), || roll(fixture, &image))?;
            unattended("pod killed", Duration::from_secs(3), || {
                let killed = ["delete", "pod", "demo-broker-1", "--grace-period=0", "--force"];
                fixture.namespace.kubectl(&killed)?;
                await_brokers(fixture)
            })?;
            for replicas in [1, 3, 2] {
                let spec = format!("partitions: 6, replicationFactor: {replicas}");
                unattended(&format!("replicationFactor {replicas}"), Duration::from_secs(2), || {
                    fixture.topic_with(TOPIC, &spec)
                })?;
            }
            Ok(())
        })
    })
}

#[test]
fn one_broker_grows_to_three() -> Result<()> {
    Fixture::new("grow")?.check(|fixture| {
        let kafka = fixture.cluster(true)?;
        fixture.topic(TOPIC, 3)?;
        kafka.produce(TOPIC, "before", 200)?;
        let began = Instant::now();
        fixture.apply_cluster_with("brokers: 3, deleteClaims: true, rebalance: true")?;
        await_brokers(fixture)?;
        println!("one broker -> three: {:.1} s", began.elapsed().as_secs_f64());
        fixture.topic_with(TOPIC, "partitions: 3, replicationFactor: 3")?;
        kafka.has_exactly(TOPIC, &[("before", 200)])
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
        under_load(&kafka, TOPIC, || {
            let began = Instant::now();
            roll(fixture, &format!("{spec}, config: {{num.partitions: 2}}"))?;
            println!("both rolled: {:.1} s", began.elapsed().as_secs_f64());
            Ok(())
        })
    })
}

#[test]
fn a_drained_node_takes_one_broker_with_it_until_it_is_back() -> Result<()> {
    Fixture::new("drain")?.check(|fixture| {
        let began = Instant::now();
        fixture.apply_cluster_with(SPEC)?;
        fixture.namespace.wait(CLUSTER, "Ready", LIMIT)?;
        println!("three brokers applied -> Ready: {:.1} s (goal 10 s)", began.elapsed().as_secs_f64());
        fixture.topic(TOPIC, 6)?;
        let kafka = fixture.kafka()?;
        let zones = zones(fixture, &kafka)?;
        let everywhere = zones.iter().all(|zones| zones.len() == 3);
        ensure!(fixture::nodes()? < 3 || (zones.len() == 6 && everywhere), "not in three zones: {zones:?}");
        under_load(&kafka, TOPIC, || {
            unattended("node drained and back", Duration::from_secs(8), || drain_and_uncordon(fixture))
        })
    })
}

fn drain_and_uncordon(fixture: &Fixture) -> Result<()> {
    let node = fixture.namespace.field("pod/demo-broker-1", "{.spec.nodeName}")?;
    let uid = fixture.namespace.field("pod/demo-broker-1", "{.metadata.uid}")?;
    let broker = "--pod-selector=statefulset.kubernetes.io/pod-name=demo-broker-1";
    let drained = run("kubectl", &["drain", &node, broker, "--force", "--timeout=80s"]);
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
    await_brokers(fixture)
}
