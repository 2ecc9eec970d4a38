//! The reference page of every key: it is what the registry says, and the registry says what the source does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use milena_core::config::effect::{self, Effect};
use milena_core::config::{Key, broker, reference, topic};
use milena_tests::paths;

#[test]
fn the_reference_page_is_up_to_date() {
    let page = fs::read_to_string(paths::repository().join("docs/configuration.md")).unwrap();
    let is_current = page == reference::markdown();
    assert!(is_current, "docs/configuration.md is not what the registry says: run make docs");
}

#[test]
fn what_is_said_to_be_obeyed_is_read_and_the_rest_is_not() {
    let source = source();
    let is_word = |name: &str| {
        let bounded = |at: usize| {
            let outside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
            outside(source[..at].chars().next_back()) && outside(source[at + name.len()..].chars().next())
        };
        source.match_indices(name).any(|(at, _)| bounded(at))
    };
    let of_topic = |key: &Key| topic::KEYS.iter().any(|t| topic::synonyms(t).iter().any(|s| s.key == key));
    let mut wrong = Vec::new();
    for key in broker::keys().filter(|key| !of_topic(key) && !OTHERWISE.contains(&key.name)) {
        let is_read = is_word(&key.name.replace('.', "_").to_uppercase());
        if is_read != (effect::of_broker(key) == Effect::Obeyed) {
            wrong.push(key.name);
        }
    }
    for key in topic::KEYS.iter().filter(|key| !OTHERWISE.contains(&key.name)) {
        let is_read = source.contains(&format!(".{}", key.name.replace('.', "_")));
        if is_read != (effect::of_topic(key) == Effect::Obeyed) {
            wrong.push(key.name);
        }
    }
    assert!(wrong.is_empty(), "broker/core/src/config/effect.rs is wrong about {wrong:?}");
}

/// Keys whose effect shows elsewhere than where they are read by name, or that are named without having one.
const OTHERWISE: &[&str] = &[
    // Read as parts of other fields.
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "internal.segment.bytes",
    "message.timestamp.type",
    "remote.storage.enable",
];

/// What reads keys: the broker, and what decides for it.
fn source() -> String {
    let root = paths::repository();
    let mut text = String::new();
    for folder in ["broker/src", "broker/core/src"] {
        collect(&root.join(folder), &mut text);
    }
    text
}

fn collect(folder: &Path, text: &mut String) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The registry names every key; the refusals of what is not built name keys that have no effect.
        let is_registry = path.ends_with("broker/core/src/config");
        if name == "tests" || name == "tests.rs" || name == "unbuilt.rs" || is_registry {
            continue;
        }
        if path.is_dir() {
            collect(&path, text);
        } else {
            let contents = fs::read_to_string(&path).unwrap();
            let code = contents.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.for_each(|line| text.extend([line, "\n"]));
        }
    }
}
