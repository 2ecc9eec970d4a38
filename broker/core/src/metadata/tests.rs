//! Replay, transactions, deltas and snapshots of images.

use milena_protocol::messages::metadata_records::*;
use milena_protocol::{NodeId, Offset, PartitionIndex, TopicId, Uuid};

use super::{ConfigResource, MetadataDelta, MetadataImage, MetadataLoader, ResourceType};

const TOPIC: Uuid = Uuid::from_u128(7 << 64 | 1);

fn topic(name: &str, id: Uuid) -> MetadataRecord {
    TopicRecord { name: name.into(), topic_id: id }.into()
}

fn partition(id: Uuid, index: i32) -> MetadataRecord {
    PartitionRecord {
        partition_id: index,
        topic_id: id,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
        ..Default::default()
    }
    .into()
}

fn config(kind: ResourceType, name: &str, key: &str, value: Option<&str>) -> MetadataRecord {
    let value = value.map(Into::into);
    ConfigRecord { resource_type: kind as i8, resource_name: name.into(), name: key.into(), value }.into()
}

fn broker(id: i32) -> MetadataRecord {
    RegisterBrokerRecord {
        broker_id: id,
        broker_epoch: 3,
        rack: Some("a".into()),
        fenced: true,
        ..Default::default()
    }
    .into()
}

fn replay(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for (offset, record) in records.iter().enumerate() {
        image.replay(Offset(offset as i64), record).expect("replays");
    }
    image
}

#[test]
fn a_leader_change_bumps_both_epochs_and_other_changes_only_the_partition_epoch() {
    let mut image = replay(&[topic("a", TOPIC), partition(TOPIC, 0)]);
    let shrink =
        PartitionChangeRecord { partition_id: 0, topic_id: TOPIC, isr: Some(vec![2]), ..Default::default() };
    image.replay(Offset(2), &shrink.into()).unwrap();
    let elect = PartitionChangeRecord { partition_id: 0, topic_id: TOPIC, leader: 2, ..Default::default() };
    image.replay(Offset(3), &elect.into()).unwrap();
    let partition = image.partition("a", PartitionIndex(0)).unwrap();
    assert_eq!((partition.leader, partition.leader_epoch.0, partition.partition_epoch), (NodeId(2), 1, 2));
    assert_eq!(
        (partition.isr.as_slice(), partition.replicas.as_slice()),
        (&[NodeId(2)][..], &[NodeId(1), NodeId(2)][..])
    );
    assert_eq!(image.next_offset(), Offset(4));
}

#[test]
fn removing_a_topic_removes_its_configuration() {
    let mut image = replay(&[topic("a", TOPIC), config(ResourceType::Topic, "a", "retention.ms", Some("5"))]);
    image.replay(Offset(2), &RemoveTopicRecord { topic_id: TOPIC }.into()).unwrap();
    assert_eq!(
        (image.topic("a"), image.topic_by_id(TopicId(TOPIC)), image.configs().count()),
        (None, None, 0)
    );
}

#[test]
fn a_record_that_does_not_fit_is_an_error_and_changes_nothing() {
    let mut image = replay(&[topic("a", TOPIC)]);
    let before = image.clone();
    let misfits: [MetadataRecord; 3] = [
        partition(Uuid::from_u128(9), 0),
        topic("a", Uuid::from_u128(9)),
        FenceBrokerRecord { id: 9, epoch: 1 }.into(),
    ];
    for record in misfits {
        assert!(image.replay(Offset(1), &record).is_err());
        assert_eq!(image, before);
    }
}

#[test]
fn a_transaction_is_published_when_it_ends_and_forgotten_when_it_aborts() {
    let mut loader = MetadataLoader::default();
    let mut offset = -1;
    let mut replay = |loader: &mut MetadataLoader, record: MetadataRecord| {
        offset += 1;
        loader.replay(Offset(offset), &record)
    };
    replay(&mut loader, BeginTransactionRecord::default().into()).unwrap();
    replay(&mut loader, topic("a", TOPIC)).unwrap();
    assert!(loader.published().topic("a").is_none() && loader.current().topic("a").is_some());
    assert!(replay(&mut loader.clone(), BeginTransactionRecord::default().into()).is_err());
    replay(&mut loader, EndTransactionRecord {}.into()).unwrap();
    assert!(loader.published().topic("a").is_some());
    assert!(replay(&mut loader.clone(), EndTransactionRecord {}.into()).is_err());
    replay(&mut loader, BeginTransactionRecord::default().into()).unwrap();
    replay(&mut loader, topic("b", Uuid::from_u128(9))).unwrap();
    replay(&mut loader, AbortTransactionRecord::default().into()).unwrap();
    assert!(loader.current().topic("b").is_none());
}

