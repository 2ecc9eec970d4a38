//! A client that asks and never reads: the broker keeps a bounded amount for it and serves the others.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use milena_protocol::messages::describe_configs::DescribeConfigsResource;
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic};
use milena_protocol::messages::{DescribeConfigsRequest, FetchRequest, MetadataRequest};
use milena_tests::{Flavor, TestBroker, frame, java};

const TOPIC: &str = "heavy";
/// What all such clients may cost together, in bytes.
const MEMORY_GROWTH_BYTES_MAX: u64 = 96 * 1024 * 1024;
const CLIENTS: usize = 8;
/// Requests that each client tries to send; each asks for all the data.
const REQUESTS: usize = 200_000;
/// A write that waits so long shows that the broker stopped reading.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);

#[test]
fn client_that_never_reads_is_not_read_from_either() {
    let mut broker = TestBroker::start().unwrap();
    fill(&broker);
    let before = broker.process().resident_bytes();
    let request = frame::request_bytes(1, 11, &fetch());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = frame::connect(&broker.bootstrap()).unwrap();
        stream.set_write_timeout(Some(WRITE_PATIENCE)).unwrap();
        let sent = (0..REQUESTS).take_while(|_| stream.write_all(&request).is_ok()).count();
        assert!(sent < REQUESTS, "the broker read {sent} requests whose answers nobody reads");
        clients.push(stream);
    }
    let grown = broker.process().resident_bytes().saturating_sub(before);
    if broker.flavor() == Flavor::Milena {
        assert!(grown < MEMORY_GROWTH_BYTES_MAX, "memory grew by {grown} bytes");
    }
    let started = Instant::now();
    let mut other = frame::connect(&broker.bootstrap()).unwrap();
    frame::exchange(&mut other, 12, &MetadataRequest::default()).unwrap();
    let answer = frame::exchange(&mut other, 11, &fetch()).unwrap();
    assert_eq!(answer.responses[0].partitions[0].error_code, 0);
    assert!(started.elapsed() < Duration::from_secs(10), "others waited {:?}", started.elapsed());
}

/// The answers are large and finished at once, so none may be made before the one ahead of it was read.
#[test]
fn answers_of_small_requests_do_not_pile_up() {
    let mut broker = TestBroker::start().unwrap();
    let resource =
        DescribeConfigsResource { resource_type: 4, resource_name: "1".into(), configuration_keys: None };
    let describe = |count| DescribeConfigsRequest {
        resources: vec![resource.clone(); count],
        include_documentation: true,
        include_synonyms: true,
    };
    let mut asker = frame::connect(&broker.bootstrap()).unwrap();
    let answer = frame::exchange(&mut asker, 4, &describe(1_000)).unwrap();
    assert!(answer.results[0].configs.len() > 100);
    if broker.flavor() == Flavor::Milena {
        assert_eq!(answer.results.len(), 1, "what is asked twice is answered once");
    }
    let before = broker.process().resident_bytes();
    let requests = frame::request_bytes(1, 4, &describe(1)).repeat(1_000);
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = frame::connect(&broker.bootstrap()).unwrap();
            stream.write_all(&requests).unwrap();
            // The first answer is on its way; what is made ahead of its reading is made by now.
            stream.read_exact(&mut [0; 4]).unwrap();
            stream
        })
        .collect();
    let grown = broker.process().resident_bytes().saturating_sub(before);
    if broker.flavor() == Flavor::Milena {
        assert!(grown < MEMORY_GROWTH_BYTES_MAX, "memory grew by {grown} bytes");
    }
    drop(clients);
}

/// Produces 20 MB by Kafka's own producer.
fn fill(broker: &TestBroker) {
    let bootstrap = broker.bootstrap();
    let create = ["--bootstrap-server", &bootstrap, "--create", "--topic", TOPIC, "--partitions", "1"];
    java::tool("org.apache.kafka.tools.TopicCommand", &create).unwrap();
    let size = ["--num-records", "2000", "--record-size", "10000", "--throughput", "-1"];
    let target = ["--topic", TOPIC, "--bootstrap-server", &bootstrap];
    java::tool("org.apache.kafka.tools.ProducerPerformance", &[&size[..], &target].concat()).unwrap();
}

fn fetch() -> FetchRequest {
    let partition = FetchPartition { partition_max_bytes: 50_000_000, ..Default::default() };
    let topic = FetchTopic {
        topic: ByteString::from_static(TOPIC),
        partitions: vec![partition],
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 50_000_000,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}
