//! Clusters: the objects that they become, and what is refused.

use anyhow::Result;
use serde_json::{Value, json};

use crate::stage::Stage;

/// The smallest cluster.
pub(crate) fn small() -> Value {
    json!({"spec": {"brokers": 1, "storage": {"size": "1Gi"}}})
}

/// The smallest cluster with something more in its spec.
fn with(field: &str, value: Value) -> Value {
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
    stage.await_condition("KafkaCluster", "demo", ("Ready", "False", "Rolling")).await;
    stage.pretend_brokers_are_ready("demo-broker").await?;
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
