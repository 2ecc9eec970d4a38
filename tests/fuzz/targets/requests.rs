//! A frame as a listener gets it: header, key and version first, then the body of that request.

use bytes::Bytes;
use milena_protocol::Message;
use milena_protocol::catalogue::{Entry, Kind};
use milena_protocol::frames;
use milena_protocol::messages::{CATALOGUE, RequestHeader};

use super::messages::check;
use crate::vector;

pub(super) fn run(data: &[u8]) {
    let Ok(frame) = frames::parse_request(Bytes::copy_from_slice(data)) else { return };
    let is_asked = |entry: &&Entry| entry.kind == Kind::Request(frame.key);
    let Some(entry) = CATALOGUE.iter().find(is_asked) else { return };
    if entry.versions.contains(&frame.version) {
        check(entry, frame.version, frame.body);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    CATALOGUE.iter().flat_map(of_entry).collect()
}

fn of_entry(entry: &'static Entry) -> Vec<Vec<u8>> {
    let Kind::Request(key) = entry.kind else { return Vec::new() };
    let frame = |version: i16, body: &[u8]| {
        let header = RequestHeader {
            request_api_key: key,
            request_api_version: version,
            correlation_id: 1,
            client_id: Some("c".into()),
        };
        let flexible = entry.flexible.is_some_and(|first| version >= first);
        [&header.to_bytes(frames::request_header_version(flexible)), body].concat()
    };
    let vectors = vector::of(entry).into_iter();
    vectors.flat_map(|vector| vector.versions.map(move |version| frame(version, &vector.bytes))).collect()
}
