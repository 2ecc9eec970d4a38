//! The command-line tools of Apache Kafka: topics, console producer and consumer, groups, offsets, configurations.

use std::collections::BTreeSet;

use milena_tests::{Flavor, TestBroker, java};

const TOPIC: &str = "hello-world";
const GROUP: &str = "console-readers";

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// Pitfall 21.
#[test]
fn console_tools_resume_after_a_killed_broker() {
    let mut broker = TestBroker::start().unwrap();
    let tools = Tools { bootstrap: broker.bootstrap() };
    let created = tools.run(TOPICS, &["--create", "--topic", TOPIC, "--partitions", "3"]);
    assert_eq!(created.trim(), "Created topic hello-world.");
    let described = tools.run(TOPICS, &["--describe", "--topic", TOPIC]);
    assert!(described.contains("PartitionCount: 3\tReplicationFactor: 1"), "{described}");
    assert!(described.contains("Partition: 2\tLeader: 1\tReplicas: 1\tIsr: 1"), "{described}");
    tools.produce(0..100);
    let mut seen = tools.consume(60);
    seen.extend(tools.consume(40));
    assert_eq!(seen, (0..100).collect());
    tools.produce(100..150);

    broker.kill();
    broker.restart().unwrap();
    assert_eq!(tools.consume(50), (100..150).collect());
    tools.check_group();
    tools.check_configs();
    let altered = tools.run(TOPICS, &["--alter", "--topic", TOPIC, "--partitions", "5"]);
    assert_eq!(altered.trim(), "");
    let shrunk = tools.fail(TOPICS, &["--alter", "--topic", TOPIC, "--partitions", "2"]);
    assert!(shrunk.contains("currently has 5 partition"), "{shrunk}");
    let listed = tools.run(TOPICS, &["--list"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["__consumer_offsets", TOPIC]);
    tools.run(TOPICS, &["--delete", "--topic", TOPIC]);
    assert_eq!(tools.run(TOPICS, &["--list"]).trim(), "__consumer_offsets");
}

/// Kafka's own check of what a client may rely on, and its tools that measure.
#[test]
fn compatibility_and_performance_tools_succeed() {
    let broker = TestBroker::start().unwrap();
    let tools = Tools { bootstrap: broker.bootstrap() };
    // Apache Kafka knows the request without an authorizer too.
    let has_acls = if broker.flavor() == Flavor::Kafka { "true" } else { "false" };
    let checked = tools.run(
        "org.apache.kafka.tools.ClientCompatibilityTest",
        &[
            ["--topic", "compatible"],
            ["--num-cluster-nodes", "1"],
            ["--offsets-for-times-supported", "true"],
            ["--cluster-id-supported", "true"],
            ["--create-topics-supported", "true"],
            ["--describe-configs-supported", "true"],
            ["--idempotent-producer-supported", "true"],
            ["--expect-record-too-large-exception", "False"],
            ["--describe-acls-supported", has_acls],
        ]
        .concat(),
    );
    assert!(checked.contains("SUCCESS"), "{checked}");
    let measured = tools.run(
        "org.apache.kafka.tools.ProducerPerformance",
        &[
            ["--topic", "measured"],
            ["--num-records", "20000"],
            ["--record-size", "500"],
            ["--throughput", "-1"],
            ["--command-property", "compression.type=zstd"],
        ]
        .concat(),
    );
    assert!(measured.contains("20000 records sent"), "{measured}");
    let measured = tools.run(
        "org.apache.kafka.tools.ConsumerPerformance",
        &["--topic", "measured", "--num-records", "20000"],
    );
    assert!(measured.contains(", 20000, "), "{measured}");
}

struct Tools {
    bootstrap: String,
}

impl Tools {
    fn run(&self, class: &str, arguments: &[&str]) -> String {
        self.attempt(class, arguments, "").unwrap()
    }

    fn fail(&self, class: &str, arguments: &[&str]) -> String {
        self.attempt(class, arguments, "").unwrap_err().root_cause().to_string()
    }

    fn attempt(&self, class: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let arguments = [&["--bootstrap-server", &self.bootstrap], arguments].concat();
        java::tool_with_input(class, &arguments, input)
    }

    fn produce(&self, numbers: std::ops::Range<u32>) {
        let lines: String =
            numbers.map(|number| format!("number:{number}\tkey-{}\t{number}\n", number % 10)).collect();
        let options = [
            ["--topic", TOPIC],
            ["--reader-property", "parse.key=true"],
            ["--reader-property", "parse.headers=true"],
            ["--command-property", "enable.idempotence=true"],
        ];
        self.attempt("org.apache.kafka.tools.ConsoleProducer", &options.concat(), &lines).unwrap();
    }

    /// Reads that many records as the only member of the group; the tool commits behind them when it ends.
    fn consume(&self, count: usize) -> BTreeSet<u32> {
        let count_text = count.to_string();
        let options = [
            ["--topic", TOPIC],
            ["--group", GROUP],
            ["--max-messages", &count_text],
            ["--timeout-ms", "30000"],
            ["--formatter-property", "print.key=true"],
            ["--formatter-property", "print.headers=true"],
        ];
        let options = [&options.concat()[..], &["--from-beginning"]].concat();
        let printed = self.run("org.apache.kafka.tools.consumer.ConsoleConsumer", &options);
        let records = printed.lines().filter(|line| line.contains('\t')).map(|line| {
            let number: u32 = line.rsplit('\t').next().unwrap().parse().unwrap();
            assert_eq!(line, format!("number:{number}\tkey-{}\t{number}", number % 10));
            number
        });
        let records: BTreeSet<_> = records.collect();
        assert_eq!(records.len(), count, "{printed}");
        records
    }

    /// The group stands at the ends of the partitions, is listed, and can be deleted.
    fn check_group(&self) {
        let described = self.run(GROUPS, &["--describe", "--group", GROUP]);
        let rows = described.lines().filter(|line| line.starts_with(GROUP));
        let rows: Vec<Vec<_>> = rows.map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows.len(), 3, "{described}");
        assert!(rows.iter().all(|row| row[3] == row[4] && row[5] == "0"), "{described}");
        let state = self.run(GROUPS, &["--describe", "--state", "--group", GROUP]);
        assert!(state.contains("Empty"), "{state}");
        let listed = self.run("org.apache.kafka.tools.GroupsCommand", &["--list"]);
        assert!(listed.contains(GROUP), "{listed}");
        let offsets = self.run("org.apache.kafka.tools.GetOffsetShell", &["--topic", TOPIC]);
        let ends = offsets.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok());
        assert_eq!(ends.sum::<u64>(), 150, "{offsets}");
        let deleted = self.run(GROUPS, &["--delete", "--group", GROUP]);
        assert!(deleted.contains("was successful"), "{deleted}");
    }

    fn check_configs(&self) {
        let topic = ["--entity-type", "topics", "--entity-name", TOPIC];
        let altered =
            self.run(CONFIGS, &[&topic[..], &["--alter", "--add-config", "retention.ms=3600000"]].concat());
        assert!(altered.contains("Completed updating config for topic hello-world."), "{altered}");
        let described = self.run(CONFIGS, &[&topic[..], &["--describe"]].concat());
        assert!(described.contains("retention.ms=3600000"), "{described}");
        let broker =
            self.run(CONFIGS, &["--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"]);
        assert!(broker.contains("log.retention.hours=168"), "{broker}");
    }
}
