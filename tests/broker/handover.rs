//! The metadata log and its snapshots are Kafka's: a broker of Apache Kafka goes on from our data directory, and ours
//! from what it leaves.

use std::fs;

use milena_tests::wait::eventually;
use milena_tests::{Flavor, Process, TestBroker, dump, java};

use crate::PATIENCE;

/// A snapshot after nearly every change, and nothing kept before the latest two.
const SNAPSHOTS: &[(&str, &str)] =
    &[("metadata.log.max.record.bytes.between.snapshots", "100"), ("metadata.max.retention.bytes", "1000")];

#[test]
fn apache_kafka_goes_on_from_our_log_and_we_from_its() {
    let mut broker = TestBroker::start_with(Flavor::Milena, SNAPSHOTS).unwrap();
    create(&broker, "ours");
    produce(&broker, "ours", "from us");
    eventually("a log that was cut before a snapshot", PATIENCE, || {
        let (snapshots, segments) = (files(&broker, ".checkpoint"), files(&broker, ".log"));
        let is_cut = segments.iter().all(|name| !name.starts_with(FIRST));
        (is_cut && snapshots.iter().all(|name| !name.starts_with(FIRST))).then_some(())
    });
    broker.kill();
    dump::assert_readable(&broker);

    let mut kafka = java::java();
    kafka.arg("kafka.Kafka").arg(broker.data().with_file_name("server.properties"));
    let mut kafka = Process::start(kafka).unwrap();
    eventually("Apache Kafka on our data", PATIENCE, || topics(&broker).ok());
    create(&broker, "theirs");
    produce(&broker, "theirs", "from them");
    assert_eq!(consume(&broker, "ours"), "from us");
    let ours = files(&broker, ".checkpoint");
    eventually("a snapshot of Apache Kafka's", PATIENCE, || {
        files(&broker, ".checkpoint").iter().any(|name| !ours.contains(name)).then_some(())
    });
    kafka.kill();

    broker.restart().unwrap();
    let names = topics(&broker).unwrap();
    let latest = files(&broker, ".checkpoint").pop();
    assert!(latest.is_some_and(|latest| !ours.contains(&latest)));
    assert!(names.contains("ours") && names.contains("theirs"), "{names}");
    assert_eq!(consume(&broker, "theirs"), "from them");
    broker.kill();
    dump::assert_readable(&broker);
}

/// How the names of the first segment and the first snapshot begin.
const FIRST: &str = "00000000000000000000";

/// Names in the folder of the metadata log that end so, sorted.
fn files(broker: &TestBroker, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(broker.data().join("__cluster_metadata-0")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(suffix)).collect();
    names.sort();
    names
}

fn create(broker: &TestBroker, topic: &str) {
    command(broker, &["--create", "--topic", topic, "--partitions", "1"]).unwrap();
}

fn topics(broker: &TestBroker) -> anyhow::Result<String> {
    command(broker, &["--list"])
}

fn command(broker: &TestBroker, arguments: &[&str]) -> anyhow::Result<String> {
    let bootstrap = broker.bootstrap();
    java::tool(
        "org.apache.kafka.tools.TopicCommand",
        &[&["--bootstrap-server", &bootstrap], arguments].concat(),
    )
}

fn produce(broker: &TestBroker, topic: &str, value: &str) {
    let arguments = ["--bootstrap-server", &broker.bootstrap(), "--topic", topic];
    java::tool_with_input("org.apache.kafka.tools.ConsoleProducer", &arguments, value).unwrap();
}

fn consume(broker: &TestBroker, topic: &str) -> String {
    let bootstrap = broker.bootstrap();
    let from =
        ["--bootstrap-server", &bootstrap, "--topic", topic, "--partition", "0", "--offset", "earliest"];
    let limits = ["--max-messages", "1", "--timeout-ms", "20000"];
    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    java::tool(class, &[&from[..], &limits[..]].concat())
        .unwrap()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
