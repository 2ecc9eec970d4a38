//! Topics: created, grown, adopted, kept as the resource says, refused and deleted.

use std::collections::BTreeMap;

use anyhow::Result;
use milena_client::admin::{ConfigChange, ConfigResource, NewTopic, TopicDescription};
use milena_client::{Admin, Options};
use milena_tests::TestBroker;
use serde_json::{Value, json};

use crate::api::until;
use crate::cluster::small;
use crate::stage::Stage;

/// A topic of the cluster `demo`.
fn topic(partitions: i32) -> Value {
    json!({"spec": {"clusterRef": {"name": "demo"}, "partitions": partitions}})
}

fn topic_with(partitions: i32, field: &str, value: Value) -> Value {
    let mut topic = topic(partitions);
    topic["spec"][field] = value;
    topic
}

/// A person's own look at the broker.
fn kafka(broker: &TestBroker) -> Admin {
    Admin::new([broker.bootstrap()], Options::default()).with_address_override(Some(broker.bootstrap()))
}

async fn describe(kafka: &Admin, name: &str) -> Option<TopicDescription> {
    kafka.describe_topics(&[name.to_owned()]).await.expect("the broker answers").remove(name)?.ok()
}

async fn create(kafka: &Admin, name: &str, partitions: i32) -> Result<()> {
    let new = NewTopic {
        name: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
    };
    kafka.create_topics(&[new], false).await?.remove(name).expect("an answer for the topic")?;
    Ok(())
}

async fn config(kafka: &Admin, topic: &str, key: &str) -> Option<String> {
    let resource = ConfigResource::topic(topic);
    let mut described =
        kafka.describe_configs(std::slice::from_ref(&resource)).await.expect("the broker answers");
    described.remove(&resource)?.ok()?.remove(key)?.value
}

/// Waits for a value: Kafka's brokers show a change a moment after they have answered.
async fn await_config(kafka: &Admin, topic: &str, key: &str, value: &str) {
    until(&format!("{key} of {topic} is {value}"), || async {
        (config(kafka, topic, key).await.as_deref() == Some(value)).then_some(())
    })
    .await;
}

async fn configure(kafka: &Admin, topic: &str, key: &str, change: ConfigChange) -> Result<()> {
    let resource = ConfigResource::topic(topic);
    let changes = [(resource.clone(), BTreeMap::from([(key.to_owned(), change)]))];
    kafka.incremental_alter_configs(&changes, false).await?.remove(&resource).expect("an answer")?;
    Ok(())
}

/// A stage with a broker, an operator and the cluster `demo`.
macro_rules! scene {
    ($name:literal => $stage:ident, $broker:ident, $kafka:ident) => {
        let $broker = TestBroker::start()?;
        let $stage = Stage::new($name).await?;
        let _operator = $stage.operator(Some(&$broker))?;
        $stage.apply("KafkaCluster", "demo", small()).await?;
        let $kafka = kafka(&$broker);
    };
}

#[tokio::test]
async fn a_topic_is_created_grown_and_configured() -> Result<()> {
    scene!("topics" => stage, broker, kafka);
    stage.apply("KafkaTopic", "orders", topic_with(3, "config", json!({"retention.ms": 60000}))).await?;
    let resource = stage.await_ready("KafkaTopic", "orders").await;
    let status = &resource.data["status"];
    assert_eq!((&status["partitions"], &status["replicationFactor"]), (&json!(3), &json!(1)));
    assert_eq!(status["topicName"], "orders");
    let there = describe(&kafka, "orders").await.expect("the topic is there");
    assert_eq!(status["topicId"], there.id.to_string());
    await_config(&kafka, "orders", "retention.ms", "60000").await;

    let change = json!({"max.message.bytes": "2048"});
    stage.apply("KafkaTopic", "orders", topic_with(5, "config", change)).await?;
    let resource = stage.await_ready("KafkaTopic", "orders").await;
    assert_eq!(resource.data["status"]["partitions"], 5);
    assert_eq!(describe(&kafka, "orders").await.map(|topic| topic.partitions.len()), Some(5));
    await_config(&kafka, "orders", "max.message.bytes", "2048").await;
    // A key that left the spec is taken back.
    await_config(&kafka, "orders", "retention.ms", "604800000").await;
    Ok(())
}

#[tokio::test]
async fn a_partition_decrease_is_refused_with_both_numbers() -> Result<()> {
    scene!("decrease" => stage, broker, kafka);
    stage.apply("KafkaTopic", "orders", topic(6)).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    let refusal =
        stage.apply("KafkaTopic", "orders", topic(4)).await.expect_err("refused at admission").to_string();
    assert!(refusal.contains("the topic has 6, the change asks for 4"), "{refusal}");

    create(&kafka, "grown", 8).await?;
    stage.apply("KafkaTopic", "grown", topic(2)).await?;
    let wanted = ("Ready", "False", "PartitionDecrease");
    let message = stage.await_condition("KafkaTopic", "grown", wanted).await;
    assert_eq!(message, "partitions can grow but never shrink: the topic has 8, the spec asks for 2");
    stage.await_condition("KafkaTopic", "grown", ("Degraded", "True", "PartitionDecrease")).await;
    until("an Event tells it", || async {
        stage.events("grown").await.contains(&"PartitionDecrease".to_owned()).then_some(())
    })
    .await;
    assert_eq!(describe(&kafka, "grown").await.map(|topic| topic.partitions.len()), Some(8));
    Ok(())
}

