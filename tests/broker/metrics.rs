//! `/metrics` and docs/metrics.md name the same, and what a client did is what they count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bytes::Bytes;
use milena_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::messages::{ApiVersionsRequest, FindCoordinatorRequest, ProduceResponse};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;
use crate::crash::{PARTITIONS, TOPIC, read, write};

const RECORDS: usize = 5_000;
/// Requests of one API that the test counts.
const ASKED: usize = 7;

/// A page of metrics.
struct Page(String);

impl Page {
    fn of(broker: &TestBroker) -> Self {
        Self(broker.metrics().unwrap())
    }

    /// The samples of a name: their labels as they are written, and the value.
    fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let lines = self.0.lines().filter_map(move |line| line.strip_prefix(name));
        lines.filter(|rest| rest.starts_with([' ', '{'])).map(|rest| {
            let (labels, value) = rest.rsplit_once(' ').unwrap();
            (labels, value.parse().unwrap())
        })
    }

    /// The sum over the samples with this text in their labels.
    fn sum(&self, name: &str, label: &str) -> u64 {
        self.samples(name).filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value as u64).sum()
    }

    /// Name, with the ending that a counter's samples have, type and meaning of every metric.
    fn described(&self) -> BTreeSet<[String; 3]> {
        let of = |kind: &str| -> BTreeMap<&str, &str> {
            let lines = self.0.lines().filter_map(|line| line.strip_prefix(&format!("# {kind} ")[..]));
            lines.filter_map(|line| line.split_once(' ')).collect()
        };
        let (types, helps) = (of("TYPE"), of("HELP"));
        let ending = |kind: &str| if kind == "counter" { "_total" } else { "" };
        let describe = |(name, kind): (&&str, &&str)| {
            [format!("{name}{}", ending(kind)), (*kind).to_owned(), helps[name].to_owned()]
        };
        types.iter().map(describe).collect()
    }
}

fn documented() -> BTreeSet<[String; 3]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> =
            row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [name, kind, _, meaning, _] = cells[..] else { panic!("{row}") };
        [name, kind, meaning].map(str::to_owned)
    })
    .collect()
}

#[test]
fn documentation_lists_every_metric_and_no_other() {
    let broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    assert_eq!(Page::of(&broker).described(), documented(), "printed and documented");
}

#[test]
fn what_clients_did_is_counted() {
    let mut broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    assert_eq!(write(&broker, RECORDS).len(), RECORDS);
    let page = Page::of(&broker);
    let topic = format!("topic=\"{TOPIC}\"");
    assert_eq!(page.sum("milena_topic_received_records_total", &topic), RECORDS as u64);
    assert_eq!(page.sum("milena_partition_log_end_offset", &topic), RECORDS as u64);
    assert_eq!(page.sum("milena_partition_high_watermark", &topic), RECORDS as u64);
    let bytes = page.sum("milena_partition_size_bytes", &topic);
    assert_eq!(page.sum("milena_topic_received_bytes_total", &topic), bytes);
    assert_eq!(bytes, bytes_on_disk(&broker));
    assert_eq!(page.sum("milena_partition_segments", &topic), PARTITIONS as u64);
    assert_eq!(page.sum("milena_partitions", ""), PARTITIONS as u64);
    assert_eq!(page.sum("milena_cluster_partitions", ""), PARTITIONS as u64);
    assert_eq!(page.sum("milena_producer_ids", ""), PARTITIONS as u64, "one producer in each partition");
    assert_eq!(page.sum("milena_topic_failed_produce_requests_total", &topic), 0);
    let produced = page.sum("milena_request_time_seconds_count", "api=\"Produce\"");
    assert!((1..=page.sum("milena_topic_produce_requests_total", &topic)).contains(&produced));

    assert_eq!(read(&broker).len(), RECORDS);
    let page = Page::of(&broker);
    assert_eq!(page.sum("milena_topic_sent_bytes_total", &topic), bytes);
    assert!(page.sum("milena_response_size_bytes_sum", "api=\"Fetch\"") > bytes);
    assert!(page.sum("milena_sent_bytes_total", "") > bytes);
    eventually("every connection counted out", PATIENCE, || {
        let page = Page::of(&broker);
        let accepted = page.sum("milena_connections_accepted_total", "PLAINTEXT");
        let closed = page.sum("milena_connections_closed_total", "PLAINTEXT");
        (accepted > 0 && accepted == closed && page.sum("milena_connections", "PLAINTEXT") == 0).then_some(())
    });
    broker.restart().unwrap();
    let page = Page::of(&broker);
    assert_eq!(page.sum("milena_topic_received_records_total", &topic), 0, "counters begin with the process");
    assert_eq!(page.sum("milena_partition_log_end_offset", &topic), RECORDS as u64);
}

