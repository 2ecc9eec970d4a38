//! What six families of clients can do with one broker: every codec, kind of record, large records, a thousand topics,
//! configurations, log directories, offsets of groups; and what one has written, all of them read.
//!
//! The programs beside this file get what to produce as JSON and print what they read as lines of JSON, so that this
//! file alone says what is right. kcat has neither timestamps nor administration. kafkajs speaks the oldest versions of
//! the protocol (Produce 7, Fetch 11), franz-go and the Java client the newest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use milena_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, Compression, NewRecord, RecordBatch, batches};
use milena_protocol::{ProducerEpoch, ProducerId, Records, Timestamp};
use milena_tests::{Flavor, Process, TestBroker, eventually, frame, java, paths};
use serde::{Deserialize, Serialize};

use super::python;

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Programs that run at a time.
const WORKERS: usize = 3;
const FAMILIES: [&str; 6] = ["kcat", "confluent", "kafka-python", "franz-go", "kafkajs", "java"];
/// Their producers refuse a header without a value.
const WITHOUT_NULL_HEADERS: [&str; 2] = ["kafka-python", "kafkajs"];
const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
/// When the first record was made, by its producer's clock.
const START_MS: i64 = 1_700_000_000_000;
/// 10 MiB.
const LARGE_BYTES: usize = 10 * 1024 * 1024;
const COMPACTED: &str = "compacted";
/// Logs are compacted as soon as there is anything to compact.
const SETTINGS: [(&str, &str); 2] =
    [("log.cleaner.backoff.ms", "50"), ("log.cleaner.min.cleanable.ratio", "0.01")];
/// Topics with one partition for each family: name and configuration.
const TOPICS: [(&str, &[(&str, &str)]); 3] = [
    ("mixed", &[]),
    ("large", &[("max.message.bytes", "12000000")]),
    ("stamped", &[("message.timestamp.type", "LogAppendTime")]),
];

/// What one producer sends with one codec.
#[derive(Debug, Serialize)]
struct Batch {
    topic: String,
    codec: &'static str,
    records: Vec<Record>,
}

/// A record to produce; its value is `repeat` times `value`.
#[derive(Debug, Clone, Serialize)]
struct Record {
    key: Option<String>,
    value: Option<String>,
    repeat: usize,
    headers: Vec<(String, Option<String>)>,
    timestamp: i64,
}

/// A record that was read; a long value is told by its length and checksum.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Shown {
    topic: String,
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

/// The kinds of record that each codec must carry. The order suits kcat, which sends in groups of a kind.
fn kinds(family: &str, codec: &str) -> Vec<Record> {
    let record = |index: i64, key: Option<&str>, value: Option<&str>| Record {
        key: key.map(str::to_owned),
        value: value.map(str::to_owned),
        repeat: 1,
        headers: Vec::new(),
        timestamp: START_MS + index,
    };
    let name = format!("{family}/{codec}");
    let headers = [("twice", Some("1")), ("twice", Some("2")), ("null", None), ("empty", Some(""))];
    let may_be_null = !WITHOUT_NULL_HEADERS.contains(&family);
    let headers = headers.into_iter().filter(|(_, value)| value.is_some() || may_be_null);
    let headers = headers.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    vec![
        record(0, Some(&name), Some("position ✓")),
        Record { repeat: 6000, ..record(1, Some(&name), Some("position ")) },
        record(2, Some(""), Some("")),
        record(3, None, Some(&name)),
        record(4, Some(&name), None),
        Record { headers: headers.collect(), ..record(5, Some(&name), Some("headers")) },
    ]
}

fn large(family: &str) -> Record {
    let value = Some("0123456789abcdef".to_owned());
    let repeat = LARGE_BYTES / 16;
    Record { key: Some(family.to_owned()), value, repeat, headers: Vec::new(), timestamp: START_MS }
}

fn plan(family: &str) -> Vec<Batch> {
    let topic = |kind: &str| format!("{kind}-{family}");
    let mixed = CODECS.map(Compression::name).map(|codec| Batch {
        topic: topic("mixed"),
        codec,
        records: kinds(family, codec),
    });
    let mut plan = Vec::from(mixed);
    plan.push(Batch { topic: topic("large"), codec: "none", records: vec![large(family)] });
    plan.push(Batch { topic: topic("stamped"), codec: "gzip", records: kinds(family, "gzip") });
    plan
}

