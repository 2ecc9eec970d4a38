//! Records of the metadata log in any order: replayed or refused, and a snapshot of the image is the image.
//!
//! Input: chunks, each the value of one record.

use bytes::Bytes;
use milena_core::metadata::{MetadataDelta, MetadataImage, MetadataLoader};
use milena_protocol::{MetadataRecord, NodeId};

use super::bounded;
use crate::input::{Input, chunk};
use crate::vector;

/// What replaying an input may allocate beside a multiple of its size.
const ALLOCATED_BYTES_FREE: usize = 64 * 1024 * 1024;

pub(super) fn run(data: &[u8]) {
    bounded(ALLOCATED_BYTES_FREE + 1_000 * data.len(), || replay(Input::new(data)));
}

fn replay(mut input: Input<'_>) {
    let mut loader = MetadataLoader::default();
    while !input.is_empty() {
        let Ok(record) = MetadataRecord::from_bytes(Bytes::copy_from_slice(input.chunk())) else { continue };
        let written = record.to_bytes();
        let again = MetadataRecord::from_bytes(written.clone()).expect("what was written can be read");
        assert_eq!(again.to_bytes(), written);
        let before = loader.current().clone();
        if loader.replay(before.next_offset(), &record).is_err() {
            assert_eq!(bytes_of(loader.current()), bytes_of(&before), "a refused record changes nothing");
        }
    }
    look_at(loader.published());
    let image = loader.current();
    let mut again = MetadataImage::default();
    for record in image.to_records() {
        again.replay(again.next_offset(), &record).expect("a snapshot can be replayed");
    }
    assert_eq!(bytes_of(&again), bytes_of(image));
    assert!(MetadataDelta::between(&again, image).is_empty());
}

/// The image as a snapshot holds it.
fn bytes_of(image: &MetadataImage) -> Vec<Bytes> {
    image.to_records().iter().map(MetadataRecord::to_bytes).collect()
}

/// Asks what a broker asks of every image.
fn look_at(image: &MetadataImage) {
    let _ = MetadataDelta::between(&MetadataImage::default(), image);
    for topic in image.topics() {
        assert_eq!(image.topic_by_id(topic.id).map(|topic| &topic.name), Some(&topic.name));
        let _ = image.topic_config(NodeId(1), &topic.name, &Default::default());
        let _ = (topic.replication_factor(), topic.partition_count());
        for (index, _) in topic.partitions() {
            let _ = image.leader(&topic.name, index).map(|leader| image.endpoint(leader, "PLAINTEXT"));
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = vector::lines("metadata_frames");
    let of = |name: &str| -> Vec<u8> {
        let lines = lines.iter().filter(|line| line[0] == name);
        lines.flat_map(|line| chunk(&vector::hex(&line[1]))).collect()
    };
    let together = |names: &[&str]| names.iter().flat_map(|name| of(name)).collect();
    let mut seeds: Vec<Vec<u8>> = lines.iter().map(|line| of(&line[0])).collect();
    seeds.push(together(&[
        "TopicRecord",
        "PartitionRecord",
        "PartitionChangeRecord",
        "ConfigRecord",
        "RemoveTopicRecord",
    ]));
    seeds.push(together(&["RegisterBrokerRecord", "UnfenceBrokerRecord", "BrokerRegistrationChangeRecord"]));
    seeds.push(together(&["BeginTransactionRecord", "FeatureLevelRecord", "EndTransactionRecord"]));
    seeds.push(real_topic());
    seeds
}

/// A topic whose records name each other, which those of the vectors do not.
fn real_topic() -> Vec<u8> {
    use milena_protocol::Uuid;
    use milena_protocol::messages::metadata_records::{
        ClearElrRecord, ConfigRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
    };
    let topic_id = Uuid::from_u128(7);
    let records: [MetadataRecord; 6] = [
        TopicRecord { name: "t".into(), topic_id }.into(),
        PartitionRecord { topic_id, replicas: vec![1, 2], isr: vec![1], leader: 1, ..Default::default() }
            .into(),
        PartitionChangeRecord { topic_id, isr: Some(vec![1, 2]), leader: 2, ..Default::default() }.into(),
        ConfigRecord {
            resource_type: 2,
            resource_name: "t".into(),
            name: "retention.ms".into(),
            value: Some("5".into()),
        }
        .into(),
        ClearElrRecord { topic_name: "t".into() }.into(),
        RemoveTopicRecord { topic_id }.into(),
    ];
    records.iter().flat_map(|record| chunk(&record.to_bytes())).collect()
}
