//! Limits on connections: how many, from where, how fast, how long, and what they may cost. Runs against Apache Kafka too
//! (`MILENA_TEST_BROKER=kafka`), but for what bounds memory.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use milena_protocol::{ErrorCode, Records, frames};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;

/// How long to watch that a connection is not served.
const SILENCE: Duration = Duration::from_millis(700);

/// A connection that was served.
fn served(address: &str) -> io::Result<TcpStream> {
    let mut stream = frame::connect(address)?;
    frame::exchange(&mut stream, 0, &ApiVersionsRequest::default())?;
    Ok(stream)
}

/// Waits until somebody new is served, after an end that the broker may not have seen yet.
fn served_at_last(address: &str) -> TcpStream {
    eventually("a connection that is served", PATIENCE, || served(address).ok())
}

fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    match stream.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => panic!("an answer to nothing"),
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}

fn set_of_brokers(stream: &mut TcpStream, key: &str, value: &str) {
    let config =
        AlterableConfig { name: key.into(), value: Some(value.into()), ..AlterableConfig::default() };
    let resource = AlterConfigsResource { resource_type: 4, resource_name: "".into(), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource],
        ..IncrementalAlterConfigsRequest::default()
    };
    let answer = frame::exchange(stream, 1, &request).unwrap();
    assert_eq!(answer.responses[0].error_code, 0, "{:?}", answer.responses[0].error_message);
}

#[test]
fn address_has_no_more_connections_than_it_may() {
    let settings = [("max.connections.per.ip", "1"), ("max.connections.per.ip.overrides", "127.0.0.1:2")];
    let broker = TestBroker::start_with(Flavor::wanted(), &settings).unwrap();
    let first = served_at_last(&broker.bootstrap());
    let _second = served_at_last(&broker.bootstrap());
    assert!(served(&broker.bootstrap()).is_err(), "a third is closed");
    drop(first);
    served_at_last(&broker.bootstrap());
}

/// Broker-wide room is for the listener of the brokers first.
#[test]
fn full_broker_still_serves_brokers_and_ends_who_was_idle_longest() {
    let internal = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listeners = format!("PLAINTEXT://{internal},CLIENT://{{client}},CONTROLLER://{{controller}}");
    let advertised = format!("PLAINTEXT://{internal},CLIENT://{{client}}");
    let settings = [
        ("listeners", listeners.as_str()),
        ("advertised.listeners", &advertised),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("max.connections", "3"),
        ("listener.name.plaintext.max.connections", "2"),
    ];
    let broker = TestBroker::start_with(Flavor::wanted(), &settings).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| served_at_last(&broker.bootstrap())).collect();
    let mut waiting = frame::connect(&broker.bootstrap()).unwrap();
    waiting.write_all(&frame::request_bytes(1, 0, &ApiVersionsRequest::default())).unwrap();
    waiting.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(waiting.read(&mut [0]).is_err(), "there is no room");
    // The first was used after the second.
    frame::exchange(&mut clients[0], 0, &ApiVersionsRequest::default()).unwrap();

    let _peers: Vec<_> = (0..2).map(|_| served(&internal).unwrap()).collect();
    eventually("an end of the two that were idle longest", PATIENCE, || {
        let closed: Vec<bool> = clients.iter_mut().map(is_closed).collect();
        // Apache Kafka spreads them over threads, each of which knows only its own.
        (closed.iter().filter(|closed| **closed).count() == 2)
            .then_some(())
            .and_then(|()| (closed == [false, true, true] || broker.flavor() == Flavor::Kafka).then_some(()))
    });
    let mut third = frame::connect(&internal).unwrap();
    third.write_all(&frame::request_bytes(1, 0, &ApiVersionsRequest::default())).unwrap();
    third.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(third.read(&mut [0]).is_err(), "its own limit holds");
    drop(clients);
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    frame::read_frame(&mut waiting).unwrap();
}

#[test]
fn limits_change_while_the_broker_runs() {
    let broker = TestBroker::start().unwrap();
    let mut clients: Vec<_> = (0..4).map(|_| served_at_last(&broker.bootstrap())).collect();
    set_of_brokers(&mut clients[3], "max.connections", "1");
    eventually("an end of what is too many", PATIENCE, || {
        (clients.iter_mut().filter_map(|client| is_closed(client).then_some(())).count() == 3).then_some(())
    });
    let mut left: Vec<_> =
        clients.into_iter().filter_map(|mut client| (!is_closed(&mut client)).then_some(client)).collect();
    left[0].set_read_timeout(Some(PATIENCE)).unwrap();
    set_of_brokers(&mut left[0], "max.connections", "100");
    served_at_last(&broker.bootstrap());
}

