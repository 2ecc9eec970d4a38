//! Clusters of several brokers: their objects, growth, and what is refused or waits. No Kafka answers here.

use anyhow::Result;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::api::until;
use crate::cluster::{small, with};
use crate::stage::Stage;

fn brokers(count: i32) -> Value {
    with("brokers", json!(count))
}

/// The value of a variable of the pods of a StatefulSet.
fn variable(set: &DynamicObject, name: &str) -> Option<String> {
    let variables = set.data["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?.clone();
    let variable = variables.into_iter().find(|variable| variable["name"] == name)?;
    variable["value"].as_str().map(str::to_owned)
}

async fn await_replicas(stage: &Stage, set: &str, count: i32) -> DynamicObject {
    until(&format!("{set} has {count} replicas"), || async {
        stage.get("StatefulSet", set).await.filter(|set| set.data["spec"]["replicas"] == count)
    })
    .await
}

#[tokio::test]
async fn three_brokers_become_their_objects() -> Result<()> {
    let stage = Stage::new("three").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", brokers(3)).await?;
    let set = await_replicas(&stage, "demo-broker", 3).await;
    let host = |id: i32| format!("demo-broker-{id}.demo-brokers.{}.svc:9093", stage.namespace);
    let initial: Vec<_> = (0..3).map(|id| format!("{id}@{}", host(id))).collect();
    assert_eq!(variable(&set, "MILENA_INITIAL_CONTROLLERS"), Some(initial.join(",")));
    for id in 0..3 {
        stage.await_object("Service", &format!("demo-broker-{id}")).await;
        let claim = stage.await_object("PersistentVolumeClaim", &format!("data-demo-broker-{id}")).await;
        let annotations = claim.metadata.annotations.unwrap_or_default();
        assert_eq!(annotations.get("kafka.milena.dev/initial-controllers").map(String::as_str), Some("3"));
    }
    // Nobody has said yet that a broker may stop.
    let budget = stage.await_object("PodDisruptionBudget", "demo-broker").await;
    assert_eq!(budget.data["spec"]["maxUnavailable"], 0);
    let message = stage.await_condition("KafkaCluster", "demo", ("Ready", "False", "BrokersStarting")).await;
    assert_eq!(message, "0 of 3 brokers ready");
    for id in 0..3 {
        stage.pretend_ready(&format!("demo-broker-{id}")).await?;
    }
    stage.await_condition("KafkaCluster", "demo", ("Degraded", "True", "ClusterUnreachable")).await;
    Ok(())
}

#[tokio::test]
async fn dedicated_controllers_have_pods_and_volumes_of_their_own() -> Result<()> {
    let stage = Stage::new("dedicated").await?;
    let _operator = stage.operator(None)?;
    let mut cluster = brokers(5);
    cluster["spec"]["controllers"] = json!({"storage": {"size": "2Gi"}});
    stage.apply("KafkaCluster", "demo", cluster).await?;
    await_replicas(&stage, "demo-broker", 5).await;
    await_replicas(&stage, "demo-controller", 3).await;
    for id in 1000..1003 {
        let pod = stage.await_object("Pod", &format!("demo-controller-{id}")).await;
        let labels = pod.metadata.labels.unwrap_or_default();
        assert_eq!(labels.get("apps.kubernetes.io/pod-index"), Some(&id.to_string()), "the node id");
        let claim = stage.await_object("PersistentVolumeClaim", &format!("data-demo-controller-{id}")).await;
        assert_eq!(claim.data["spec"]["resources"]["requests"]["storage"], "2Gi");
    }
    for (kind, name) in [
        ("Service", "demo-controllers"),
        ("Service", "demo-broker-4"),
        ("ConfigMap", "demo-controller"),
        ("NetworkPolicy", "demo-controller"),
        ("PodDisruptionBudget", "demo-controller"),
    ] {
        stage.await_object(kind, name).await;
    }
    stage.delete("KafkaCluster", "demo").await?;
    for (kind, name) in [
        ("StatefulSet", "demo-controller"),
        ("Service", "demo-controllers"),
        ("ConfigMap", "demo-controller"),
        ("StatefulSet", "demo-broker"),
    ] {
        stage.await_gone(kind, name).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_does_not_shrink_and_says_so_with_both_numbers() -> Result<()> {
    let stage = Stage::new("shrink").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", brokers(3)).await?;
    await_replicas(&stage, "demo-broker", 3).await;
    stage.apply("KafkaCluster", "demo", brokers(2)).await?;
    let wanted = ("Degraded", "True", "ShrinkingRefused");
    let message = stage.await_condition("KafkaCluster", "demo", wanted).await;
    assert!(message.starts_with("brokers: the cluster has 3, the spec asks for 2"), "{message}");
    until("an Event tells it", || async {
        stage.events("demo").await.contains(&"ShrinkingRefused".to_owned()).then_some(())
    })
    .await;
    await_replicas(&stage, "demo-broker", 3).await;

    stage.apply("KafkaCluster", "demo", brokers(3)).await?;
    stage.await_condition("KafkaCluster", "demo", ("Degraded", "False", "AsExpected")).await;
    // What somebody else has grown may hold replicas: it is not taken away either.
    stage.merge("StatefulSet", "demo-broker", json!({"spec": {"replicas": 5}})).await?;
    let message = stage.await_condition("KafkaCluster", "demo", wanted).await;
    assert!(message.starts_with("brokers: the cluster has 5, the spec asks for 3"), "{message}");
    stage.apply("KafkaCluster", "demo", brokers(5)).await?;
    stage.await_condition("KafkaCluster", "demo", ("Degraded", "False", "AsExpected")).await;
    stage.merge("StatefulSet", "demo-broker", json!({"spec": {"replicas": 2}})).await?;
    await_replicas(&stage, "demo-broker", 5).await;
    Ok(())
}

#[tokio::test]
async fn one_broker_grows_to_three_that_join_its_quorum() -> Result<()> {
    let stage = Stage::new("grow").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    stage.pretend_ready("demo-broker-0").await?;
    stage.await_ready("KafkaCluster", "demo").await;
    let before = stage.await_object("StatefulSet", "demo-broker").await;
    stage.apply("KafkaCluster", "demo", brokers(3)).await?;
    let after = await_replicas(&stage, "demo-broker", 3).await;
    assert_eq!(after.metadata.uid, before.metadata.uid, "grown, not made anew");
    let first = format!("0@demo-broker-0.demo-brokers.{}.svc:9093", stage.namespace);
    assert_eq!(variable(&after, "MILENA_INITIAL_CONTROLLERS"), Some(first), "what the quorum began with");
    for id in 0..3 {
        stage.await_object("Pod", &format!("demo-broker-{id}")).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_broker_that_serves_is_not_stopped_while_the_cluster_does_not_answer() -> Result<()> {
    let stage = Stage::new("silent").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", brokers(3)).await?;
    for id in 0..3 {
        stage.pretend_ready(&format!("demo-broker-{id}")).await?;
    }
    let unreachable = ("Degraded", "True", "ClusterUnreachable");
    stage.await_condition("KafkaCluster", "demo", unreachable).await;
    let mut changed = brokers(3);
    changed["spec"]["config"] = json!({"num.partitions": 4});
    stage.apply("KafkaCluster", "demo", changed).await?;
    let message = stage.await_condition("KafkaCluster", "demo", ("Progressing", "True", "Rolling")).await;
    assert_eq!(message, "the cluster does not say whether a broker may stop");
    let requests = stage.requests()?;
    assert!(!requests.iter().any(|it| it.resource == "pods" && it.verb == "create"), "nobody was evicted");
    Ok(())
}

#[tokio::test]
async fn a_pod_gets_the_zone_of_its_node() -> Result<()> {
    let stage = Stage::new("zones").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", brokers(3)).await?;
    let pod = "demo-broker-1";
    stage.await_object("Pod", pod).await;
    stage.bind(pod, &format!("node-{}", stage.namespace), "zone-7").await?;
    // What newer versions of Kubernetes do themselves is undone: the operator does it where they do not.
    let label = "topology.kubernetes.io/zone";
    stage.merge("Pod", pod, json!({"metadata": {"labels": {label: null}}})).await?;
    until("the pod has its zone", || async {
        let labels = stage.get("Pod", pod).await?.metadata.labels?;
        (labels.get(label).map(String::as_str) == Some("zone-7")).then_some(())
    })
    .await;
    let told = stage.requests()?.into_iter().filter(|it| it.resource == "pods" && it.verb == "patch");
    assert!(told.count() > 0, "the operator labelled it");
    Ok(())
}
