//! Record batches that Kafka wrote, in every codec, read and written again.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_protocol::messages::control_records::{EndTxnMarker, LeaderChangeMessage};
use milena_protocol::records::{
    BatchBuilder, ControlRecordType, NewRecord, Record, RecordBatch, RecordHeader, control_record_type,
};
use milena_protocol::{LeaderEpoch, Message, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::vector;

/// Names of the batches that hold the three records below.
const OF_DATA: [&str; 7] = ["none", "gzip", "snappy", "lz4", "zstd", "idempotent", "transactional"];

fn batches() -> BTreeMap<String, RecordBatch> {
    let parse = |line: Vec<String>| {
        let mut bytes = vector::hex(&line[1]);
        let batch = RecordBatch::take(&mut bytes).expect("a batch of Kafka's");
        assert!(bytes.is_empty(), "{} holds more than a batch", line[0]);
        (line[0].clone(), batch)
    };
    vector::lines("batches").into_iter().map(parse).collect()
}

fn records_of(batch: &RecordBatch) -> Vec<Record> {
    batch.records().expect("a codec that is built in").collect::<Result<_, _>>().expect("records of Kafka's")
}

fn long_value() -> String {
    "v".repeat(100)
}

fn expected() -> Vec<Record> {
    let record = |offset, timestamp, key: Option<&'static str>, value: Option<String>| Record {
        offset: Offset(offset),
        timestamp: Timestamp(timestamp),
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: Vec::new(),
    };
    let headers = vec![
        RecordHeader { key: "header".into(), value: Some(Bytes::from_static(&[1])) },
        RecordHeader { key: "none".into(), value: None },
    ];
    vec![
        Record { headers, ..record(40, 1000, Some("key"), Some("value".to_owned())) },
        record(41, 990, None, Some(long_value())),
        record(42, 2000, Some("tombstone"), None),
    ]
}

fn ours() -> BatchBuilder {
    let value = long_value();
    let mut builder = BatchBuilder::new(Offset(40)).leader_epoch(LeaderEpoch(7));
    builder.push(NewRecord {
        timestamp: Timestamp(1000),
        key: Some(b"key"),
        value: Some(b"value"),
        headers: &[("header", Some(&[1])), ("none", None)],
    });
    builder.push(NewRecord {
        timestamp: Timestamp(990),
        value: Some(value.as_bytes()),
        ..NewRecord::default()
    });
    builder.push(NewRecord { timestamp: Timestamp(2000), key: Some(b"tombstone"), ..NewRecord::default() });
    builder
}

#[test]
fn records_of_every_codec_read_as_kafka_wrote_them() {
    let batches = batches();
    for name in OF_DATA {
        let batch = &batches[name];
        assert_eq!(batch.check_crc(), Ok(()), "{name}");
        assert_eq!(records_of(batch), expected(), "{name}");
        assert_eq!(batch.header().leader_epoch, LeaderEpoch(7));
        assert_eq!(batch.header().max_timestamp, Timestamp(2000));
    }
}

#[test]
fn batches_are_built_as_kafka_builds_them() {
    let batches = batches();
    let (id, epoch) = (ProducerId(11), ProducerEpoch(2));
    assert_eq!(ours().build(), batches["none"]);
    assert_eq!(ours().producer(id, epoch, 5).build(), batches["idempotent"]);
    assert_eq!(ours().producer(id, epoch, 5).transactional().build(), batches["transactional"]);
}

#[test]
fn transaction_markers_are_built_as_kafka_builds_them() {
    for (name, kind) in [("commit", ControlRecordType::Commit), ("abort", ControlRecordType::Abort)] {
        let value = EndTxnMarker { coordinator_epoch: 3 }.to_versioned_bytes(0);
        let batch = BatchBuilder::control(kind, Timestamp(1000), &value)
            .base_offset(Offset(40))
            .leader_epoch(LeaderEpoch(7))
            .producer(ProducerId(11), ProducerEpoch(2), -1)
            .transactional()
            .build();
        assert_eq!(batch, batches()[name], "{name}");
    }
}

#[test]
fn a_leader_change_reads_as_kafka_wrote_it() {
    // Kafka writes the schema's version 0 whatever the record's own version field says.
    let batch = &batches()["leader_change"];
    let records = records_of(batch);
    assert_eq!(control_record_type(&records[0]), Some(ControlRecordType::LeaderChange));
    let value = records[0].value.clone().expect("a value");
    let change = LeaderChangeMessage::from_bytes(value.clone(), 0).expect("a message of Kafka's");
    assert_eq!((change.version, change.leader_id, change.voters.len()), (1, 1, 1));
    let ours = BatchBuilder::control(ControlRecordType::LeaderChange, Timestamp(1000), &change.to_bytes(0));
    assert_eq!(&ours.base_offset(Offset(40)).leader_epoch(LeaderEpoch(7)).build(), batch);
}
