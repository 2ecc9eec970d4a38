//! Clusters: the objects that they become, and what is refused.

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::until;
use crate::stage::Stage;

/// The smallest cluster.
pub(crate) fn small() -> Value {
    json!({"spec": {"brokers": 1, "storage": {"size": "1Gi"}}})
}

/// The smallest cluster with something more in its spec.
pub(crate) fn with(field: &str, value: Value) -> Value {
    let mut cluster = small();
    cluster["spec"][field] = value;
    cluster
}

#[tokio::test]
async fn a_cluster_becomes_its_objects() -> Result<()> {
    let stage = Stage::new("objects").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    let set = stage.await_object("StatefulSet", "demo-broker").await;
    let owner = &set.metadata.owner_references.as_ref().expect("an owner")[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.controller),
        ("KafkaCluster", "demo", Some(true))
    );
    let spec = &set.data["spec"];
    assert_eq!(spec["podManagementPolicy"], "Parallel");
    assert_eq!(spec["updateStrategy"]["type"], "OnDelete");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    for (kind, name) in [
        ("Service", "demo-bootstrap"),
        ("Service", "demo-brokers"),
        ("Service", "demo-broker-0"),
        ("ConfigMap", "demo-broker"),
        ("ServiceAccount", "demo-broker"),
        ("NetworkPolicy", "demo-broker"),
        ("PodDisruptionBudget", "demo-broker"),
    ] {
        stage.await_object(kind, name).await;
    }
    stage.await_condition("KafkaCluster", "demo", ("Ready", "False", "BrokersStarting")).await;
    stage.pretend_ready("demo-broker-0").await?;
    let cluster = stage.await_ready("KafkaCluster", "demo").await;
    let status = &cluster.data["status"];
    assert_eq!(
        status["listeners"][0]["bootstrapServers"],
        format!("demo-bootstrap.{}.svc:9092", stage.namespace)
    );
    assert_eq!(status["clusterId"].as_str().map(str::len), Some(22));
    assert_eq!((&status["brokers"], &status["readyBrokers"]), (&json!(1), &json!(1)));
    Ok(())
}

