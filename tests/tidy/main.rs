//! House rules that a machine can check: import direction, file headers, file and name bans, generated files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod pitfalls;

/// Lines of a file, its tests left out, above which it wants a second noun.
const FILE_LINES_MAX: usize = 500;
/// Printed from Kafka's schemas, so their length says nothing.
const PRINTED: &str = "broker/protocol/src/messages";
/// Names that say nothing about what a file holds.
const BANNED_FILE_STEMS: [&str; 5] = ["common", "util", "utils", "helpers", "manager"];

/// The workspace crates that each crate may depend on.
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("broker/protocol/derive", &[]),
    ("broker/protocol", &["milena-protocol-derive"]),
    ("broker/core", &["milena-protocol"]),
    ("broker/storage", &["milena-protocol"]),
    ("broker/client", &["milena-protocol", "milena-world"]),
    ("broker", &["milena-protocol", "milena-core", "milena-storage", "milena-client", "milena-world"]),
    ("operator", &["milena-protocol", "milena-core", "milena-client"]),
    ("bench", &["milena-protocol", "milena-storage", "milena-tests"]),
    ("tests", &["milena-protocol", "milena-core", "milena-storage", "milena-client"]),
];

/// Words with which `core` would do IO, read a clock or draw randomness.
const IMPURE: [&str; 8] = [
    "tokio::",
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "rand::rng",
    "Uuid::new_v4",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// The files that git tracks, relative to the workspace, ending in one of `extensions`.
fn tracked(extensions: &[&str]) -> Vec<PathBuf> {
    let output =
        Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("run git ls-files");
    assert!(output.status.success(), "git ls-files failed");
    let listing = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let wanted = |path: &PathBuf| path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x));
    listing.lines().map(PathBuf::from).filter(wanted).filter(|path| root().join(path).exists()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The part of a source file before its unit tests.
fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or(source)
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn crates_import_only_in_the_direction_of_the_design() {
    let mut broken = Vec::new();
    for (folder, allowed) in MAY_IMPORT {
        let manifest = read(&Path::new(folder).join("Cargo.toml"));
        let runtime = manifest.split("[dev-dependencies]").next().unwrap_or(&manifest);
        for line in runtime.lines().filter(|line| line.starts_with("milena-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or(line);
            if !allowed.contains(&name) {
                broken.push(format!("{folder} must not depend on {name}"));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn core_is_pure() {
    let mut broken = Vec::new();
    for path in tracked(&["rs"]).into_iter().filter(|path| path.starts_with("broker/core")) {
        let source = read(&path);
        for word in IMPURE.iter().filter(|word| without_tests(&source).contains(**word)) {
            broken.push(format!("{} uses {word}", path.display()));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_rust_file_opens_with_its_purpose() {
    let headless =
        |path: &PathBuf| !read(path).lines().any(|line| line.starts_with("//! ") && line.len() > 12);
    let broken: Vec<_> = tracked(&["rs"])
        .into_iter()
        .filter(headless)
        .map(|path| format!("{} has no //! header", path.display()))
        .collect();
    assert_none(&broken);
}

#[test]
fn files_stay_small_and_carry_telling_names() {
    let mut broken = Vec::new();
    for path in tracked(&["rs"]) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if BANNED_FILE_STEMS.contains(&stem.as_str()) || stem == "mod" {
            broken.push(format!("{}: a file wants the name of its noun", path.display()));
        }
        let lines = without_tests(&read(&path)).lines().count();
        let is_test = path.starts_with("tests") || stem == "tests";
        if lines > FILE_LINES_MAX && !is_test && !path.starts_with(PRINTED) {
            broken.push(format!("{}: {lines} lines without tests, at most {FILE_LINES_MAX}", path.display()));
        }
    }
    assert_none(&broken);
}

#[test]
fn tests_are_never_ignored_and_code_has_no_stubs() {
    // Split so that this file does not find itself.
    let banned = [concat!("#[ig", "nore"), concat!("tod", "o!("), concat!("unimple", "mented!(")];
    let mut broken = Vec::new();
    for path in tracked(&["rs"]) {
        let source = read(&path);
        for word in banned.iter().filter(|word| source.contains(**word)) {
            broken.push(format!("{} contains {word}", path.display()));
        }
    }
    assert_none(&broken);
}

#[test]
fn the_chart_carries_the_generated_crds() {
    let crds: BTreeMap<_, _> = tracked(&["yaml"])
        .into_iter()
        .filter(|path| path.starts_with("crds"))
        .map(|path| (path.clone(), read(&path)))
        .collect();
    assert!(!crds.is_empty(), "crds/ is empty");
    for (path, crd) in crds {
        let name = path.file_name().expect("a file has a name");
        let copy = Path::new("charts/milena/files/crds").join(name);
        assert_eq!(read(&copy), crd, "{} differs from crds/: run `make crds`", copy.display());
    }
}

#[test]
fn architecture_is_a_map_not_a_book() {
    let lines = read(Path::new("ARCHITECTURE.md")).lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines, at most 200");
}
