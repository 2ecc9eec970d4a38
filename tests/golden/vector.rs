//! Reads the committed vectors.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bytes::Bytes;
use milena_protocol::catalogue::Entry;
use milena_protocol::messages::CATALOGUE;

/// What `Golden.java` put into the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    Default,
    Full,
    Null,
}

/// Bytes of one message that are the same in a range of versions.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    pub(crate) entry: &'static Entry,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) filling: Filling,
    pub(crate) bytes: Bytes,
}

/// The vectors of every message.
pub(crate) static ALL: LazyLock<Vec<Vector>> = LazyLock::new(|| CATALOGUE.iter().flat_map(of).collect());

/// The vectors of one message.
pub(crate) fn of(entry: &'static Entry) -> Vec<Vector> {
    let parse = |line: Vec<String>| {
        let (first, last) = line[0].split_once('-').expect("a range of versions");
        let filling = match line[1].as_str() {
            "default" => Filling::Default,
            "full" => Filling::Full,
            "null" => Filling::Null,
            other => panic!("unknown filling {other}"),
        };
        let versions = first.parse().expect("a version")..=last.parse().expect("a version");
        Vector { entry, versions, filling, bytes: hex(&line[2]) }
    };
    lines(entry.name).into_iter().map(parse).collect()
}

pub(crate) fn folder() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .map(|folder| folder.join("golden/vectors"))
        .find(|folder| folder.is_dir())
        .expect("the vectors are there")
}

/// The words of each line of a file, comments left out.
pub(crate) fn lines(name: &str) -> Vec<Vec<String>> {
    let path = folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

pub(crate) fn hex(text: &str) -> Bytes {
    let digits = if text == "-" { "" } else { text };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.as_bytes().chunks(2).map(byte).collect()
}
