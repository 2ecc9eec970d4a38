//! Tables: resources in YAML -> who owns which topic, and why others do not.

use super::*;

const CLUSTER: &str = "{metadata: {name: demo, namespace: here}, spec: {brokers: 1, storage: {size: 1Gi}, allowedNamespaces: [guests]}}";

fn key() -> ClusterKey {
    ClusterKey::new("here", "demo")
}

fn cluster() -> KafkaCluster {
    object(CLUSTER, "KafkaCluster")
}

fn object<K: serde::de::DeserializeOwned>(yaml: &str, kind: &str) -> K {
    let mut value: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    value["apiVersion"] = "kafka.milena.dev/v1alpha1".into();
    value["kind"] = kind.into();
    serde_json::from_value(value).unwrap()
}

/// A resource of the namespace `here` with this spec beside the reference.
fn topic(name: &str, spec: &str) -> Arc<KafkaTopic> {
    let yaml = format!(
        "{{metadata: {{name: {name}, namespace: here, uid: {name}, creationTimestamp: '2026-01-01T00:00:00Z'}}, \
          spec: {{clusterRef: {{name: demo}}, {spec}}}}}"
    );
    Arc::new(object(&yaml, "KafkaTopic"))
}

fn changed(topic: &KafkaTopic, change: impl FnOnce(&mut KafkaTopic)) -> Arc<KafkaTopic> {
    let mut topic = topic.clone();
    change(&mut topic);
    Arc::new(topic)
}

fn stands(topic: &Arc<KafkaTopic>) -> Standing {
    standings(&key(), Some(&cluster()), std::slice::from_ref(topic)).remove(0)
}

#[test]
fn a_resource_alone_owns_its_topic() {
    let expected = ValidatedTopic {
        name: "orders".to_owned(),
        partitions: 3,
        replication_factor: None,
        initial_replication_factor: 1,
        config: [("retention.ms", "5"), ("preallocate", "true"), ("cleanup.policy", "compact")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    let spec = "partitions: 3, config: {retention.ms: 5, preallocate: true, cleanup.policy: compact}";
    assert_eq!(stands(&topic("orders", spec)), Standing::Owner(Ok(expected)));
}

#[test]
fn what_cannot_be_done_is_refused_but_still_owned() {
    for (spec, refusal) in [
        ("partitions: 1, replicationFactor: 3", Refusal::NotEnoughBrokers { wants: 3, brokers: 1 }),
        ("partitions: 1, config: {a: [1]}", Refusal::InvalidConfig { key: "a".to_owned() }),
        (
            "partitions: 1, config: {leader.replication.throttled.replicas: '*'}",
            Refusal::OperatorOwnedKey("leader.replication.throttled.replicas".to_owned()),
        ),
    ] {
        assert_eq!(stands(&topic("orders", spec)), Standing::Owner(Err(refusal)), "{spec}");
    }
}

#[test]
fn names_that_slipped_past_admission_are_refused() {
    for (name, refusal) in [
        ("__consumer_offsets", Refusal::InternalTopic("__consumer_offsets".to_owned())),
        ("__cluster_metadata", Refusal::InternalTopic("__cluster_metadata".to_owned())),
        ("..", Refusal::InvalidName("..".to_owned())),
        ("a b", Refusal::InvalidName("a b".to_owned())),
    ] {
        let standing = stands(&topic("orders", &format!("partitions: 1, topicName: '{name}'")));
        assert_eq!(standing, Standing::Stranger(refusal), "{name}");
    }
}

#[test]
fn the_older_resource_owns_the_topic() {
    let spec = "partitions: 1, topicName: shared";
    let older = topic("z", spec);
    let younger = changed(&topic("a", spec), |topic| {
        topic.metadata.creation_timestamp = serde_json::from_value("2026-01-01T00:00:01Z".into()).unwrap();
    });
    let standings = standings(&key(), Some(&cluster()), &[younger, older]);
    let refusal = Refusal::TopicClaimed { topic: "shared".to_owned(), owner: "here/z".to_owned() };
    assert_eq!(standings[0], Standing::Stranger(refusal));
    assert!(matches!(standings[1], Standing::Owner(Ok(_))));
}

#[test]
fn in_one_second_the_one_that_has_the_topic_owns_it_else_the_first_by_name() {
    let spec = "partitions: 1, topicName: shared";
    let (first, second) = (topic("a", spec), topic("b", spec));
    let owner = |topics: &[Arc<KafkaTopic>]| {
        let standings = standings(&key(), Some(&cluster()), topics);
        let at = standings.iter().position(|standing| matches!(standing, Standing::Owner(_))).unwrap();
        topics[at].name_any()
    };
    assert_eq!(owner(&[second.clone(), first.clone()]), "a");
    let bound = changed(&second, |topic| {
        topic.status =
            Some(crate::crd::TopicStatus { topic_id: Some("id".to_owned()), ..Default::default() });
    });
    assert_eq!(owner(&[first, bound]), "b");
}

#[test]
fn a_resource_that_may_not_own_does_not_stand_in_the_way() {
    let spec = "partitions: 1, topicName: shared";
    let stranger =
        changed(&topic("a", spec), |topic| topic.metadata.namespace = Some("elsewhere".to_owned()));
    let standings = standings(&key(), Some(&cluster()), &[stranger, topic("b", spec)]);
    let refusal = Refusal::NamespaceNotAllowed { cluster: key(), namespace: "elsewhere".to_owned() };
    assert_eq!(standings[0], Standing::Stranger(refusal));
    assert!(matches!(standings[1], Standing::Owner(_)));
    let guest =
        changed(&topic("c", "partitions: 1"), |topic| topic.metadata.namespace = Some("guests".to_owned()));
    assert!(matches!(stands(&guest), Standing::Owner(_)));
}

#[test]
fn without_its_cluster_a_resource_owns_nothing() {
    let topics = [topic("orders", "partitions: 1")];
    assert_eq!(standings(&key(), None, &topics), [Standing::Orphan]);
    let mut going = cluster();
    going.metadata.deletion_timestamp = serde_json::from_value("2026-01-01T00:00:01Z".into()).unwrap();
    assert_eq!(standings(&key(), Some(&going), &topics), [Standing::Orphan]);
}
