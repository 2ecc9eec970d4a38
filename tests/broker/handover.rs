//! The metadata log is Kafka's: a broker of Apache Kafka goes on from our data directory, and ours from what it leaves.

use milena_tests::wait::eventually;
use milena_tests::{Flavor, Process, TestBroker, java};

use crate::{PATIENCE, dump};

#[test]
fn apache_kafka_goes_on_from_our_log_and_we_from_its() {
    let mut broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    create(&broker, "ours");
    produce(&broker, "ours", "from us");
    broker.kill();
    dump::assert_readable(&broker);

    let mut kafka = java::java();
    kafka.arg("kafka.Kafka").arg(broker.data().with_file_name("server.properties"));
    let mut kafka = Process::start(kafka).unwrap();
    eventually("Apache Kafka on our data", PATIENCE, || topics(&broker).ok());
    create(&broker, "theirs");
    produce(&broker, "theirs", "from them");
    assert_eq!(consume(&broker, "ours"), "from us");
    kafka.kill();

    broker.restart().unwrap();
    let names = topics(&broker).unwrap();
    assert!(names.contains("ours") && names.contains("theirs"), "{names}");
    assert_eq!(consume(&broker, "theirs"), "from them");
    broker.stop();
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