/// What everybody must read of a topic, but for the timestamps where the broker or kcat chose them.
fn expected(family: &str, topic: &str) -> Vec<Shown> {
    let topic = format!("{topic}-{family}");
    let batches = plan(family).into_iter().filter(|batch| batch.topic == topic);
    let records = batches.flat_map(|batch| batch.records);
    let shown = |(offset, record): (i64, Record)| Shown {
        topic: topic.clone(),
        offset,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value.map(|value| abbreviated(value.repeat(record.repeat))),
        headers: record.headers,
    };
    (0..).zip(records).map(shown).collect()
}

fn abbreviated(value: String) -> String {
    if value.len() <= 1000 {
        return value;
    }
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, value.as_bytes());
    format!("#{}:{crc}", value.len())
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Runs `work` for each item, some at a time; the results are in the order of the items.
fn for_each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue: Mutex<VecDeque<_>> = Mutex::new(items.iter().enumerate().collect());
    let done = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some((index, item)) = queue.lock().unwrap().pop_front() else { return };
                    let result = work(item);
                    done.lock().unwrap().insert(index, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

/// The program of a family that takes a command and its arguments.
fn program(family: &str, bootstrap: &str, command: &str, arguments: &[String]) -> Command {
    let mut program = match family {
        "confluent" => python("confluent_breadth.py"),
        "kafka-python" => python("kafka_python_breadth.py"),
        "kafkajs" => {
            let mut node = Command::new("node");
            node.env("NODE_PATH", paths::cache().join("clients/node/node_modules"));
            node.arg(paths::repository().join("tests/clients/node/breadth.js"));
            node
        }
        "java" => {
            let classes = paths::cache().join("clients/java");
            let mut java = java::java_with(&classes);
            java.arg("Breadth");
            java
        }
        "franz-go" => Command::new(paths::cache().join("clients/franz")),
        other => panic!("{other} has no program"),
    };
    program.arg(bootstrap);
    match (family, command) {
        ("franz-go", "write") => program.args(["", "spec"]),
        ("franz-go", "read") => program.args(["", "show"]),
        ("franz-go", "admin") => program.args([&arguments[0], "admin"]),
        _ => program.arg(command),
    };
    if !(family == "franz-go" && command == "admin") {
        program.args(arguments);
    }
    program
}

fn write(family: &str, bootstrap: &str) {
    let plan = plan(family);
    if family == "kcat" {
        return plan.iter().for_each(|batch| kcat_writes(bootstrap, batch));
    }
    let spec = serde_json::to_string(&plan).unwrap();
    java::run(program(family, bootstrap, "write", &[]), &spec).unwrap_or_else(|e| panic!("{family}: {e:#}"));
}

fn read(family: &str, bootstrap: &str, topics: &[String]) -> Vec<Shown> {
    if family == "kcat" {
        return topics.iter().flat_map(|topic| kcat_reads(bootstrap, topic)).collect();
    }
    let printed = java::run(program(family, bootstrap, "read", topics), "");
    let printed = printed.unwrap_or_else(|error| panic!("{family}: {error:#}"));
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{family}: {e}: {line}"))).collect()
}

/// kcat has one set of headers, and one meaning of nothing, for all records of a run.
fn kcat_writes(bootstrap: &str, batch: &Batch) {
    let is_null = |record: &Record| record.key.is_none() || record.value.is_none();
    let same = |one: &Record, next: &Record| is_null(one) == is_null(next) && one.headers == next.headers;
    for records in batch.records.chunk_by(same) {
        let mut kcat = kcat(bootstrap, &["-P", "-t", &batch.topic, "-K", "\t", "-z", batch.codec]);
        if records.iter().any(is_null) {
            kcat.arg("-Z");
        }
        for (name, value) in &records[0].headers {
            kcat.arg("-H").arg(value.as_ref().map_or(name.clone(), |value| format!("{name}={value}")));
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let lines =
            records.iter().map(|r| format!("{}\t{}\n", text(&r.key), text(&r.value).repeat(r.repeat)));
        java::run(kcat, &lines.collect::<String>()).unwrap();
    }
}

fn kcat_reads(bootstrap: &str, topic: &str) -> Vec<Shown> {
    let (topic, count) = topic.split_once(':').unwrap();
    let kcat = kcat(bootstrap, &["-C", "-q", "-J", "-t", topic, "-o", "beginning", "-c", count]);
    let printed = java::run(kcat, "").unwrap();
    let lines = printed.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|line: serde_json::Value| {
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            let headers = line["headers"].as_array().cloned().unwrap_or_default();
            Shown {
                topic: topic.to_owned(),
                offset: line["offset"].as_i64().unwrap(),
                timestamp: line["ts"].as_i64().unwrap(),
                key: text(&line["key"]),
                value: text(&line["payload"]).map(abbreviated),
                headers: headers.chunks(2).map(|pair| (text(&pair[0]).unwrap(), text(&pair[1]))).collect(),
            }
        })
        .collect()
}

fn kcat(bootstrap: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["90", "kcat", "-b", bootstrap]).args(arguments);
    for setting in [
        "message.max.bytes=20000000",
        "receive.message.max.bytes=64000000",
        "fetch.message.max.bytes=20000000",
    ] {
        command.args(["-X", setting]);
    }
    command
}

