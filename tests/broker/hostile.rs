//! Bytes that no client sends: each gets an answer or a closed connection, and others go on.
//!
//! The expectations are what Apache Kafka does; `MILENA_TEST_BROKER=kafka` checks them against it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use milena_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use milena_protocol::messages::{ApiVersionsRequest, MetadataRequest, ProduceRequest};
use milena_protocol::{ErrorCode, Message, Records, Request};
use milena_tests::{Flavor, TestBroker, eventually, frame};

/// Longest wait for the end of a connection that broke the protocol.
const END_PATIENCE: Duration = Duration::from_secs(20);
/// What hostile connections may cost together, in bytes.
const MEMORY_GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;
const RANDOM_FRAMES: u64 = 3_000;
/// The highest key that Apache Kafka 4.3 knows.
const KEY_MAX: i16 = 92;

/// How a connection ended after hostile bytes and an end of input.
#[derive(Debug, PartialEq)]
struct Ending {
    /// What came back before.
    answer: Vec<u8>,
    /// Whether the broker ended it.
    closed: bool,
}

impl Ending {
    fn is_silent_close(&self) -> bool {
        self.closed && self.answer.is_empty()
    }
}

#[test]
fn impossible_sizes_close_the_connection() {
    let broker = TestBroker::start().unwrap();
    for size in [i32::MAX, i32::MIN, -1, 104_857_601] {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend([0; 64]);
        assert!(send(&broker, &bytes, false).is_silent_close(), "size {size}");
    }
    // An empty frame holds no header.
    assert!(send(&broker, &[0; 4], false).is_silent_close());
    assert_serves(&broker);
}

/// A deliberate difference: Apache Kafka reserves what a prefix announces, and runs out of memory here.
#[test]
fn announced_bytes_cost_nothing_until_they_arrive() {
    let mut broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    assert_serves(&broker);
    let before = broker.process().resident_bytes();
    let connections: Vec<_> = (0..400)
        .map(|_| {
            let mut stream = frame::connect(&broker.bootstrap()).unwrap();
            stream.write_all(&104_857_600_i32.to_be_bytes()).unwrap();
            stream.write_all(&[0; 100]).unwrap();
            stream
        })
        .collect();
    assert_serves(&broker);
    assert_grown_little(&mut broker, before);
    drop(connections);
    assert_serves(&broker);
}

/// A deliberate difference too, see above.
#[test]
fn stalled_large_requests_do_not_hold_up_others() {
    let broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    let stalled: Vec<_> = (0..100)
        .map(|client| {
            let mut stream = frame::connect(&broker.bootstrap()).unwrap();
            stream.write_all(&104_857_600_i32.to_be_bytes()).unwrap();
            stream.write_all(&vec![0; 2_000 * client]).unwrap();
            stream
        })
        .collect();
    let started = Instant::now();
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let answer = frame::exchange(&mut stream, 9, &large_produce()).unwrap();
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(ErrorCode::from(code), ErrorCode::UnknownTopicOrPartition);
    assert!(started.elapsed() < Duration::from_secs(5), "the answer took {:?}", started.elapsed());
    drop(stalled);
}

#[test]
fn unknown_keys_and_versions_close_the_connection() {
    let broker = TestBroker::start().unwrap();
    for (key, version) in [(-1, 0), (4, 0), (7, 0), (KEY_MAX + 1, 0), (i16::MAX, 0), (i16::MIN, 3)] {
        assert!(send(&broker, &header(key, version, &[0; 8]), false).is_silent_close(), "key {key}");
    }
    let versions =
        [(0, 99), (0, -1), (1, 3), (1, 99), (3, 14), (3, -1), (19, 1), (19, 8), (11, 10), (3, i16::MAX)];
    for (key, version) in versions {
        let bytes = header(key, version, &[0; 8]);
        assert!(send(&broker, &bytes, false).is_silent_close(), "key {key} version {version}");
    }
    assert_serves(&broker);
}