#[tokio::test]
async fn what_others_change_or_delete_is_put_back() -> Result<()> {
    let stage = Stage::new("repair").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    let config = stage.await_object("ConfigMap", "demo-broker").await;
    stage.await_object("StatefulSet", "demo-broker").await;
    let wanted = config.data["data"].clone();
    stage.merge("ConfigMap", "demo-broker", json!({"data": {"server.properties": "node.id=7"}})).await?;
    until("the file is put back", || async {
        (stage.get("ConfigMap", "demo-broker").await?.data["data"] == wanted).then_some(())
    })
    .await;
    for (kind, name) in
        [("Service", "demo-bootstrap"), ("NetworkPolicy", "demo-broker"), ("StatefulSet", "demo-broker")]
    {
        let before = stage.await_object(kind, name).await.metadata.uid;
        stage.delete(kind, name).await?;
        until(&format!("{kind} {name} is made again"), || async {
            (stage.get(kind, name).await?.metadata.uid != before).then_some(())
        })
        .await;
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_spec_reaches_the_objects() -> Result<()> {
    let stage = Stage::new("changes").await?;
    let _operator = stage.operator(None)?;
    stage
        .apply(
            "KafkaCluster",
            "demo",
            with("config", json!({"log.retention.hours": 24, "auto.create.topics.enable": false})),
        )
        .await?;
    let set = stage.await_object("StatefulSet", "demo-broker").await;
    let file = stage.await_object("ConfigMap", "demo-broker").await.data["data"]["server.properties"].clone();
    let file = file.as_str().expect("a file");
    assert!(
        file.contains("log.retention.hours=24\n") && file.contains("auto.create.topics.enable=false\n"),
        "{file}"
    );
    let listeners = json!([{"name": "plain", "port": 9092}, {"name": "second", "port": 9094}]);
    let mut changed = with("listeners", listeners);
    changed["spec"]["podTemplate"] = json!({"nodeSelector": {"disk": "fast"}, "annotations": {"team": "a"}});
    stage.apply("KafkaCluster", "demo", changed).await?;
    until("the pods get the selector", || async {
        let set = stage.get("StatefulSet", "demo-broker").await?;
        (set.data["spec"]["template"]["spec"]["nodeSelector"]["disk"] == "fast").then_some(())
    })
    .await;
    let after = stage.await_object("StatefulSet", "demo-broker").await;
    assert_eq!(after.metadata.uid, set.metadata.uid);
    let bootstrap = stage.await_object("Service", "demo-bootstrap").await;
    assert_eq!(bootstrap.data["spec"]["ports"].as_array().map(Vec::len), Some(2));

    // What leaves the spec leaves the objects.
    stage.apply("KafkaCluster", "demo", small()).await?;
    until("the selector is gone", || async {
        let set = stage.get("StatefulSet", "demo-broker").await?;
        set.data["spec"]["template"]["spec"]["nodeSelector"].is_null().then_some(())
    })
    .await;
    let file = stage.await_object("ConfigMap", "demo-broker").await.data["data"]["server.properties"].clone();
    assert!(!file.as_str().expect("a file").contains("log.retention.hours"));
    Ok(())
}

#[tokio::test]
async fn bad_manifests_are_refused_at_admission() -> Result<()> {
    let stage = Stage::new("admission").await?;
    let listener = |name: &str, port: i32| json!([{"name": name, "port": port}]);
    let clusters = [
        ("demo", with("brokers", json!(0)), "greater than or equal to 1"),
        ("demo", with("brokers", json!(1001)), "less than or equal to 1000"),
        ("demo", with("controllers", json!({"replicas": 4, "storage": {"size": "1Gi"}})), "must be odd"),
        ("demo", with("controllers", json!({"replicas": 3})), "storage"),
        ("demo", with("storage", json!({"size": "big"})), "storage.size must be a positive quantity"),
        ("demo", with("storage", json!({"size": "0"})), "storage.size must be a positive quantity"),
        ("demo", with("listeners", listener("Plain", 9092)), "a listener's name is made of"),
        ("demo", with("listeners", listener("controller", 9092)), "the operator's own"),
        ("demo", with("listeners", listener("plain", 9093)), "9093 (controller)"),
        (
            "demo",
            with("listeners", json!([{"name": "a", "port": 9092}, {"name": "b", "port": 9092}])),
            "cannot share a port",
        ),
        ("demo", with("brocker", json!(1)), "brocker"),
        ("demo", json!({"spec": {"brokers": 1}}), "storage"),
        ("1st", small(), "becomes part of Service names"),
        ("a-name-that-is-longer-than-a-service-could-bear", small(), "becomes part of Service names"),
    ];
    for (name, manifest, told) in clusters {
        let refusal = stage.apply("KafkaCluster", name, manifest.clone()).await.expect_err(told).to_string();
        assert!(refusal.contains(told), "{manifest}: {refusal}");
    }
    let topic = |field: &str, value: Value| {
        let mut topic = json!({"spec": {"clusterRef": {"name": "demo"}, "partitions": 1}});
        topic["spec"][field] = value;
        topic
    };
    let long = "x".repeat(250);
    let topics = [
        ("t", topic("partitions", json!(0)), "greater than or equal to 1"),
        ("t", topic("partitions", Value::Null), "partitions"),
        ("t", topic("topicName", json!("no spaces")), "letters, digits"),
        ("t", topic("topicName", json!("..")), "neither '.' nor '..'"),
        ("t", topic("topicName", json!("__consumer_offsets")), "internal topics"),
        ("t", topic("topicName", json!("__cluster_metadata")), "internal topics"),
        (long.as_str(), topic("partitions", json!(1)), "1 to 249"),
        ("t", topic("deletionPolicy", json!("Orphan")), "Retain"),
        ("t", topic("replicationFactor", json!(0)), "greater than or equal to 1"),
    ];
    for (name, manifest, told) in topics {
        let refusal = stage.apply("KafkaTopic", name, manifest.clone()).await.expect_err(told).to_string();
        assert!(refusal.contains(told), "{manifest}: {refusal}");
    }
    Ok(())
}

#[tokio::test]
async fn immutable_fields_stay() -> Result<()> {
    let stage = Stage::new("immutable").await?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    for storage in [json!({"size": "2Gi"}), json!({"size": "1Gi", "storageClassName": "fast"})] {
        let refusal =
            stage.apply("KafkaCluster", "demo", with("storage", storage)).await.expect_err("immutable");
        assert!(refusal.to_string().contains("storage is immutable"), "{refusal}");
    }
    let mut dedicated = small();
    dedicated["spec"]["controllers"] = json!({"storage": {"size": "1Gi"}});
    let refusal = stage.apply("KafkaCluster", "demo", dedicated.clone()).await.expect_err("immutable");
    assert!(refusal.to_string().contains("controllers is immutable"), "{refusal}");
    stage.apply("KafkaCluster", "other", dedicated.clone()).await?;
    dedicated["spec"]["controllers"]["replicas"] = json!(5);
    let refusal = stage.apply("KafkaCluster", "other", dedicated).await.expect_err("immutable");
    assert!(refusal.to_string().contains("controllers is immutable"), "{refusal}");
    let topic = json!({"spec": {"clusterRef": {"name": "demo"}, "topicName": "orders", "partitions": 1}});
    stage.apply("KafkaTopic", "orders", topic.clone()).await?;
    for (field, value, told) in [
        ("topicName", json!("others"), "topicName is immutable"),
        ("clusterRef", json!({"name": "another"}), "clusterRef is immutable"),
        ("clusterRef", json!({"name": "demo", "namespace": "elsewhere"}), "clusterRef is immutable"),
    ] {
        let mut changed = topic.clone();
        changed["spec"][field] = value;
        let refusal = stage.apply("KafkaTopic", "orders", changed).await.expect_err(told).to_string();
        assert!(refusal.contains(told), "{refusal}");
    }
    let mut without_name = topic;
    without_name["spec"].as_object_mut().expect("a spec").remove("topicName");
    stage.apply("KafkaTopic", "orders", without_name).await?;
    Ok(())
}

#[tokio::test]
async fn keys_of_the_operator_are_refused_by_name() -> Result<()> {
    let stage = Stage::new("owned").await?;
    let _operator = stage.operator(None)?;
    let keys = json!({"node.id": 7, "controller.quorum.voters": "1@a:9093", "log.retention.hours": 1});
    stage.apply("KafkaCluster", "demo", with("config", keys)).await?;
    let message = stage.await_condition("KafkaCluster", "demo", ("Ready", "False", "OperatorOwnedKey")).await;
    assert_eq!(message, "config: controller.quorum.voters, node.id are the operator's own");
    until("an Event tells it", || async {
        stage.events("demo").await.contains(&"OperatorOwnedKey".to_owned()).then_some(())
    })
    .await;
    assert!(stage.get("StatefulSet", "demo-broker").await.is_none());
    stage.apply("KafkaCluster", "demo", with("config", json!({"log.retention.hours": 1}))).await?;
    stage.await_object("StatefulSet", "demo-broker").await;
    Ok(())
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken() -> Result<()> {
    let stage = Stage::new("conflict").await?;
    let _operator = stage.operator(None)?;
    let body = json!({"spec": {"ports": [{"port": 80, "name": "web"}]}});
    stage.apply("Service", "demo-bootstrap", body).await?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    let message = stage.await_condition("KafkaCluster", "demo", ("Degraded", "True", "ObjectConflict")).await;
    assert!(message.contains("Service demo-bootstrap exists and is not this cluster's"), "{message}");
    let service = stage.await_object("Service", "demo-bootstrap").await;
    assert_eq!(service.data["spec"]["ports"][0]["port"], 80);
    stage.delete("Service", "demo-bootstrap").await?;
    stage.await_object("StatefulSet", "demo-broker").await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_made_again_takes_up_its_volumes() -> Result<()> {
    let stage = Stage::new("volumes").await?;
    let _operator = stage.operator(None)?;
    let claim = json!({
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "milena-operator", "kafka.milena.dev/cluster": "demo"},
            "annotations": {"kafka.milena.dev/cluster-id": "bWlsZW5hLXRlc3RzLTAwMA"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    stage.apply("PersistentVolumeClaim", "data-demo-broker-0", claim).await?;
    stage.apply("KafkaCluster", "demo", with("deleteClaims", json!(true))).await?;
    let set = stage.await_object("StatefulSet", "demo-broker").await;
    let spec = &set.data["spec"];
    let environment = spec["template"]["spec"]["containers"][0]["env"].as_array().expect("variables").clone();
    assert!(
        environment.contains(&json!({"name": "CLUSTER_ID", "value": "bWlsZW5hLXRlc3RzLTAwMA"})),
        "{environment:?}"
    );
    assert_eq!(
        spec["persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Delete", "whenScaled": "Retain"})
    );
    stage.apply("KafkaCluster", "demo", small()).await?;
    until("the claims are kept again", || async {
        let set = stage.get("StatefulSet", "demo-broker").await?;
        (set.data["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain").then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_paused_cluster_is_left_alone() -> Result<()> {
    let stage = Stage::new("still").await?;
    let _operator = stage.operator(None)?;
    let mut paused = small();
    paused["metadata"]["annotations"] = json!({"kafka.milena.dev/paused": "true"});
    stage.apply("KafkaCluster", "demo", paused).await?;
    stage.await_condition("KafkaCluster", "demo", ("Progressing", "False", "Paused")).await;
    assert!(stage.get("StatefulSet", "demo-broker").await.is_none());
    stage.apply("KafkaCluster", "demo", small()).await?;
    stage.await_object("StatefulSet", "demo-broker").await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_takes_its_objects_with_it() -> Result<()> {
    let stage = Stage::new("cascade").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    stage.await_object("StatefulSet", "demo-broker").await;
    stage.delete("KafkaCluster", "demo").await?;
    for (kind, name) in [
        ("StatefulSet", "demo-broker"),
        ("Service", "demo-bootstrap"),
        ("Service", "demo-brokers"),
        ("Service", "demo-broker-0"),
        ("ConfigMap", "demo-broker"),
        ("ServiceAccount", "demo-broker"),
        ("NetworkPolicy", "demo-broker"),
        ("PodDisruptionBudget", "demo-broker"),
    ] {
        stage.await_gone(kind, name).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_configuration_restarts_the_broker_through_an_eviction() -> Result<()> {
    let stage = Stage::new("roll").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    stage.pretend_ready("demo-broker-0").await?;
    stage.await_ready("KafkaCluster", "demo").await;
    let before = stage.await_object("Pod", "demo-broker-0").await.metadata.uid;

    // What concerns no broker restarts none.
    stage.apply("KafkaCluster", "demo", with("allowedNamespaces", json!(["a"]))).await?;
    stage.await_ready("KafkaCluster", "demo").await;
    assert_eq!(stage.await_object("Pod", "demo-broker-0").await.metadata.uid, before);

    stage.apply("KafkaCluster", "demo", with("config", json!({"num.partitions": 4}))).await?;
    until("the pod is replaced", || async {
        (stage.get("Pod", "demo-broker-0").await?.metadata.uid != before).then_some(())
    })
    .await;
    stage.await_condition("KafkaCluster", "demo", ("Ready", "False", "BrokersStarting")).await;
    stage.pretend_ready("demo-broker-0").await?;
    stage.await_ready("KafkaCluster", "demo").await;
    let evictions = stage
        .requests()?
        .into_iter()
        .filter(|request| request.resource == "pods" && request.verb == "create");
    assert_eq!(evictions.count(), 1, "one eviction and no deletion");
    Ok(())
}

#[tokio::test]
async fn volumes_stay_or_go_as_the_spec_says() -> Result<()> {
    let stage = Stage::new("claims").await?;
    let _operator = stage.operator(None)?;
    stage.apply("KafkaCluster", "keeps", small()).await?;
    stage.apply("KafkaCluster", "goes", with("deleteClaims", json!(true))).await?;
    for cluster in ["keeps", "goes"] {
        let claim = stage.await_object("PersistentVolumeClaim", &format!("data-{cluster}-broker-0")).await;
        let id = claim.metadata.annotations.unwrap_or_default().remove("kafka.milena.dev/cluster-id");
        assert_eq!(id.map(|id| id.len()), Some(22), "the claim remembers the cluster");
    }
    // The controller marks the claim before the owner may go with it.
    until("the claim belongs to its StatefulSet", || async {
        let claim = stage.get("PersistentVolumeClaim", "data-goes-broker-0").await?;
        claim.metadata.owner_references.map(drop)
    })
    .await;
    for cluster in ["keeps", "goes"] {
        stage.delete("KafkaCluster", cluster).await?;
        stage.await_gone("StatefulSet", &format!("{cluster}-broker")).await;
    }
    stage.await_gone("PersistentVolumeClaim", "data-goes-broker-0").await;
    let kept = stage.get("PersistentVolumeClaim", "data-keeps-broker-0").await.expect("it is kept");
    assert_eq!(kept.metadata.deletion_timestamp, None);

    // The cluster that is made again has another UID and the same id.
    let id = kept.metadata.annotations.unwrap_or_default().remove("kafka.milena.dev/cluster-id");
    stage.apply("KafkaCluster", "keeps", small()).await?;
    let set = stage.await_object("StatefulSet", "keeps-broker").await;
    let template = &set.data["spec"]["volumeClaimTemplates"][0]["metadata"]["annotations"];
    assert_eq!(template["kafka.milena.dev/cluster-id"].as_str().map(str::to_owned), id);
    Ok(())
}
