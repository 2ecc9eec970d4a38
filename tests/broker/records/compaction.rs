//! Compacted topics: what producers wrote last under each key stays at its offset, and Kafka's tools find nothing wrong.

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use milena_protocol::messages::create_topics::CreatableTopicConfig;
use milena_protocol::messages::find_coordinator::FindCoordinatorRequest;
use milena_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use milena_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use milena_tests::{dump, java};

use super::*;

/// Cleaning begins as soon as there is anything to clean.
const EAGER: &[(&str, &str)] =
    &[("log.cleaner.backoff.ms", "50"), ("log.cleaner.min.cleanable.ratio", "0.01")];
/// Every batch that is a second younger than the one before begins a segment.
const COMPACTED: &[(&str, &str)] =
    &[("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.01")];

/// Offset, key and value of each record.
type Contents = BTreeMap<i64, (String, Option<String>)>;

impl Client {
    fn compacted(broker: &TestBroker, configs: &[(&'static str, &'static str)]) -> Self {
        let stream = frame::connect(&broker.bootstrap()).unwrap();
        let mut client = Self { stream, topic_id: Uuid::nil() };
        let configs = configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) });
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let response = frame::exchange(&mut client.stream, 7, &request).unwrap();
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
        client.topic_id = response.topics[0].topic_id;
        client.await_leader();
        client
    }

    fn contents(&mut self) -> Contents {
        let (mut found, mut next) = (Contents::new(), 0);
        loop {
            let data = self.fetch(13, |request| request.topics[0].partitions[0].fetch_offset = next);
            assert_eq!(code(&data), ErrorCode::None);
            let bytes = data.records.unwrap().into_bytes().unwrap();
            let Some(last) = batches(bytes.clone()).map(Result::unwrap).last() else { return found };
            next = last.header().next_offset().0;
            let text = |bytes: Option<Bytes>| bytes.map(|it| String::from_utf8(it.to_vec()).unwrap());
            for record in batches(bytes).flat_map(|batch| batch.unwrap().records().unwrap()) {
                let record = record.unwrap();
                found.insert(record.offset.0, (text(record.key).unwrap(), text(record.value)));
            }
        }
    }

    /// Writes one batch, half a minute after the one before, and notes it.
    fn write(
        &mut self,
        builder: BatchBuilder,
        records: &[(&str, Option<&str>)],
        written: &mut Contents,
    ) -> i64 {
        let batch = keyed(builder, START_MS + written.len() as i64 * 30_000, records);
        let base = self.produce(&batch);
        let owned = records.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
        written.extend((base..).zip(owned));
        base
    }
}

fn keyed(mut builder: BatchBuilder, timestamp: i64, records: &[(&str, Option<&str>)]) -> RecordBatch {
    for (key, value) in records {
        builder.push(NewRecord {
            timestamp: Timestamp(timestamp),
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: &[("source", Some(b"test"))],
        });
    }
    builder.build()
}

/// The last record of every key below `active`, and everything from there on.
fn compacted(written: &Contents, active: i64) -> Contents {
    let last: BTreeMap<&str, i64> =
        written.range(..active).map(|(offset, (key, _))| (key.as_str(), *offset)).collect();
    let stays = |offset: i64, key: &str| offset >= active || last[key] == offset;
    let kept = written.iter().filter(|(offset, (key, _))| stays(**offset, key));
    kept.map(|(offset, record)| (*offset, record.clone())).collect()
}

fn await_contents(client: &mut Client, what: &str, expected: &Contents) {
    let mut found = Contents::new();
    let start = Instant::now();
    while found != *expected {
        assert!(start.elapsed() < PATIENCE, "{what}: {found:?} instead of {expected:?}");
        found = client.contents();
    }
}