#[tokio::test]
async fn an_existing_topic_of_the_same_shape_is_adopted() -> Result<()> {
    scene!("adopt" => stage, broker, kafka);
    create(&kafka, "there_already", 3).await?;
    let before = describe(&kafka, "there_already").await.expect("just made").id;
    stage.apply("KafkaTopic", "adopted", topic_with(3, "topicName", json!("there_already"))).await?;
    let resource = stage.await_ready("KafkaTopic", "adopted").await;
    assert_eq!(resource.data["status"]["topicId"], before.to_string());
    Ok(())
}

#[tokio::test]
async fn drift_is_put_back() -> Result<()> {
    scene!("drift" => stage, broker, kafka);
    stage.apply("KafkaTopic", "orders", topic_with(1, "config", json!({"retention.ms": 60000}))).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    configure(&kafka, "orders", "retention.ms", ConfigChange::Set("1".to_owned())).await?;
    configure(&kafka, "orders", "max.message.bytes", ConfigChange::Set("4096".to_owned())).await?;
    await_config(&kafka, "orders", "retention.ms", "60000").await;
    // A key that the resource never set is left alone.
    await_config(&kafka, "orders", "max.message.bytes", "4096").await;

    kafka.delete_topics(&["orders".to_owned()]).await?;
    until("the topic is made again", || async { describe(&kafka, "orders").await.map(drop) }).await;
    Ok(())
}

#[tokio::test]
async fn the_older_of_two_resources_owns_the_topic() -> Result<()> {
    scene!("claims" => stage, broker, kafka);
    let wanted = topic_with(2, "topicName", json!("shared"));
    stage.apply("KafkaTopic", "first", wanted.clone()).await?;
    stage.await_ready("KafkaTopic", "first").await;
    stage.apply("KafkaTopic", "another", wanted).await?;
    let message = stage.await_condition("KafkaTopic", "another", ("Ready", "False", "TopicClaimed")).await;
    assert!(message.contains(&format!("{}/first", stage.namespace)), "{message}");
    let young = stage.get("KafkaTopic", "another").await.expect("it is there");
    assert_eq!(young.metadata.finalizers.unwrap_or_default(), Vec::<String>::new());

    let before = describe(&kafka, "shared").await.expect("it is there").id;
    stage.delete("KafkaTopic", "first").await?;
    stage.await_gone("KafkaTopic", "first").await;
    stage.await_ready("KafkaTopic", "another").await;
    let after = describe(&kafka, "shared").await.expect("made again by the other").id;
    assert_ne!(before, after, "the older one took its topic with it");
    Ok(())
}

#[tokio::test]
async fn a_topic_is_deleted_or_kept_as_its_policy_says() -> Result<()> {
    scene!("policies" => stage, broker, kafka);
    stage.apply("KafkaTopic", "goes", topic(1)).await?;
    stage.apply("KafkaTopic", "stays", topic_with(1, "deletionPolicy", json!("Retain"))).await?;
    stage.apply("KafkaTopic", "changed", topic(1)).await?;
    let goes = stage.await_ready("KafkaTopic", "goes").await;
    let stays = stage.await_ready("KafkaTopic", "stays").await;
    stage.await_ready("KafkaTopic", "changed").await;
    assert_eq!(goes.metadata.finalizers, Some(vec!["kafka.milena.dev/topic".to_owned()]));
    assert_eq!(stays.metadata.finalizers, None);
    stage.apply("KafkaTopic", "changed", topic_with(1, "deletionPolicy", json!("Retain"))).await?;
    until("the finalizer goes with the policy", || async {
        stage.get("KafkaTopic", "changed").await?.metadata.finalizers.is_none().then_some(())
    })
    .await;
    for name in ["goes", "stays", "changed"] {
        stage.delete("KafkaTopic", name).await?;
        stage.await_gone("KafkaTopic", name).await;
    }
    assert_eq!(describe(&kafka, "goes").await, None);
    assert!(describe(&kafka, "stays").await.is_some());
    assert!(describe(&kafka, "changed").await.is_some());
    Ok(())
}

#[tokio::test]
async fn topics_can_go_after_their_cluster() -> Result<()> {
    scene!("orphans" => stage, broker, kafka);
    stage.apply("KafkaTopic", "orders", topic(1)).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    stage.delete("KafkaCluster", "demo").await?;
    stage.await_gone("KafkaCluster", "demo").await;
    stage.await_condition("KafkaTopic", "orders", ("Ready", "False", "ClusterNotFound")).await;
    stage.delete("KafkaTopic", "orders").await?;
    stage.await_gone("KafkaTopic", "orders").await;
    assert!(describe(&kafka, "orders").await.is_some(), "nobody deletes from a cluster that is gone");

    stage.await_gone("StatefulSet", "demo-broker").await;
    Ok(())
}

