//! Broker and operator as pods of a real Kubernetes, as people have them: the chart, manifests, a client in a pod.
//!
//! Wants a cluster and the images in it (`make e2e` brings both up). The tests take turns, because they share the
//! operator, install it and take it away.

mod fixture;
mod kafka;
mod kubernetes;
mod load;
mod operator;
mod replicated;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use fixture::{CLUSTER, Fixture, LIMIT, prepare, take_turn, wait_for_earlier_tests};
use kafka::records;
use kubernetes::{objects, wait_for_objects};

const TOPIC: &str = "orders";

#[test]
fn a_cluster_is_ready_soon_after_it_is_applied() -> Result<()> {
    Fixture::new("ready")?.check(|fixture| {
        let began = Instant::now();
        let kafka = fixture.cluster(true)?;
        println!("cluster applied -> Ready: {:.1} s (goal 10 s)", began.elapsed().as_secs_f64());
        let began = Instant::now();
        fixture.topic(TOPIC, 3)?;
        println!("topic applied -> Ready: {:.1} s", began.elapsed().as_secs_f64());

        let metadata = kafka.metadata()?;
        let brokers = metadata["brokers"].as_array().context("brokers")?;
        ensure!(brokers.len() == 1, "{metadata}");
        let own_service = format!("demo-broker-0.{}.svc", fixture.namespace.name);
        ensure!(brokers[0]["name"].to_string().contains(&own_service), "clients are told {}", brokers[0]);
        let topics = metadata["topics"].as_array().context("topics")?;
        let orders = topics.iter().find(|topic| topic["topic"] == TOPIC).context("the topic is not there")?;
        ensure!(orders["partitions"].as_array().is_some_and(|partitions| partitions.len() == 3), "{orders}");

        kafka.produce(TOPIC, "first", 100)?;
        kafka.has_exactly(TOPIC, &[("first", 100)])
    })
}

#[test]
fn a_broker_may_do_nothing_but_run() -> Result<()> {
    Fixture::without_client("hardened")?.check(|fixture| {
        fixture.apply_cluster(true)?;
        fixture.namespace.wait(CLUSTER, "Ready", LIMIT)?;
        let pod = format!("pod/{}", fixture.broker_pod()?.name);
        // The kubelet starts no container as root under runAsNonRoot: a running one proves it.
        for (path, expected) in [
            ("{.spec.securityContext.runAsNonRoot}", "true"),
            ("{.spec.securityContext.seccompProfile.type}", "RuntimeDefault"),
            ("{.spec.containers[*].securityContext.readOnlyRootFilesystem}", "true"),
            ("{.spec.containers[*].securityContext.allowPrivilegeEscalation}", "false"),
            ("{.spec.containers[*].securityContext.capabilities.drop[*]}", "ALL"),
            ("{.spec.enableServiceLinks}", "false"),
        ] {
            let found = fixture.namespace.field(&pod, path)?;
            ensure!(found == expected, "{path} is {found:?}, expected {expected}");
        }
        Ok(())
    })
}

#[test]
fn records_and_committed_offsets_outlive_the_broker_pod() -> Result<()> {
    Fixture::new("restart")?.check(|fixture| {
        let kafka = fixture.cluster(true)?;
        fixture.topic(TOPIC, 3)?;
        kafka.produce(TOPIC, "before", 500)?;
        ensure!(
            kafka.consume_as("readers", TOPIC, 500)? == records("before", 500),
            "the group missed records"
        );

        let began = Instant::now();
        fixture.replace_broker_pod()?;
        println!("broker pod deleted -> its successor Ready: {:.1} s", began.elapsed().as_secs_f64());
        kafka.has_exactly(TOPIC, &[("before", 500)])?;
        kafka.produce(TOPIC, "after", 100)?;
        kafka.has_exactly(TOPIC, &[("before", 500), ("after", 100)])?;
        ensure!(
            kafka.consume_as("readers", TOPIC, 100)? == records("after", 100),
            "the group did not resume"
        );
        fixture.namespace.wait(CLUSTER, "Ready", LIMIT)
    })
}

#[test]
fn brokers_serve_and_come_back_while_there_is_no_operator() -> Result<()> {
    Fixture::new("alone")?.check(|fixture| {
        let kafka = fixture.cluster(true)?;
        fixture.topic(TOPIC, 3)?;
        let before = fixture.broker_pod()?;
        operator::scale(0)?;
        kafka.produce(TOPIC, "alone", 100)?;
        kafka.has_exactly(TOPIC, &[("alone", 100)])?;
        ensure!(fixture.broker_pod()? == before, "the broker pod is another one");

        let successor = fixture.replace_broker_pod()?;
        kafka.has_exactly(TOPIC, &[("alone", 100)])?;
        operator::scale(1)?;
        fixture.topic("made-afterwards", 1)?;
        ensure!(fixture.broker_pod()? == successor, "the operator that came back touched the broker pod");
        Ok(())
    })
}

