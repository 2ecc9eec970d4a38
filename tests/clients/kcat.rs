//! kcat, which has no administration: its topic is created because it produces to it.

use std::collections::BTreeSet;
use std::process::Command;

use milena_tests::{Flavor, TestBroker, java};

const TOPIC: &str = "kcat";
const GROUP: &str = "kcat-readers";

#[test]
fn kcat_resumes_after_a_killed_broker() {
    let mut broker = TestBroker::start_with(Flavor::wanted(), &[("num.partitions", "3")]).unwrap();
    let bootstrap = broker.bootstrap();
    produce(&bootstrap, 0..100);
    let listed = kcat(&bootstrap, &["-L", "-t", TOPIC], "");
    assert!(listed.contains(r#"topic "kcat" with 3 partitions"#), "{listed}");
    assert!(listed.contains("partition 2, leader 1, replicas: 1, isrs: 1"), "{listed}");
    let mut seen = consume(&bootstrap, 60);
    seen.extend(consume(&bootstrap, 40));
    assert_eq!(seen, (0..100).collect());
    produce(&bootstrap, 100..150);
    broker.kill();
    broker.restart().unwrap();
    assert_eq!(consume(&bootstrap, 50), (100..150).collect());
    let ends = kcat(&bootstrap, &["-Q", "-t", "kcat:0:-1", "-t", "kcat:1:-1", "-t", "kcat:2:-1"], "");
    let offsets = ends.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    assert_eq!(offsets.sum::<u64>(), 150, "{ends}");
}

fn produce(bootstrap: &str, numbers: std::ops::Range<u32>) {
    let lines: String = numbers.map(|number| format!("key-{}:{number}\n", number % 10)).collect();
    let arguments = ["-P", "-t", TOPIC, "-K", ":", "-H", "source=kcat", "-X", "enable.idempotence=true"];
    kcat(bootstrap, &arguments, &lines);
}

/// Reads that many records as the only member of the group; kcat commits behind them when it ends.
fn consume(bootstrap: &str, count: usize) -> BTreeSet<u32> {
    let count_text = count.to_string();
    let options = ["-X", "auto.offset.reset=earliest", "-c", &count_text, "-f", "%k %h %s\n", "-q"];
    let printed = kcat(bootstrap, &[&["-G", GROUP], &options[..], &[TOPIC]].concat(), "");
    let numbers = printed.lines().map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        let number: u32 = fields.last().unwrap().parse().unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(line, format!("key-{} source=kcat {number}", number % 10));
        number
    });
    let numbers: BTreeSet<_> = numbers.collect();
    assert_eq!(numbers.len(), count, "{printed}");
    numbers
}

fn kcat(bootstrap: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("timeout");
    command.args(["60", "kcat", "-b", bootstrap]).args(arguments);
    java::run(command, input).unwrap()
}
