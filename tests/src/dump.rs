//! Apache Kafka's own reader of data directories, which complains about what is not as Kafka writes it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Flavor, TestBroker, java};

/// What the tool prints where something is wrong.
const COMPLAINTS: &[&str] = &[
    "ismatch",
    "log timestamp:",
    "isvalid: false",
    "isValid: false",
    "is followed by",
    "out of order",
    "not found in",
    "found log offset",
    INVALID_TAIL,
    "orrupt",
    "Exception",
    "Error",
    "skipping",
    "not supported",
    "Unknown",
];

/// What the tool says of bytes behind the last batch.
pub const INVALID_TAIL: &str = "invalid bytes at the end";

/// What the tool says of the first record of every segment but the first, Apache Kafka's own too.
const QUIRK: &str = "-1 is followed by";

/// How the tool tells that offsets are missing, between two of them.
const HOLE: &str = " is followed by ";

/// How the tool is told to decode the records of internal topics, by the start of their names.
const DECODERS: &[(&str, &[&str])] = &[
    ("__cluster_metadata-", &["--cluster-metadata-decoder"]),
    ("__consumer_offsets-", &["--offsets-decoder"]),
    ("", &[]),
];

/// Extensions of the files that the tool reads.
const DUMPABLE: &[&str] = &["log", "index", "timeindex", "txnindex", "snapshot", "checkpoint"];

/// Lines that are shown after a complaint.
const SHOWN_LINES: usize = 5;

/// Longest list of files that is handed over at once; Linux takes 128 KiB.
const LIST_BYTES_MAX: usize = 100_000;

/// Reads every file of every partition with Kafka's DumpLogSegments. Apache Kafka's own recovery leaves index entries
/// that the tool calls mismatches; ours must not.
///
/// # Panics
/// If the tool complains, or finds nothing to read.
pub fn assert_readable(broker: &TestBroker) {
    assert_dumps(broker, &|_, _| false);
}

/// The same where logs were compacted: offsets may be missing, but none may come before another. Batches may be empty.
///
/// # Panics
/// If the tool complains, or finds nothing to read.
pub fn assert_readable_with_holes(broker: &TestBroker) {
    assert_dumps(broker, &|_, line| is_hole(line) || is_emptied(line));
}

fn assert_dumps(broker: &TestBroker, is_fine: &dyn Fn(&Path, &str) -> bool) {
    if broker.flavor() == Flavor::Milena {
        let folders = partitions(&broker.data());
        let files = folders.iter().flat_map(|partition| dumpable(partition)).collect();
        assert_eq!(complaint(files, is_fine), None);
    }
}

/// A line that tells of missing offsets, and that none comes before another.
pub fn is_hole(line: &str) -> bool {
    let numbers: Option<Vec<i64>> = line.split(HOLE).map(|number| number.trim().parse().ok()).collect();
    numbers.is_some_and(|numbers| matches!(numbers[..], [before, next] if before < next))
}

/// A line that tells of a time index with the timestamp of a batch which compaction has emptied. Apache Kafka's cleaner
/// keeps such batches for their producers, and writes the same. What is amiss is said in the lines that follow the first.
pub fn is_emptied(line: &str) -> bool {
    line.starts_with("Found timestamp mismatch") || line.ends_with("log timestamp: -1")
}

/// Has the tool read all of `files` and yields the first complaint that is not fine, with the file it is about.
///
/// # Panics
/// If the tool fails, or has found no batch.
pub fn complaint(files: Vec<PathBuf>, is_fine: &dyn Fn(&Path, &str) -> bool) -> Option<String> {
    let mut has_batches = false;
    for (prefix, decoder) in DECODERS {
        let chosen = files.iter().filter(|path| decoder_of(path) == *prefix);
        for list in lists(chosen) {
            let arguments = [&["--deep-iteration", "--files", &list], *decoder].concat();
            let printed = java::tool("org.apache.kafka.tools.DumpLogSegments", &arguments);
            let printed = printed.expect("the tool reads all files");
            has_batches |= printed.contains("isvalid: true");
            if let Some(complaint) = first_complaint(&printed, is_fine) {
                return Some(complaint);
            }
        }
    }
    assert!(has_batches, "no batch was read");
    None
}

/// The files that fail the check by which Apache Kafka decides at its start whether to rebuild an index.
///
/// # Panics
/// If the tool fails.
pub fn assert_sane_indexes(files: &[PathBuf]) {
    let is_index = |path: &&PathBuf| {
        path.extension().is_some_and(|extension| extension == "index" || extension == "timeindex")
    };
    for list in lists(files.iter().filter(is_index)) {
        let arguments = ["--index-sanity-check", "--files", &list];
        let printed = java::tool("org.apache.kafka.tools.DumpLogSegments", &arguments);
        let printed = printed.expect("the tool reads all indexes");
        assert_eq!(first_complaint(&printed, &|_, _| false), None);
    }
}

/// The files in lists that commas separate.
fn lists<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for file in files.map(|path| path.display().to_string()) {
        match lists.last_mut().filter(|list| list.len() + file.len() < LIST_BYTES_MAX) {
            Some(list) => list.extend([",", &file]),
            None => lists.push(file),
        }
    }
    lists
}

fn decoder_of(file: &Path) -> &'static str {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    DECODERS.iter().find(|(prefix, _)| folder.starts_with(prefix)).map_or("", |(prefix, _)| prefix)
}

fn first_complaint(printed: &str, is_fine: &dyn Fn(&Path, &str) -> bool) -> Option<String> {
    let mut file = PathBuf::new();
    for (number, line) in printed.lines().enumerate() {
        // Each file is named before what is said of it.
        let named = line.find('/').map(|at| Path::new(&line[at..])).filter(|path| is_dumpable(path));
        if let Some(named) = named {
            file = named.to_owned();
        }
        let is_complaint = COMPLAINTS.iter().any(|complaint| line.contains(complaint));
        if is_complaint && !line.contains(QUIRK) && !is_fine(&file, line) {
            let after: Vec<_> = printed.lines().skip(number + 1).take(SHOWN_LINES).collect();
            return Some(format!("{}: {line}\n{}", file.display(), after.join("\n")));
        }
    }
    None
}

/// The directories of partitions, those without records too, and without those on their way out.
///
/// # Panics
/// If `data` cannot be read.
pub fn partitions(data: &Path) -> Vec<PathBuf> {
    let mut partitions = entries(data);
    partitions.retain(|path| path.is_dir() && !path.to_string_lossy().ends_with("-delete"));
    partitions
}

/// The segment of `partition` that is written to.
///
/// # Panics
/// If it has none.
pub fn active_segment(partition: &Path) -> PathBuf {
    let files = entries(partition).into_iter();
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max().expect("a log has a segment")
}

/// The files in the directory of a partition that the tool reads.
///
/// # Panics
/// If the directory cannot be read.
pub fn dumpable(partition: &Path) -> Vec<PathBuf> {
    entries(partition).into_iter().filter(|path| is_dumpable(path)).collect()
}

fn is_dumpable(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| DUMPABLE.contains(&extension))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a directory that can be read");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}