#[test]
fn requests_refusals_and_groups_are_counted() {
    let broker = TestBroker::start_with(Flavor::Milena, &[]).unwrap();
    write(&broker, 1);
    let before = Page::of(&broker);
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    for _ in 0..ASKED {
        frame::exchange(&mut stream, 3, &ApiVersionsRequest::default()).unwrap();
    }
    assert_eq!(produce_nonsense(&mut stream).responses[0].partition_responses[0].error_code, 87);
    commit(&mut stream);
    let after = Page::of(&broker);
    let grown = |name: &str, label: &str| after.sum(name, label) - before.sum(name, label);
    for histogram in ["request_time_seconds", "request_queue_time_seconds", "request_local_time_seconds"] {
        assert_eq!(grown(&format!("milena_{histogram}_count"), "api=\"ApiVersions\""), ASKED as u64);
    }
    for histogram in ["request_remote_time_seconds", "response_send_time_seconds", "response_size_bytes"] {
        assert_eq!(grown(&format!("milena_{histogram}_count"), "api=\"ApiVersions\""), ASKED as u64);
    }
    let size = frame::request_bytes(7, 3, &ApiVersionsRequest::default()).len();
    assert_eq!(grown("milena_request_size_bytes_sum", "api=\"ApiVersions\""), (ASKED * size) as u64);
    assert_eq!(grown("milena_topic_failed_produce_requests_total", TOPIC), 1);
    assert_eq!(grown("milena_topic_received_records_total", &format!("topic=\"{TOPIC}\"")), 0);
    assert_eq!(grown("milena_groups", "Empty"), 1);
    assert!(after.sum("milena_fsync_time_seconds_count", "") > 0, "the metadata log is durable");
    assert_eq!(after.sum("milena_broker_state", ""), 3);
}

fn bytes_on_disk(broker: &TestBroker) -> u64 {
    let segment = |index| broker.data().join(format!("{TOPIC}-{index}/00000000000000000000.log"));
    (0..PARTITIONS).map(|index| fs::metadata(segment(index)).unwrap().len()).sum()
}

fn produce_nonsense(stream: &mut std::net::TcpStream) -> ProduceResponse {
    let records = Some(Bytes::from_static(b"nonsense").into());
    let partition = PartitionProduceData { index: 0, records };
    let topic = TopicProduceData {
        name: TOPIC.into(),
        partition_data: vec![partition],
        ..TopicProduceData::default()
    };
    let request =
        ProduceRequest { acks: 1, timeout_ms: 1_000, topic_data: vec![topic], ..ProduceRequest::default() };
    frame::exchange(stream, 9, &request).unwrap()
}

/// Commits an offset as a consumer that assigns its partitions itself.
fn commit(stream: &mut std::net::TcpStream) {
    eventually("the coordinator", PATIENCE, || {
        let find = FindCoordinatorRequest { key: "g".into(), ..FindCoordinatorRequest::default() };
        let found = frame::exchange(stream, 3, &find).unwrap();
        let partition = OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() };
        let topic = OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() };
        let answer = frame::exchange(stream, 8, &request).unwrap();
        (found.error_code == 0 && answer.topics[0].partitions[0].error_code == 0).then_some(())
    });
}
