//! Apache Kafka's own measuring programs, run as users run them, and what they print.

use std::process::Command;

use anyhow::{Context, ensure};
use milena_tests::paths;

use crate::load::open_loop::Latency;

/// The JVM of a client: room for its buffers, and its compilers as they are by default.
const CLIENT_JVM: &[&str] = &["-Xmx512m", "-Dlog4j2.level=ERROR"];

/// What ProducerPerformance says at its end, in records a second. `client` are properties of the producer.
pub(crate) fn producer_performance(
    address: &str,
    topic: &str,
    (records, record_bytes): (u64, usize),
    client: &[&str],
) -> anyhow::Result<f64> {
    let (records, record_bytes) = (records.to_string(), record_bytes.to_string());
    let mut arguments = vec!["--bootstrap-server", address, "--topic", topic, "--num-records", &records];
    arguments.extend(["--record-size", &record_bytes, "--throughput", "-1", "--command-property"]);
    arguments.extend(client);
    let printed = run("ProducerPerformance", &arguments)?;
    let last = printed.lines().rfind(|line| line.contains("99.9th")).context("a summary of the producer")?;
    number_before(last, " records/sec").with_context(|| last.to_owned())
}

/// What ConsumerPerformance says: MB (2^20 bytes) a second while it fetched.
pub(crate) fn consumer_performance(address: &str, topic: &str, records: u64) -> anyhow::Result<f64> {
    let records = records.to_string();
    let arguments = ["--bootstrap-server", address, "--topic", topic, "--num-records", &records];
    let printed = run("ConsumerPerformance", &[&arguments[..], &["--hide-header"]].concat())?;
    let last =
        printed.lines().rfind(|line| line.split(',').count() == 10).context("a line of ten columns")?;
    let rate = last.split(',').nth(8).context("fetch.MB.sec")?;
    Ok(rate.trim().parse()?)
}

/// What EndToEndLatency says, with `acks=all` and records of 100 bytes. It knows whole milliseconds only.
pub(crate) fn end_to_end_latency(address: &str, topic: &str, records: u64) -> anyhow::Result<Latency> {
    let printed = run("EndToEndLatency", &[address, topic, &records.to_string(), "all", "100"])?;
    let line = printed.lines().find(|line| line.starts_with("Percentiles")).context("percentiles")?;
    let values: Vec<f64> = line
        .split('=')
        .skip(1)
        .filter_map(|part| part.trim().split([',', ' ']).next()?.parse().ok())
        .collect();
    ensure!(values.len() == 3, "three percentiles in {line}");
    Ok(Latency { p50: values[0], p99: values[1], p999: values[2] })
}

fn run(class: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("java");
    command.args(CLIENT_JVM).arg("-cp").arg(format!("{}/*", paths::cache().join("kafka/libs").display()));
    command.arg(format!("org.apache.kafka.tools.{class}")).args(arguments);
    milena_tests::java::run(command, "")
}

fn number_before(line: &str, unit: &str) -> Option<f64> {
    line.split(unit).next()?.rsplit([' ', ',']).next()?.parse().ok()
}