#[tokio::test]
async fn a_namespace_goes_as_a_whole() -> Result<()> {
    scene!("namespace" => stage, broker, _kafka);
    for name in ["orders", "payments", "clicks"] {
        stage.apply("KafkaTopic", name, topic(1)).await?;
    }
    stage.apply("KafkaTopic", "paused", topic(1)).await?;
    for name in ["orders", "payments", "clicks", "paused"] {
        stage.await_ready("KafkaTopic", name).await;
    }
    stage
        .merge(
            "KafkaTopic",
            "paused",
            json!({"metadata": {"annotations": {"kafka.milena.dev/paused": "true"}}}),
        )
        .await?;
    stage.delete_namespace().await?;
    stage.await_namespace_gone().await;
    Ok(())
}

#[tokio::test]
async fn a_paused_topic_is_left_alone() -> Result<()> {
    scene!("pause" => stage, broker, kafka);
    stage.apply("KafkaTopic", "orders", topic(1)).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    let pause = |value: Value| json!({"metadata": {"annotations": {"kafka.milena.dev/paused": value}}});
    stage.merge("KafkaTopic", "orders", pause(json!("true"))).await?;
    stage.await_condition("KafkaTopic", "orders", ("Progressing", "False", "Paused")).await;
    stage.apply("KafkaTopic", "orders", topic(4)).await?;
    stage.await_condition("KafkaTopic", "orders", ("Progressing", "False", "Paused")).await;
    // Another topic goes all the way meanwhile, so the paused one had its chance.
    stage.apply("KafkaTopic", "other", topic(1)).await?;
    stage.await_ready("KafkaTopic", "other").await;
    assert_eq!(describe(&kafka, "orders").await.map(|topic| topic.partitions.len()), Some(1));
    stage.merge("KafkaTopic", "orders", pause(Value::Null)).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    assert_eq!(describe(&kafka, "orders").await.map(|topic| topic.partitions.len()), Some(4));
    Ok(())
}

#[tokio::test]
async fn a_cluster_says_which_namespaces_may_have_topics() -> Result<()> {
    let broker = TestBroker::start()?;
    let kafka = kafka(&broker);
    let stage = Stage::with_others("allowed", &["a", "b"]).await?;
    let _operator = stage.operator(Some(&broker))?;
    let mut cluster = small();
    cluster["spec"]["allowedNamespaces"] = json!([stage.other("a")]);
    stage.apply("KafkaCluster", "demo", cluster.clone()).await?;
    let reference = json!({"name": "demo", "namespace": stage.namespace});
    let named = |name: &str| {
        let mut topic = topic_with(1, "clusterRef", reference.clone());
        topic["spec"]["topicName"] = json!(name);
        topic
    };
    stage.apply_in(&stage.other("a"), "KafkaTopic", "guest", named("guest")).await?;
    stage.apply_in(&stage.other("b"), "KafkaTopic", "stranger", named("stranger")).await?;
    stage.await_condition_in(&stage.other("a"), "KafkaTopic", "guest", ("Ready", "True", "Ready")).await;
    let wanted = ("Ready", "False", "NamespaceNotAllowed");
    stage.await_condition_in(&stage.other("b"), "KafkaTopic", "stranger", wanted).await;
    assert_eq!(describe(&kafka, "stranger").await, None);

    cluster["spec"]["allowedNamespaces"] = json!(["*"]);
    stage.apply("KafkaCluster", "demo", cluster).await?;
    stage.await_condition_in(&stage.other("b"), "KafkaTopic", "stranger", ("Ready", "True", "Ready")).await;
    Ok(())
}

#[tokio::test]
async fn what_kafka_refuses_is_told() -> Result<()> {
    scene!("refused" => stage, broker, kafka);
    stage.apply("KafkaTopic", "orders", topic_with(1, "config", json!({"no.such.key": 1}))).await?;
    stage.await_condition("KafkaTopic", "orders", ("Ready", "False", "RefusedByKafka")).await;
    stage.apply("KafkaTopic", "many", topic_with(1, "replicationFactor", json!(3))).await?;
    let message = stage.await_condition("KafkaTopic", "many", ("Ready", "False", "NotEnoughBrokers")).await;
    assert_eq!(message, "replicationFactor: 3 needs as many brokers, the cluster has 1");
    assert_eq!(describe(&kafka, "orders").await, None);
    stage.apply("KafkaTopic", "orders", topic(1)).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    Ok(())
}

#[tokio::test]
async fn topics_that_nobody_could_delete_stop_an_uninstall() -> Result<()> {
    let stage = Stage::new("uninstall").await?;
    let check = || stage.command(&["uninstall-check"]);
    assert!(check()?.status.success());
    stage.apply("KafkaTopic", "kept", topic_with(1, "deletionPolicy", json!("Retain"))).await?;
    assert!(check()?.status.success());
    stage.apply("KafkaTopic", "bound", topic(1)).await?;
    let refused = check()?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(told.contains(&format!("{}/bound", stage.namespace)), "{told}");
    Ok(())
}
