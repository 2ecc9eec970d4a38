//! Every message, in every version, reads what Kafka wrote and writes the same.

use std::collections::BTreeSet;
use std::fs;

use milena_protocol::messages::CATALOGUE;
use milena_protocol::{ErrorCode, MetadataRecord};

use crate::vector::{self, ALL, Filling, Vector};

/// Files that hold something else than one message.
const NOT_MESSAGES: [&str; 5] = ["batches", "errors", "headers", "metadata_frames", "partition_changes"];

#[test]
fn every_message_reads_and_writes_kafkas_bytes() {
    let mut broken = Vec::new();
    for Vector { entry, versions, filling, bytes } in ALL.iter() {
        for version in versions.clone() {
            let written = (entry.recode)(bytes.clone(), version);
            if written != Ok((bytes.clone(), bytes.len())) {
                broken.push(format!(
                    "{} {version} {filling:?}\n  kafka {bytes:02x?}\n  ours  {written:02x?}",
                    entry.name
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{} differ\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn defaults_are_kafkas() {
    let mut broken = Vec::new();
    for Vector { entry, versions, bytes, .. } in
        ALL.iter().filter(|vector| vector.filling == Filling::Default)
    {
        for version in versions.clone().filter(|version| (entry.default_bytes)(*version) != bytes) {
            let ours = (entry.default_bytes)(version);
            broken.push(format!("{} {version}\n  kafka {bytes:02x?}\n  ours  {ours:02x?}", entry.name));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_version_of_every_message_has_its_vectors() {
    for entry in CATALOGUE {
        let vectors = vector::of(entry);
        for filling in [Filling::Default, Filling::Full, Filling::Null] {
            let covered =
                vectors.iter().filter(|vector| vector.filling == filling).flat_map(|v| v.versions.clone());
            assert!(covered.eq(entry.versions.clone()), "{} {filling:?}", entry.name);
        }
    }
}

#[test]
fn every_message_of_kafka_is_declared() {
    let declared: BTreeSet<_> = CATALOGUE.iter().map(|entry| entry.name.to_owned()).collect();
    let files = fs::read_dir(vector::folder()).expect("list the vectors");
    let names = files.map(|file| file.expect("list the vectors").path());
    let names = names.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    let kafkas: BTreeSet<_> = names.filter(|name| !NOT_MESSAGES.contains(&name.as_str())).collect();
    assert_eq!(declared, kafkas);
}

#[test]
fn records_of_the_metadata_log_have_kafkas_frame() {
    for line in vector::lines("metadata_frames") {
        let bytes = vector::hex(&line[1]);
        let record = MetadataRecord::from_bytes(bytes.clone()).expect("a record of Kafka's");
        assert_eq!(record.name(), line[0]);
        assert_eq!(record.to_bytes(), bytes, "{}", line[0]);
    }
}

#[test]
fn error_codes_are_kafkas() {
    let ours = ErrorCode::ALL.iter().map(|code| (code.code(), code.name().to_owned(), code.retriable()));
    let kafkas = vector::lines("errors").into_iter().map(|line| {
        (line[0].parse().expect("a code"), line[1].clone(), line[2].parse().expect("true or false"))
    });
    assert!(ours.eq(kafkas));
}

#[test]
fn a_message_cut_anywhere_is_an_error() {
    for Vector { entry, versions, bytes, .. } in ALL.iter() {
        for (version, length) in
            versions.clone().flat_map(|version| (0..bytes.len()).map(move |l| (version, l)))
        {
            let read = (entry.recode)(bytes.slice(..length), version);
            assert!(read.is_err(), "{} {version} cut to {length} of {} bytes", entry.name, bytes.len());
        }
    }
}