#[test]
fn clusters_outlive_upgrade_uninstallation_and_reinstallation_of_the_chart() -> Result<()> {
    Fixture::new("chart")?.check(|fixture| {
        let kafka = fixture.cluster(true)?;
        fixture.topic(TOPIC, 3)?;
        let pod = fixture.broker_pod()?;
        kafka.produce(TOPIC, "before", 50)?;
        // Their topics would keep the chart, too.
        wait_for_earlier_tests(Some(&fixture.namespace))?;

        operator::upgrade()?;
        kafka.produce(TOPIC, "upgraded", 50)?;

        // A topic whose deletion only the operator can finish: the chart refuses, and says which.
        let Err(refusal) = operator::uninstall() else {
            bail!("uninstalled although {TOPIC} has a finalizer")
        };
        let pods = operator::namespace().kubectl(&["get", "deployment/milena-operator", "--output=name"])?;
        ensure!(!pods.is_empty(), "the refused uninstallation took the operator");
        ensure!(format!("{refusal:#}").contains(TOPIC), "the refusal does not name the topic: {refusal:#}");
        operator::upgrade().context("upgrade after the refused uninstallation")?;

        let retain = [
            "patch",
            "kafkatopic",
            TOPIC,
            "--type=merge",
            "--patch",
            r#"{"spec":{"deletionPolicy":"Retain"}}"#,
        ];
        fixture.namespace.kubectl(&retain)?;
        let released = || {
            Ok(fixture
                .namespace
                .field("kafkatopic/orders", "{.metadata.finalizers}")?
                .is_empty()
                .then_some(()))
        };
        kubernetes::eventually(LIMIT, "the topic has no finalizer", released)?;
        operator::uninstall()?;
        operator::wait_until_gone()?;
        kafka.produce(TOPIC, "uninstalled", 50)?;

        operator::install()?;
        fixture.topic("made-afterwards", 1)?;
        let produced = [("before", 50), ("upgraded", 50), ("uninstalled", 50)];
        kafka.has_exactly(TOPIC, &produced)?;
        ensure!(fixture.broker_pod()? == pod, "the broker pod was restarted or replaced");
        Ok(())
    })
}

#[test]
fn a_cluster_made_anew_finds_its_volume_and_its_records() -> Result<()> {
    Fixture::new("adopt")?.check(|fixture| {
        let kafka = fixture.cluster(false)?;
        fixture.topic(TOPIC, 3)?;
        kafka.produce(TOPIC, "kept", 100)?;
        let id = fixture.namespace.field(CLUSTER, "{.status.clusterId}")?;
        // Without its resource first, so that the topic itself stays.
        fixture.namespace.kubectl(&[
            "patch",
            "kafkatopic",
            TOPIC,
            "--type=merge",
            "--patch",
            r#"{"spec":{"deletionPolicy":"Retain"}}"#,
        ])?;
        fixture.namespace.kubectl(&["delete", "kafkatopic", TOPIC, "--timeout=60s"])?;
        fixture.namespace.kubectl(&[
            "delete",
            "kafkacluster",
            "demo",
            "--cascade=foreground",
            "--timeout=90s",
        ])?;

        let kafka = fixture.cluster(false)?;
        kafka.has_exactly(TOPIC, &[("kept", 100)])?;
        let id_now = fixture.namespace.field(CLUSTER, "{.status.clusterId}")?;
        ensure!(id_now == id, "the cluster id was {id} and is {id_now}");
        fixture.topic(TOPIC, 3)
    })
}

#[test]
fn deleting_everything_leaves_nothing_behind() -> Result<()> {
    {
        let _turn = take_turn();
        prepare()?;
        operator::install()?;
        wait_for_earlier_tests(None)?;
        operator::uninstall()?;
        operator::namespace().delete()?;
    }
    let nothing = objects_once_settled()?;
    let fixture = Fixture::new("nothing")?;
    fixture.check(|fixture| {
        let installed = objects_once_settled()?;
        let kafka = fixture.cluster(true)?;
        fixture.topic(TOPIC, 3)?;
        kafka.produce(TOPIC, "doomed", 10)?;
        ensure!(objects()?.len() > installed.len() + 5, "the comparison sees no objects of the cluster");

        fixture.namespace.kubectl(&["delete", "kafkatopic", TOPIC, "--timeout=60s"])?;
        let topics = kafka.metadata()?;
        ensure!(!topics["topics"].to_string().contains(TOPIC), "the topic outlived its resource: {topics}");
        fixture.namespace.kubectl(&["delete", "kafkacluster", "demo", "--timeout=60s"])?;
        wait_for_objects(LIMIT, &installed).context("after the cluster was deleted")
    })?;
    fixture.namespace.delete()?;
    operator::uninstall()?;
    operator::namespace().delete()?;
    wait_for_objects(LIMIT, &nothing).context("after the operator was uninstalled")
}

/// The objects, once two looks in a row agree: what was deleted before goes first.
fn objects_once_settled() -> Result<BTreeSet<String>> {
    let mut before = objects()?;
    kubernetes::eventually(LIMIT, "no object comes or goes", || {
        thread::sleep(Duration::from_secs(2));
        let now = objects()?;
        let changed: Vec<_> = now.symmetric_difference(&before).cloned().collect();
        before.clone_from(&now);
        ensure!(changed.is_empty(), "{changed:#?}");
        Ok(Some(now))
    })
}
