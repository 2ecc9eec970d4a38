//! Killed in the middle of producing: what was acknowledged is there once, in order, and a torn tail is cut.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use milena_tests::{Flavor, Process, TestBroker, dump, eventually, java, paths};

use crate::PATIENCE;

pub(crate) const TOPIC: &str = "ledger";
pub(crate) const PARTITIONS: usize = 3;
const RECORDS: usize = 30_000;
/// The broker is killed when so many records have been acknowledged.
const KILLED_AT: [usize; 3] = [2_000, 9_000, 17_000];

/// Segments roll within what the tests write.
const SETTINGS: &[(&str, &str)] = &[("log.segment.bytes", "1048576")];

/// What one line of the client says of a record: partition, offset and number.
pub(crate) type Written = BTreeMap<(usize, u64), usize>;

#[test]
fn acknowledged_records_outlive_kills_once_and_in_order() {
    let mut broker = TestBroker::start_with(Flavor::wanted(), SETTINGS).unwrap();
    let mut writer = Process::start(franz(&broker, &["write", &RECORDS.to_string()])).unwrap();
    for acknowledged in KILLED_AT {
        eventually("enough acknowledged records", PATIENCE, || {
            assert!(writer.ended().is_none(), "the writer ended early:\n{}", writer.lines().join("\n"));
            (writer.lines().len() >= acknowledged).then_some(())
        });
        broker.kill();
        broker.restart().unwrap();
    }
    let status = eventually("the end of the writer", PATIENCE, || writer.ended());
    assert!(status.success(), "{:?}", writer.lines().last());

    let acknowledged = parse(&writer.lines().join("\n"));
    assert_eq!(acknowledged.len(), RECORDS, "an offset was given twice");
    let stored = read(&broker);
    assert_eq!(stored, acknowledged, "what is stored is what was acknowledged");
    assert_in_order(&stored);
    broker.kill();
    dump::assert_readable(&broker);
    broker.restart().unwrap();
    assert_eq!(read(&broker), stored, "indexes that were rebuilt lead to the same records");
    broker.stop();
    dump::assert_readable(&broker);
}

#[test]
fn torn_tail_is_cut_and_written_over() {
    let mut broker = TestBroker::start_with(Flavor::wanted(), SETTINGS).unwrap();
    let first = write(&broker, 3_000);
    broker.kill();
    for partition in dump::partitions(&broker.data()) {
        tear(&dump::active_segment(&partition));
    }
    broker.restart().unwrap();
    assert_eq!(read(&broker), first, "nothing acknowledged is lost");
    let second = write(&broker, 3_000);
    assert!(second.keys().all(|place| !first.contains_key(place)), "an offset was given twice");
    assert_eq!(read(&broker), first.into_iter().chain(second).collect());
    broker.kill();
    dump::assert_readable(&broker);
}

#[test]
fn orderly_stop_leaves_what_kafka_reads() {
    let mut broker = TestBroker::start_with(Flavor::wanted(), SETTINGS).unwrap();
    let written = write(&broker, 20_000);
    broker.stop();
    for index in 0..PARTITIONS {
        let partition = broker.data().join(format!("{TOPIC}-{index}"));
        assert!(
            !dump::active_segment(&partition).ends_with("00000000000000000000.log"),
            "no segment was rolled"
        );
    }
    dump::assert_readable(&broker);
    broker.restart().unwrap();
    assert_eq!(read(&broker), written);
}

/// Appends the first half of a batch, as a write that was cut short leaves it.
fn tear(segment: &Path) {
    let bytes = fs::read(segment).unwrap();
    let Some(batch) = bytes.get(..bytes.len().min(80)).filter(|batch| !batch.is_empty()) else { return };
    OpenOptions::new().append(true).open(segment).unwrap().write_all(&batch[..batch.len() - 1]).unwrap();
}

fn assert_in_order(stored: &Written) {
    for partition in 0..PARTITIONS {
        let numbers: Vec<_> =
            stored.range((partition, 0)..(partition + 1, 0)).map(|(_, number)| *number).collect();
        let expected: Vec<_> = (partition..RECORDS).step_by(PARTITIONS).collect();
        assert_eq!(numbers, expected, "partition {partition}");
    }
}

pub(crate) fn write(broker: &TestBroker, count: usize) -> Written {
    parse(&java::run(franz(broker, &["write", &count.to_string()]), "").unwrap())
}

pub(crate) fn read(broker: &TestBroker) -> Written {
    parse(&java::run(franz(broker, &["read"]), "").unwrap())
}

fn franz(broker: &TestBroker, arguments: &[&str]) -> Command {
    let mut command = Command::new(paths::cache().join("clients/franz"));
    command.args([&broker.bootstrap(), TOPIC]).args(arguments);
    command
}

fn parse(lines: &str) -> Written {
    let mut written = Written::new();
    for line in lines.lines() {
        let fields: Vec<_> =
            line.split(' ').map(|field| field.parse().unwrap_or_else(|_| panic!("{line}"))).collect();
        let [partition, offset, number] = fields[..] else { panic!("{line}") };
        let before = written.insert((partition, offset as u64), number);
        assert_eq!(before, None, "{line} twice");
    }
    written
}