#[test]
fn compacted_topic_keeps_the_last_record_of_every_key() {
    let mut broker = TestBroker::start_with(Flavor::wanted(), EAGER).unwrap();
    let mut client = Client::compacted(&broker, COMPACTED);
    let (producer_id, mut written) = (client.producer_id(), Contents::new());
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (round, codec) in ["one", "two", "three", "four", "five"].into_iter().zip(codecs) {
        let records = [("a", Some(round)), ("b", Some(round)), ("b", Some("again")), (round, Some("own"))];
        client.write(BatchBuilder::default().compression(codec), &records, &mut written);
    }
    client.write(BatchBuilder::default(), &[("b", None), ("z", Some("stays"))], &mut written);
    let idempotent = |sequence| BatchBuilder::default().producer(producer_id, ProducerEpoch(0), sequence);
    let first = client.write(idempotent(0), &[("p", Some("1")), ("p", Some("2"))], &mut written);
    let active =
        client.write(BatchBuilder::default(), &[("p", Some("other")), ("a", Some("last"))], &mut written);
    let expected = compacted(&written, active);
    assert!(expected.len() < written.len());
    await_contents(&mut client, "the compacted topic", &expected);

    assert_eq!(client.list(7, -2).offset, 0, "the log start stays where it was");
    let retried = keyed(idempotent(0), START_MS, &[("p", Some("1")), ("p", Some("2"))]);
    assert_eq!(client.produce(&retried), first, "a retry is known");
    let next = client.write(idempotent(2), &[("p", Some("3"))], &mut written);
    assert_eq!(next, active + 2, "the producer goes on");
    let expected = compacted(&written, next);
    await_contents(&mut client, "the next cleaning", &expected);
    for stop in [TestBroker::stop, TestBroker::kill] {
        stop(&mut broker);
        broker.restart().unwrap();
        client.stream = frame::connect(&broker.bootstrap()).unwrap();
        client.await_leader();
        assert_eq!(client.contents(), expected);
    }
    broker.kill();
    dump::assert_readable_with_holes(&broker);
}

#[test]
fn tombstones_go_when_their_time_is_over() {
    let broker = TestBroker::start_with(Flavor::wanted(), EAGER).unwrap();
    let mut client = Client::compacted(&broker, &[COMPACTED, &[("delete.retention.ms", "1")]].concat());
    let mut written = Contents::new();
    client.write(BatchBuilder::default(), &[("a", Some("1")), ("b", Some("1"))], &mut written);
    client.write(BatchBuilder::default().compression(Compression::Zstd), &[("a", None)], &mut written);
    // A cleaning marks the tombstone, another one removes it.
    eventually("a topic without the tombstone", PATIENCE, || {
        client.write(BatchBuilder::default(), &[("c", Some("1"))], &mut written);
        let found = client.contents();
        let is_gone = found.values().all(|(key, _)| key != "a");
        assert!(is_gone || found.contains_key(&2), "the tombstone outlives what it deletes: {found:?}");
        assert!(found.contains_key(&1));
        is_gone.then_some(())
    });
}

#[test]
fn java_clients_write_and_read_a_compacted_topic() {
    let broker = TestBroker::start_with(Flavor::wanted(), EAGER).unwrap();
    let configs = [("cleanup.policy", "compact"), ("segment.ms", "1"), ("min.cleanable.dirty.ratio", "0.01")];
    let mut client = Client::compacted(&broker, &configs);
    let bootstrap = broker.bootstrap();
    let lines: String = (0..400).map(|line| format!("truck {}:position {line}\n", line % 7)).collect();
    let properties = ["parse.key=true", "key.separator=:"].map(|it| ["--reader-property", it]).concat();
    // Small batches: each but the last one can be cleaned.
    let producer =
        ["--bootstrap-server", &bootstrap, "--topic", TOPIC, "--batch-size", "200", "--producer-property"];
    let arguments = [&producer[..], &["linger.ms=0", "--compression-codec", "lz4"], &properties].concat();
    java::tool_with_input("org.apache.kafka.tools.ConsoleProducer", &arguments, &lines).unwrap();
    // Younger than what the producer wrote, so that its segment ends.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let end = keyed(BatchBuilder::default(), now as i64 + 60_000, &[("end", Some("end"))]);
    assert_eq!(client.produce(&end), 400);
    // One record of each truck, and the end: nothing is left to be cleaned while the consumer reads.
    let few =
        eventually("a compacted topic", PATIENCE, || Some(client.contents()).filter(|it| it.len() == 7 + 1));
    let consumer = ["--bootstrap-server", &bootstrap, "--topic", TOPIC, "--from-beginning", "--max-messages"];
    let count = few.len().to_string();
    let format = ["print.key=true", "print.offset=true"].map(|it| ["--formatter-property", it]).concat();
    let arguments = [&consumer[..], &[&count], &format].concat();
    let printed = java::tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments).unwrap();
    for (offset, (key, value)) in client.contents() {
        let line = format!("Offset:{offset}\t{key}\t{}", value.unwrap());
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    for truck in 0..7 {
        assert!(
            printed.contains(&format!(
                "truck {truck}\tposition {}",
                (393..400).find(|n| n % 7 == truck).unwrap()
            ))
        );
    }
}