#[test]
fn a_delta_names_what_differs() {
    let old = replay(&[topic("a", TOPIC), partition(TOPIC, 0), topic("gone", Uuid::from_u128(9)), broker(1)]);
    let mut new = old.clone();
    assert!(MetadataDelta::between(&old, &new).is_empty());
    let other = Uuid::from_u128(10);
    for record in [
        partition(TOPIC, 1),
        RemoveTopicRecord { topic_id: Uuid::from_u128(9) }.into(),
        topic("gone", other),
        config(ResourceType::Broker, "", "log.retention.ms", Some("5")),
        UnfenceBrokerRecord { id: 1, epoch: 3 }.into(),
    ] {
        let offset = new.next_offset();
        new.replay(offset, &record).unwrap();
    }
    let delta = MetadataDelta::between(&old, &new);
    assert_eq!(delta.deleted_topics.iter().map(|t| t.id.0).collect::<Vec<_>>(), [Uuid::from_u128(9)]);
    assert_eq!(delta.created_topics.iter().map(|t| t.id.0).collect::<Vec<_>>(), [other]);
    assert_eq!(
        delta
            .changed_topics
            .iter()
            .map(|(old, new)| (old.partition_count(), new.partition_count()))
            .collect::<Vec<_>>(),
        [(1, 2)]
    );
    assert!(delta.broker_configs_changed());
    assert_eq!(delta.changed_brokers, [NodeId(1)]);
}

#[test]
fn a_snapshot_replays_into_the_same_image() {
    let mut records = vec![
        FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30 }.into(),
        broker(1),
        topic("a", TOPIC),
        partition(TOPIC, 0),
        config(ResourceType::Topic, "a", "retention.ms", Some("5")),
        config(ResourceType::Group, "g", "consumer.session.timeout.ms", Some("50000")),
        AccessControlEntryRecord { id: Uuid::from_u128(4), principal: "User:a".into(), ..Default::default() }
            .into(),
        ClientQuotaRecord { key: "producer_byte_rate".into(), value: 5.0, ..Default::default() }.into(),
    ];
    records.push(ProducerIdsRecord { broker_id: 1, broker_epoch: 3, next_producer_id: 1000 }.into());
    let unknown = |bytes: &'static [u8]| MetadataRecord::from_bytes(bytes.into()).expect("a frame");
    records.extend([unknown(&[1, 99, 3, 7]), unknown(&[1, 98, 0]), unknown(&[1, 99, 3, 7])]);
    let image = replay(&records);

    let mut again = replay(&image.to_records());
    again.skip_to(image.next_offset());
    assert_eq!(again, image);
    assert_eq!(
        image.config(&ConfigResource::new(ResourceType::Topic, "a")).map(|values| values.len()),
        Some(1)
    );
}

#[test]
fn a_second_topic_of_one_id_is_refused() {
    let mut image = replay(&[topic("a", TOPIC)]);
    assert!(image.replay(Offset(1), &topic("b", TOPIC)).is_err());
    assert_eq!(image, replay(&[topic("a", TOPIC)]));
}

#[test]
fn epochs_wrap_as_those_of_java() {
    let last = PartitionRecord {
        partition_id: 0,
        topic_id: TOPIC,
        leader_epoch: i32::MAX,
        partition_epoch: i32::MAX,
        ..PartitionRecord::default()
    };
    let elect = PartitionChangeRecord { partition_id: 0, topic_id: TOPIC, leader: 2, ..Default::default() };
    let image = replay(&[topic("a", TOPIC), last.into(), elect.into()]);
    let partition = image.partition("a", PartitionIndex(0)).unwrap();
    assert_eq!((partition.leader_epoch.0, partition.partition_epoch), (i32::MIN, i32::MIN));
}

#[test]
fn image_keeps_no_part_of_a_request() {
    let frame = bytes::Bytes::from(b"topic retention.ms 5000".to_vec());
    let text = |range| bytestring::ByteString::try_from(frame.slice(range)).unwrap();
    let created = TopicRecord { name: text(0..5), topic_id: TOPIC };
    let configured = ConfigRecord {
        resource_type: ResourceType::Topic as i8,
        resource_name: text(0..5),
        name: text(6..18),
        value: Some(text(19..23)),
    };
    let image = replay(&[created.into(), configured.into()]);
    assert!(image.topic("topic").is_some());
    assert_eq!(image.configs().count(), 1);
    assert!(frame.is_unique());
}
