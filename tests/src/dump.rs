//! Apache Kafka's own reader of data directories, which complains about what is not as Kafka writes it.

use std::fs;
use std::path::{Path, PathBuf};

use milena_tests::{Flavor, TestBroker, java};

/// What the tool prints where something is wrong.
const COMPLAINTS: &[&str] = &[
    "ismatch",
    "isvalid: false",
    "isValid: false",
    "is followed by",
    "out of order",
    "invalid bytes",
    "orrupt",
    "Exception",
    "Error",
    "skipping",
    "not supported",
    "Unknown",
];

/// Reads every file of every partition with Kafka's DumpLogSegments. Apache Kafka's own recovery leaves index entries
/// that the tool calls mismatches; ours must not.
///
/// # Panics
/// If the tool complains, or finds nothing to read.
pub(crate) fn assert_readable(broker: &TestBroker) {
    assert_dumps(broker, |_| false);
}

/// The same where logs were compacted: offsets may be missing, but none may come before another.
pub(crate) fn assert_readable_with_holes(broker: &TestBroker) {
    assert_dumps(broker, |line| {
        let numbers: Option<Vec<i64>> = line.split(HOLE).map(|number| number.trim().parse().ok()).collect();
        numbers.is_some_and(|numbers| matches!(numbers[..], [before, next] if before < next))
    });
}

/// How the tool tells that offsets are missing, between two of them.
const HOLE: &str = " is followed by ";

fn assert_dumps(broker: &TestBroker, is_fine: fn(&str) -> bool) {
    if broker.flavor() == Flavor::Kafka {
        return;
    }
    let partitions = partitions(&broker.data());
    for (prefix, decoder) in DECODERS {
        let chosen = partitions.iter().filter(|path| decoder_of(path) == *prefix);
        let files: Vec<_> = chosen.flat_map(|partition| dumpable(partition)).collect();
        if !files.is_empty() {
            let files = files.join(",");
            let arguments = [&["--deep-iteration", "--files", &files], *decoder].concat();
            let printed = java::tool("org.apache.kafka.tools.DumpLogSegments", &arguments).unwrap();
            assert_no_complaint(&printed, is_fine);
        }
    }
}

/// What the tool says of the first record of every segment but the first, Apache Kafka's own too.
const QUIRK: &str = "-1 is followed by";

/// How the tool is told to decode the records of internal topics, by the start of their names.
const DECODERS: &[(&str, &[&str])] = &[
    ("__cluster_metadata-", &["--cluster-metadata-decoder"]),
    ("__consumer_offsets-", &["--offsets-decoder"]),
    ("", &[]),
];

fn decoder_of(partition: &Path) -> &'static str {
    let name = partition.file_name().unwrap().to_string_lossy();
    DECODERS.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or("", |(prefix, _)| prefix)
}

fn assert_no_complaint(printed: &str, is_fine: fn(&str) -> bool) {
    let mut lines = printed.lines().filter(|line| !line.contains(QUIRK) && !is_fine(line));
    let complaint = lines.find(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint)));
    assert_eq!(complaint, None);
    assert!(printed.contains("isvalid: true"), "no batch was read");
}

/// The directories of partitions, those without records too.
pub(crate) fn partitions(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let mut partitions: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    partitions.sort();
    partitions
}

/// The segment of `partition` that is written to.
pub(crate) fn active_segment(partition: &Path) -> PathBuf {
    let files = fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

/// Extensions of the files that the tool reads.
const DUMPABLE: &[&str] = &["log", "index", "timeindex", "txnindex", "snapshot", "checkpoint"];

fn dumpable(partition: &Path) -> Vec<String> {
    let files = fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| DUMPABLE.contains(&extension))
    });
    let mut files: Vec<_> = files.map(|path| path.to_string_lossy().into_owned()).collect();
    files.sort();
    files
}