#[test]
fn record_without_a_key_is_refused() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::compacted(&broker, COMPACTED);
    for codec in [Compression::None, Compression::Gzip] {
        let response = client.try_produce(9, -1, mk_batch(0, 2, codec).into_bytes());
        assert_eq!(ErrorCode::from(response.error_code), ErrorCode::InvalidRecord, "{response:?}");
        assert_eq!(response.record_errors.len(), 2);
    }
}

const COMMITS: i64 = 700;

/// What a commit carries beside the offset, so that a few of them fill a segment.
fn metadata(offset: i64) -> String {
    format!("{offset:04000}")
}

fn commit(client: &mut Client, offset: i64) {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        committed_metadata: Some(metadata(offset).into()),
        ..Default::default()
    };
    let topic =
        OffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    let request =
        OffsetCommitRequest { group_id: "drivers".into(), topics: vec![topic], ..Default::default() };
    eventually("an accepted commit", PATIENCE, || {
        let response = frame::exchange(&mut client.stream, 8, &request).unwrap();
        (response.topics[0].partitions[0].error_code == 0).then_some(())
    });
}

/// The offset and metadata that the group has committed.
fn committed(client: &mut Client) -> (i64, Option<String>) {
    let topic =
        OffsetFetchRequestTopics { name: TOPIC.into(), partition_indexes: vec![0], ..Default::default() };
    let group = OffsetFetchRequestGroup {
        group_id: "drivers".into(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    eventually("an answer of the coordinator", PATIENCE, || {
        let response = frame::exchange(&mut client.stream, 8, &request).unwrap();
        let group = &response.groups[0];
        (group.error_code == 0).then(|| {
            let partition = &group.topics[0].partitions[0];
            (partition.committed_offset, partition.metadata.as_ref().map(ToString::to_string))
        })
    })
}

#[test]
fn offsets_of_groups_do_not_pile_up() {
    let settings =
        [EAGER, &[("offsets.topic.num.partitions", "1"), ("offsets.topic.segment.bytes", "1048576")]];
    let mut broker = TestBroker::start_with(Flavor::wanted(), &settings.concat()).unwrap();
    let mut client = Client::of_leader(&broker);
    let request = FindCoordinatorRequest { coordinator_keys: vec!["drivers".into()], ..Default::default() };
    eventually("a coordinator", PATIENCE, || {
        let response = frame::exchange(&mut client.stream, 4, &request).unwrap();
        (response.coordinators[0].error_code == 0).then_some(())
    });
    client.produce(&mk_batch(0, 1, Compression::None));
    (0..COMMITS).for_each(|offset| commit(&mut client, offset));
    let folder = broker.data().join("__consumer_offsets-0");
    let size = || -> u64 {
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
        let logs = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "log"));
        logs.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    };
    eventually("fewer offsets", PATIENCE, || (size() < 1_100_000).then_some(()));
    for stop in [TestBroker::stop, TestBroker::kill] {
        stop(&mut broker);
        broker.restart().unwrap();
        client.stream = frame::connect(&broker.bootstrap()).unwrap();
        assert_eq!(committed(&mut client), (COMMITS - 1, Some(metadata(COMMITS - 1))));
    }
    broker.stop();
    dump::assert_readable_with_holes(&broker);
}
