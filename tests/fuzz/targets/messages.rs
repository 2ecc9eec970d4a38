//! Any message at any version: what can be read can be written, and is read as the same again.
//!
//! Input: two bytes choose the message, one the version, the rest is the message.

use bytes::Bytes;
use milena_protocol::DECODED_BYTES_PER_BYTE_MAX;
use milena_protocol::catalogue::Entry;
use milena_protocol::messages::CATALOGUE;

use super::bounded;
use crate::input::Input;
use crate::vector;

/// What reading and writing may allocate however small the input is.
const ALLOCATED_BYTES_FREE: usize = 2 * 1024 * 1024;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let entry = &CATALOGUE[usize::from(input.u16()) % CATALOGUE.len()];
    let step = i16::from(input.byte()) % (entry.versions.end() - entry.versions.start() + 1);
    check(entry, entry.versions.start() + step, input.rest());
}

pub(super) fn check(entry: &Entry, version: i16, bytes: Bytes) {
    let limit = ALLOCATED_BYTES_FREE + 2 * DECODED_BYTES_PER_BYTE_MAX * bytes.len();
    let Ok((written, read)) = bounded(limit, || (entry.recode)(bytes.clone(), version)) else { return };
    assert!(read <= bytes.len());
    let length = written.len();
    assert_eq!((entry.recode)(written.clone(), version), Ok((written, length)), "{} {version}", entry.name);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let seed = |(index, entry): (usize, &'static Entry)| {
        let which = u16::try_from(index).expect("few messages").to_be_bytes();
        vector::of(entry).into_iter().flat_map(move |vector| {
            // The first and the last version of a range with the same bytes.
            [*vector.versions.start(), *vector.versions.end()].map(|version| {
                let step = u8::try_from(version - entry.versions.start()).expect("few versions");
                [&which[..], &[step], &vector.bytes].concat()
            })
        })
    };
    let mut seeds: Vec<_> = CATALOGUE.iter().enumerate().flat_map(seed).collect();
    seeds.dedup();
    seeds
}