#[test]
fn connections_beyond_the_rate_wait() {
    let settings = [("quota.window.num", "2"), ("max.connection.creation.rate", "20")];
    let broker = TestBroker::start_with(Flavor::wanted(), &settings).unwrap();
    let started = Instant::now();
    for _ in 0..45 {
        served_at_last(&broker.bootstrap());
    }
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_millis(900), "45 connections took {elapsed:?}");
    let mut client = served_at_last(&broker.bootstrap());
    set_of_brokers(&mut client, "max.connection.creation.rate", "100000");
    let started = Instant::now();
    for _ in 0..45 {
        served_at_last(&broker.bootstrap());
    }
    assert!(started.elapsed() < elapsed, "without a limit it took {:?}", started.elapsed());
}

#[test]
fn idle_connections_are_closed() {
    let broker = TestBroker::start_with(Flavor::wanted(), &[("connections.max.idle.ms", "1500")]).unwrap();
    let mut used = served_at_last(&broker.bootstrap());
    let mut idle = served_at_last(&broker.bootstrap());
    let mut half = frame::connect(&broker.bootstrap()).unwrap();
    half.write_all(&[0, 0]).unwrap();
    eventually("an end of those that are idle", PATIENCE, || {
        frame::exchange(&mut used, 0, &ApiVersionsRequest::default()).unwrap();
        (is_closed(&mut idle) && is_closed(&mut half)).then_some(())
    });
}

/// Idle ones, ones that stopped in the middle of a frame, and ones that wait for records.
#[test]
fn connections_that_wait_cost_little() {
    const OF_EACH: usize = 400;
    const BYTES_EACH_MAX: u64 = 24 * 1024;
    let mut broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    let mut client = served_at_last(&broker.bootstrap());
    let topic =
        CreatableTopic { name: "t".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    assert_eq!(frame::exchange(&mut client, 7, &create).unwrap().topics[0].error_code, 0);
    let partition = FetchPartition { partition_max_bytes: 1_000_000, ..Default::default() };
    let topic = FetchTopic { topic: "t".into(), partitions: vec![partition], ..Default::default() };
    let fetch = FetchRequest {
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1_000_000,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let before = broker.process().resident_bytes();
    let mut streams = Vec::new();
    for _ in 0..OF_EACH {
        streams.push(served(&broker.bootstrap()).unwrap());
        let mut half = served(&broker.bootstrap()).unwrap();
        half.write_all(&[0, 0, 100]).unwrap();
        streams.push(half);
        let mut parked = served(&broker.bootstrap()).unwrap();
        parked.write_all(&frame::request_bytes(1, 11, &fetch)).unwrap();
        streams.push(parked);
    }
    frame::exchange(&mut client, 12, &MetadataRequest::default()).unwrap();
    let grown = broker.process().resident_bytes().saturating_sub(before);
    let each = grown / (3 * OF_EACH as u64);
    assert!(each < BYTES_EACH_MAX, "a connection costs {each} bytes");
}

/// They hold all the memory for requests, and one of them the permission to go beyond it.
#[test]
fn senders_that_stall_give_way_to_others() {
    let broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    let stalled: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = served_at_last(&broker.bootstrap());
            stream.write_all(&100_000_000_i32.to_be_bytes()).unwrap();
            // The last of them waits for memory and does not take it all.
            stream.set_write_timeout(Some(SILENCE)).unwrap();
            stream.write_all(&vec![0; 20_000_000]).ok();
            stream
        })
        .collect();
    let started = Instant::now();
    let mut stream = served_at_last(&broker.bootstrap());
    stream.write_all(&produce_to_nobody(5_000_000)).unwrap();
    assert_refused(&mut stream);
    assert!(started.elapsed() < Duration::from_secs(15), "the answer took {:?}", started.elapsed());
    drop(stalled);
}

/// The buffer of a request that was answered is given back, also where the next request has begun behind it.
#[test]
fn answered_requests_keep_no_memory() {
    const BYTES_EACH: usize = 50_000_000;
    const RESIDENT_BYTES_MAX: u64 = 150_000_000;
    let mut broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    let mut request = produce_to_nobody(BYTES_EACH);
    request.push(0);
    let streams: Vec<_> = (0..6)
        .map(|_| {
            let mut stream = served_at_last(&broker.bootstrap());
            stream.write_all(&request).unwrap();
            assert_refused(&mut stream);
            stream
        })
        .collect();
    eventually("memory to be given back", PATIENCE, || {
        (broker.process().resident_bytes() < RESIDENT_BYTES_MAX).then_some(())
    });
    drop(streams);
}

/// Produces so many bytes to a topic that is not there.
fn produce_to_nobody(bytes: usize) -> Vec<u8> {
    let records = Some(Records::Bytes(Bytes::from(vec![0; bytes])));
    let data = PartitionProduceData { index: 0, records };
    let topic = TopicProduceData { name: "t".into(), partition_data: vec![data], ..Default::default() };
    let produce = ProduceRequest { acks: 1, topic_data: vec![topic], ..Default::default() };
    frame::request_bytes(7, 9, &produce).to_vec()
}

fn assert_refused(stream: &mut TcpStream) {
    let answer = frame::read_frame(stream).unwrap();
    let answer = frames::decode_response::<ProduceRequest>(answer, 9).unwrap();
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(ErrorCode::from(code), ErrorCode::UnknownTopicOrPartition);
}
