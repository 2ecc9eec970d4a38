//! Each API at each version has the headers that Kafka gives it.

use bytes::Bytes;
use milena_protocol::catalogue::Kind;
use milena_protocol::frames::{self, RequestFrame};
use milena_protocol::messages::CATALOGUE;
use milena_protocol::{Encoder, Message, messages};

use crate::vector;

struct Header {
    key: i16,
    version: i16,
    request: Bytes,
    response: Bytes,
}

fn headers() -> Vec<Header> {
    let parse = |line: Vec<String>| Header {
        key: line[0].parse().expect("a key"),
        version: line[1].parse().expect("a version"),
        request: vector::hex(&line[2]),
        response: vector::hex(&line[3]),
    };
    vector::lines("headers").into_iter().map(parse).collect()
}

#[test]
fn request_headers_are_read_as_kafka_writes_them() {
    for Header { key, version, request, .. } in headers() {
        let body = [0xab, 0xcd];
        let frame =
            frames::parse_request([&request[..], &body].concat().into()).expect("a header of Kafka's");
        let expected = RequestFrame {
            key,
            version,
            correlation_id: 0x0102_0304,
            client_id: Some("ä client".into()),
            body: Bytes::copy_from_slice(&body),
        };
        assert_eq!(frame, expected, "key {key} version {version}");
    }
}

/// Pitfall 2.
#[test]
fn headers_are_written_as_kafka_writes_them() {
    for Header { key, version, request, response } in headers() {
        let flexible = messages::request_flexible(key, version).expect("a known key");
        let header = messages::RequestHeader {
            request_api_key: key,
            request_api_version: version,
            correlation_id: 0x0102_0304,
            client_id: Some("ä client".into()),
        };
        assert_eq!(header.to_bytes(frames::request_header_version(flexible)), request, "{key} {version}");
        let header = messages::ResponseHeader { correlation_id: 0x0102_0304 };
        let written = header.to_bytes(frames::response_header_version(key, flexible));
        assert_eq!(written, response, "{key} {version}");
    }
}

#[test]
fn whole_responses_begin_with_kafkas_header() {
    for Header { key, version, request, response } in headers().into_iter().filter(|header| header.key < 4) {
        let frame = frames::parse_request(request).expect("a header of Kafka's");
        let whole = answer(&frame).into_bytes().expect("no file in it");
        assert_eq!(whole[4..4 + response.len()], response, "{key} {version}");
        assert_eq!(whole[..4], u32::try_from(whole.len() - 4).expect("small").to_be_bytes());
    }
}

fn answer(frame: &RequestFrame) -> Encoder {
    match frame.key {
        0 => frames::response_frame(frame, &messages::ProduceResponse::default()),
        1 => frames::response_frame(frame, &messages::FetchResponse::default()),
        2 => frames::response_frame(frame, &messages::ListOffsetsResponse::default()),
        _ => frames::response_frame(frame, &messages::MetadataResponse::default()),
    }
}

#[test]
fn requests_and_responses_become_flexible_together() {
    let mut by_key = std::collections::BTreeMap::new();
    for entry in CATALOGUE {
        if let Kind::Request(key) | Kind::Response(key) = entry.kind {
            by_key.entry(key).or_insert_with(Vec::new).push((entry.versions.clone(), entry.flexible));
        }
    }
    for (key, pair) in by_key {
        assert!(pair.len() == 2 && pair[0] == pair[1], "key {key}: {pair:?}");
    }
    let kafkas: Vec<_> = headers().iter().map(|header| (header.key, header.version)).collect();
    let ours = CATALOGUE.iter().filter_map(|entry| match entry.kind {
        Kind::Request(key) => Some(entry.versions.clone().map(move |version| (key, version))),
        _ => None,
    });
    assert_eq!(ours.flatten().collect::<Vec<_>>(), kafkas);
}