fn create(broker: &TestBroker, topics: &[(String, &[(&str, &str)])]) {
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let topic = |(name, configs): &(String, &[(&str, &str)])| CreatableTopic {
        name: name.as_str().into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) })
            .collect(),
        ..CreatableTopic::default()
    };
    let topics: Vec<_> = topics.iter().map(topic).collect();
    let names: Vec<_> = topics.iter().map(|topic| topic.name.clone()).collect();
    let request = CreateTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() };
    let response = frame::exchange(&mut stream, 7, &request).unwrap();
    assert!(response.topics.iter().all(|topic| topic.error_code == 0), "{response:?}");
    for name in names {
        let partition = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
        let topics = vec![ListOffsetsTopic { name, partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        eventually("a leader", PATIENCE, || {
            let response = frame::exchange(&mut stream, 4, &request).unwrap();
            (response.topics[0].partitions[0].error_code == 0).then_some(())
        });
    }
}

/// The batches of a topic, as they are stored.
fn stored(broker: &TestBroker, topic: &str) -> Vec<RecordBatch> {
    let partition = FetchPartition { partition_max_bytes: 1 << 24, ..FetchPartition::default() };
    let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }];
    let request = FetchRequest { max_wait_ms: 0, topics, ..FetchRequest::default() };
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let response = frame::exchange(&mut stream, 12, &request).unwrap();
    let records = response.responses[0].partitions[0].records.clone().unwrap().into_bytes().unwrap();
    batches(records).map(Result::unwrap).collect()
}

fn stored_codecs(broker: &TestBroker, topic: &str) -> BTreeSet<&'static str> {
    let batches = stored(broker, topic);
    batches.iter().map(|batch| batch.header().attributes.compression().unwrap().name()).collect()
}

