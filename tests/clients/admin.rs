//! Our own administration client, which the operator uses.

use std::collections::BTreeMap;

use milena_client::admin::{ConfigChange, ConfigResource, ConfigSource, NewTopic};
use milena_client::{Admin, Options};
use milena_protocol::{ErrorCode, NodeId};
use milena_tests::TestBroker;

const TOPIC: &str = "administered";

fn new_topic(name: &str) -> NewTopic {
    let configs = BTreeMap::from([("retention.ms".to_owned(), "60000".to_owned())]);
    NewTopic { name: name.to_owned(), partitions: Some(3), replication_factor: None, configs }
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_creates_grows_configures_and_deletes() {
    let mut broker = TestBroker::start().unwrap();
    let admin = Admin::new([broker.bootstrap()], Options::default());
    let cluster = admin.describe_cluster().await.unwrap();
    assert_eq!(cluster.brokers.iter().map(|broker| broker.id).collect::<Vec<_>>(), [NodeId(1)]);

    let created = admin.create_topics(&[new_topic(TOPIC), new_topic("not/a/name")], false).await.unwrap();
    let id = *created[TOPIC].as_ref().unwrap();
    assert_eq!(created["not/a/name"].as_ref().unwrap_err().code, ErrorCode::InvalidTopicException);
    let again = admin.create_topics(&[new_topic(TOPIC)], false).await.unwrap();
    assert_eq!(again[TOPIC].as_ref().unwrap_err().code, ErrorCode::TopicAlreadyExists);

    let names = [TOPIC.to_owned(), "absent".to_owned()];
    let described = admin.describe_topics(&names).await.unwrap();
    assert_eq!(described["absent"].as_ref().unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
    let topic = described[TOPIC].as_ref().unwrap();
    assert_eq!((topic.id, topic.partitions.len(), topic.replication_factor()), (id, 3, 1));
    assert_eq!(topic.partitions[2].leader, Some(NodeId(1)));

    let counts = |count| BTreeMap::from([(TOPIC.to_owned(), count)]);
    assert_eq!(admin.create_partitions(&counts(5)).await.unwrap()[TOPIC], Ok(()));
    let shrunk = admin.create_partitions(&counts(2)).await.unwrap();
    assert_eq!(shrunk[TOPIC].as_ref().unwrap_err().code, ErrorCode::InvalidPartitions);
    check_configs(&admin).await;

    broker.kill();
    broker.restart().unwrap();
    let listed = admin.list_topics().await.unwrap();
    assert_eq!(listed[TOPIC].as_ref().unwrap().partitions.len(), 5, "dials again and finds the topic");
    assert_eq!(admin.delete_topics(&[TOPIC.to_owned()]).await.unwrap()[TOPIC], Ok(()));
    assert!(!admin.list_topics().await.unwrap().contains_key(TOPIC));
}

async fn check_configs(admin: &Admin) {
    let (topic, broker) = (ConfigResource::topic(TOPIC), ConfigResource::broker(NodeId(1)));
    let described = admin.describe_configs(&[topic.clone(), broker.clone()]).await.unwrap();
    let retention = &described[&topic].as_ref().unwrap()["retention.ms"];
    assert_eq!((retention.value.as_deref(), retention.source), (Some("60000"), ConfigSource::Topic));
    let node = &described[&broker].as_ref().unwrap()["node.id"];
    assert_eq!(
        (node.value.as_deref(), node.source, node.read_only),
        (Some("1"), ConfigSource::StaticBroker, true)
    );

    let change = |change| vec![(topic.clone(), BTreeMap::from([("retention.ms".to_owned(), change)]))];
    let bad =
        admin.incremental_alter_configs(&change(ConfigChange::Set("soon".into())), false).await.unwrap();
    assert_eq!(bad[&topic].as_ref().unwrap_err().code, ErrorCode::InvalidConfig);
    assert_eq!(
        admin.incremental_alter_configs(&change(ConfigChange::Delete), false).await.unwrap()[&topic],
        Ok(())
    );
    let described = admin.describe_configs(std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(described[&topic].as_ref().unwrap()["retention.ms"].source, ConfigSource::Default);
}