/// Pitfall 1.
#[test]
fn api_versions_of_an_unknown_version_is_answered_in_version_0() {
    let broker = TestBroker::start().unwrap();
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    for version in [5, 99, i16::MAX] {
        stream.write_all(&header(18, version, &[1, 1, 0])).unwrap();
        let answer = frame::read_frame(&mut stream).unwrap();
        let response = milena_protocol::frames::decode_response::<ApiVersionsRequest>(answer, 0).unwrap();
        assert_eq!(ErrorCode::from(response.error_code), ErrorCode::UnsupportedVersion);
        assert!(response.api_keys.iter().any(|api| api.api_key == 18 && api.max_version == 4));
    }
    let response = frame::exchange(&mut stream, 0, &ApiVersionsRequest::default()).unwrap();
    assert_eq!(response.error_code, 0, "the connection goes on");
}

#[test]
fn lengths_beyond_the_frame_close_the_connection() {
    let mut broker = TestBroker::start().unwrap();
    assert_serves(&broker);
    let before = broker.process().resident_bytes();
    let huge = i32::MAX.to_be_bytes();
    // The largest unsigned varint of 32 bits.
    let huge_compact = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let flexible = |body: &[u8]| [&[0], body].concat();
    let cases = [
        ("topics of Metadata 1", header(3, 1, &huge)),
        ("topics of Metadata 12", header(3, 12, &flexible(&huge_compact))),
        ("a name of Metadata 1", header(3, 1, &[0, 0, 0, 1, 0x7f, 0xff])),
        ("tags of Metadata 12", header(3, 12, &huge_compact)),
        ("a tag's size", header(3, 12, &[&[1, 0][..], &huge_compact].concat())),
        ("topics of Produce 3", header(0, 3, &[&[0xff, 0xff, 0, 1, 0, 0, 0, 9][..], &huge].concat())),
        ("records of Produce 3", header(0, 3, &produce_body(&huge))),
        ("topics of Fetch 4", header(1, 4, &[&[0; 17][..], &huge].concat())),
        (
            "protocols of JoinGroup 0",
            header(11, 0, &[&[0, 1, b'g', 0, 0, 0, 9, 0, 0, 0, 0][..], &huge].concat()),
        ),
        ("topics of CreateTopics 2", header(19, 2, &huge)),
        ("groups of DescribeGroups 0", header(15, 0, &huge)),
        ("resources of DescribeConfigs 1", header(32, 1, &huge)),
    ];
    for (what, bytes) in cases {
        assert!(send(&broker, &bytes, false).is_silent_close(), "{what}");
    }
    assert_grown_little(&mut broker, before);
    assert_serves(&broker);
}

#[test]
fn truncated_requests_close_the_connection() {
    let broker = TestBroker::start().unwrap();
    let metadata = frame::request_bytes(1, 12, &MetadataRequest { topics: None, ..Default::default() });
    let produce = frame::request_bytes(1, 9, &ProduceRequest { acks: -1, ..Default::default() });
    for whole in [metadata, produce] {
        let body = &whole[4..];
        for length in 0..body.len() {
            // The prefix tells the truth about a request that ends too early.
            let bytes = [&i32::try_from(length).unwrap().to_be_bytes()[..], &body[..length]].concat();
            let ending = send(&broker, &bytes, true);
            assert!(ending.is_silent_close(), "{length} bytes of {}: {ending:?}", body.len());
            // The prefix announces the whole request and the client leaves.
            let ending = send(&broker, &whole[..4 + length], true);
            assert!(ending.is_silent_close(), "{length} bytes of {}: {ending:?}", body.len());
        }
    }
    assert_serves(&broker);
}