/// A topic whose log was compacted to an empty batch, one that lost a record, and one that is whole; what is to be
/// read of it.
fn compact(broker: &TestBroker) -> Vec<Shown> {
    let configs =
        [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.01")];
    create(broker, &[(COMPACTED.to_owned(), &configs)]);
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let producer = BatchBuilder::default().producer(ProducerId(4000), ProducerEpoch(0), 0);
    for (minute, mut builder) in (0..).zip([producer, BatchBuilder::default(), BatchBuilder::default()]) {
        for value in ["one", "two"] {
            let timestamp = Timestamp(START_MS + minute * 60_000);
            let (key, value) = (Some(&b"truck"[..]), Some(value.as_bytes()));
            builder.push(NewRecord { timestamp, key, value, ..NewRecord::default() });
        }
        let records = Some(Records::Bytes(builder.build().into_bytes()));
        let partition_data = vec![PartitionProduceData { index: 0, records }];
        let topic = TopicProduceData { name: COMPACTED.into(), partition_data, ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let response = frame::exchange(&mut stream, 9, &request).unwrap();
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    eventually("a batch without records", PATIENCE, || {
        stored(broker, COMPACTED).iter().any(|batch| batch.header().count == 0).then_some(())
    });
    let shown = |(offset, value): (i64, &str)| Shown {
        topic: COMPACTED.to_owned(),
        offset,
        timestamp: START_MS + offset / 2 * 60_000,
        key: Some("truck".to_owned()),
        value: Some(value.to_owned()),
        headers: Vec::new(),
    };
    [(3, "two"), (4, "one"), (5, "two")].map(shown).into()
}

/// Pitfalls 15 and 42.
#[test]
fn what_one_family_writes_all_of_them_read() {
    let broker = TestBroker::start_with(Flavor::wanted(), &SETTINGS).unwrap();
    let bootstrap = broker.bootstrap();
    let topics: Vec<_> = FAMILIES
        .iter()
        .flat_map(|family| TOPICS.map(|(name, configs)| (format!("{name}-{family}"), configs)))
        .collect();
    create(&broker, &topics);
    let started = now_ms();
    for_each(&FAMILIES, |family| write(family, &bootstrap));
    let written = started..=now_ms();
    let mut wanted = BTreeMap::from([(COMPACTED.to_owned(), compact(&broker))]);
    for family in FAMILIES {
        assert_eq!(stored_codecs(&broker, &format!("mixed-{family}")), CODECS.map(Compression::name).into());
        for (topic, _) in TOPICS {
            wanted.insert(format!("{topic}-{family}"), expected(family, topic));
        }
    }
    let counts: Vec<_> = wanted.iter().map(|(topic, records)| format!("{topic}:{}", records.len())).collect();
    let all = for_each(&FAMILIES, |family| read(family, &bootstrap, &counts));
    for (reader, read) in FAMILIES.iter().zip(all) {
        let mut by_topic: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        for mut record in read {
            let chosen = record.topic.starts_with("stamped") || record.topic.ends_with("kcat");
            if chosen {
                assert!(written.contains(&record.timestamp), "{reader} reads {record:?}");
                let index = usize::try_from(record.offset).unwrap();
                record.timestamp = wanted[&record.topic][index].timestamp;
            }
            by_topic.entry(record.topic.clone()).or_default().push(record);
        }
        for (topic, records) in &wanted {
            assert_eq!(&by_topic[topic], records, "{reader} reads {topic}");
        }
    }
}

#[test]
fn administrators_of_each_family_find_what_they_know() {
    let broker = TestBroker::start().unwrap();
    let bootstrap = broker.bootstrap();
    for_each(&FAMILIES[1..], |family| {
        let admin = program(family, &bootstrap, "admin", &[format!("admin-{family}")]);
        let started = std::time::Instant::now();
        java::run(admin, "").unwrap_or_else(|error| panic!("{family}: {error:#}"));
        eprintln!("{family}: {:?}", started.elapsed());
    });
}

/// Each with its own batches in flight, which it sends again after the crash.
#[test]
fn idempotent_producers_lose_and_repeat_nothing_over_kills() {
    const RECORDS: usize = 15_000;
    const KILLED_AT: usize = 1_000;
    let mut broker = TestBroker::start().unwrap();
    let families = ["java", "confluent", "franz-go"];
    let topics = families.map(|family| (format!("stream-{family}"), &[][..]));
    create(&broker, &topics);
    // Each is killed upon in its middle, and those that began before are still at it, or done.
    let mut writers = families.map(|family| {
        let mut writer = Process::start(streaming(family, &broker.bootstrap(), RECORDS)).unwrap();
        eventually("enough acknowledged records", PATIENCE, || {
            (writer.lines().len() >= KILLED_AT).then_some(())
        });
        assert!(writer.ended().is_none(), "{family} is in the middle");
        broker.kill();
        broker.restart().unwrap();
        writer
    });
    for (family, writer) in families.iter().zip(&mut writers) {
        let status = eventually("the end of the writer", PATIENCE, || writer.ended());
        assert!(status.success(), "{family}: {:?}", writer.lines().last());
        eventually("its last line", PATIENCE, || (writer.lines().len() >= RECORDS).then_some(()));
        let mut franz = Command::new(paths::cache().join("clients/franz"));
        franz.args([&broker.bootstrap(), &format!("stream-{family}"), "read"]);
        let stored = java::run(franz, "").unwrap();
        let expected: Vec<_> = (0..RECORDS).map(|number| format!("0 {number} {number}")).collect();
        assert_eq!(stored.lines().collect::<Vec<_>>(), expected, "{family}: once, and in order");
        let acknowledged: BTreeSet<_> =
            writer.lines().into_iter().filter(|line| line.starts_with("0 ")).collect();
        assert_eq!(acknowledged, expected.into_iter().collect(), "{family}: what was acknowledged");
    }
}

/// A program that writes so many numbered records and prints a line for each acknowledged one.
fn streaming(family: &str, bootstrap: &str, records: usize) -> Command {
    let (topic, count) = (format!("stream-{family}"), records.to_string());
    if family != "franz-go" {
        return program(family, bootstrap, "stream", &[topic, count]);
    }
    let mut franz = Command::new(paths::cache().join("clients/franz"));
    franz.args([bootstrap, &topic, "write", &count, "1"]);
    franz
}