#[test]
fn random_frames_leave_the_broker_serving() {
    let mut broker = TestBroker::start().unwrap();
    assert_serves(&broker);
    let before = broker.process().resident_bytes();
    for seed in 0..RANDOM_FRAMES {
        let ending = send(&broker, &random_frame(seed), true);
        assert!(ending.closed, "frame {seed} keeps its connection: {:?}", random_frame(seed));
    }
    assert_serves(&broker);
    assert_grown_little(&mut broker, before);
}

#[test]
fn each_broken_connection_costs_at_most_one_log_line() {
    let mut broker = TestBroker::start().unwrap();
    assert_serves(&broker);
    let before = broker.process().lines().len();
    for _ in 0..50 {
        assert!(send(&broker, &header(999, 0, &[]), false).is_silent_close());
    }
    assert_serves(&broker);
    if broker.flavor() == Flavor::Milena {
        let lines = eventually("a line of each", END_PATIENCE, || {
            let lines = broker.process().lines();
            let named = lines[before..].iter().filter(|line| line.contains("999")).count();
            (named >= 50).then_some(lines)
        });
        assert_eq!(lines.len() - before, 50, "{:?}", lines.last());
    }
}

/// Sends bytes on a connection of their own and reads until the broker ends it. Where `leave` says so the client ends
/// its own direction first, as one that goes away does.
fn send(broker: &TestBroker, bytes: &[u8], leave: bool) -> Ending {
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    stream.set_read_timeout(Some(END_PATIENCE)).unwrap();
    // The broker may close before the last byte is out.
    let sent = stream.write_all(bytes);
    if leave && sent.is_ok() {
        stream.shutdown(Shutdown::Write).ok();
    }
    read_to_end(&mut stream)
}

fn read_to_end(stream: &mut TcpStream) -> Ending {
    let mut answer = Vec::new();
    let closed = match stream.read_to_end(&mut answer) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    };
    Ending { answer, closed }
}

/// A whole frame: header version 1 and what follows it.
fn header(key: i16, version: i16, rest: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i32(i32::try_from(8 + 2 + 1 + rest.len()).unwrap());
    bytes.put_i16(key);
    bytes.put_i16(version);
    bytes.put_i32(77);
    bytes.put_slice(&[0, 1, b'h']);
    bytes.put_slice(rest);
    bytes.freeze()
}

/// A body of Produce 3 for partition 0 of topic `t`, whose records have `length`.
fn produce_body(length: &[u8; 4]) -> Vec<u8> {
    let start = [0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0];
    [&start[..], length, &[0; 100]].concat()
}

/// A megabyte for a topic that does not exist.
fn large_produce() -> ProduceRequest {
    let records = Some(Records::Bytes(vec![0; 1_000_000].into()));
    let partition = PartitionProduceData { index: 0, records };
    let topic =
        TopicProduceData { name: "absent".into(), partition_data: vec![partition], ..Default::default() };
    ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

/// A frame of a random key and version, now and then unknown ones, with up to 200 random bytes, many of them small.
fn random_frame(seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let key = i16::try_from(next(96)).unwrap();
    let version = i16::try_from(next(16)).unwrap();
    let length = next(200);
    let small = next(2) == 0;
    let body: Vec<_> =
        (0..length).map(|_| u8::try_from(next(if small { 4 } else { 256 })).unwrap()).collect();
    header(key, version, &body)
}

fn assert_serves(broker: &TestBroker) {
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let started = Instant::now();
    let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    let response = frame::exchange(&mut stream, *MetadataRequest::VERSIONS.end(), &request).unwrap();
    assert_eq!(response.brokers.len(), 1, "{} of key {}", MetadataRequest::NAME, MetadataRequest::KEY);
    assert!(started.elapsed() < Duration::from_secs(5), "an answer took {:?}", started.elapsed());
}

fn assert_grown_little(broker: &mut TestBroker, before: u64) {
    let grown = broker.process().resident_bytes().saturating_sub(before);
    if broker.flavor() == Flavor::Milena {
        assert!(grown < MEMORY_GROWTH_BYTES_MAX, "memory grew by {grown} bytes");
    }
}
