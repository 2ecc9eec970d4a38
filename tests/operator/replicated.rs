//! Clusters whose three brokers replicate: rolls by what the cluster says, and replicas that move.

use std::collections::BTreeMap;

use anyhow::Result;
use milena_client::admin::NewTopic;
use milena_client::{Admin, Options};
use milena_protocol::{NodeId, PartitionIndex};
use milena_tests::{Flavor, Role, TestCluster};
use serde_json::{Value, json};

use crate::api::until;
use crate::cluster::with;
use crate::stage::Stage;

/// Three brokers, named as the operator names them, that acknowledge what two of them have.
fn three() -> Result<TestCluster> {
    let settings = [("min.insync.replicas", "2"), ("default.replication.factor", "3")];
    let mut cluster = TestCluster::prepare_from(0, &[(Role::Combined, Flavor::wanted()); 3], &settings)?;
    cluster.launch_all()?;
    cluster.await_all();
    Ok(cluster)
}

async fn pretend_all_ready(stage: &Stage) -> Result<()> {
    for id in 0..3 {
        stage.pretend_ready(&format!("demo-broker-{id}")).await?;
    }
    Ok(())
}

async fn uid(stage: &Stage, id: i32) -> Option<String> {
    stage.get("Pod", &format!("demo-broker-{id}")).await?.metadata.uid
}

async fn await_budget(stage: &Stage, unavailable_max: i32) {
    until(&format!("the budget is {unavailable_max}"), || async {
        let budget = stage.get("PodDisruptionBudget", "demo-broker").await?;
        (budget.data["spec"]["maxUnavailable"] == unavailable_max).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_spec_rolls_one_broker_after_the_other_and_the_controller_last() -> Result<()> {
    let cluster = three()?;
    let address = cluster.node(0).bootstrap();
    let kafka = Admin::new([address.clone()], Options::default());
    let stage = Stage::new("rolls").await?;
    let _operator = stage.operator_at(&address)?;
    stage.apply("KafkaCluster", "demo", with("brokers", json!(3))).await?;
    pretend_all_ready(&stage).await?;
    stage.await_ready("KafkaCluster", "demo").await;
    await_budget(&stage, 1).await;

    let controller = kafka.describe_quorum().await?.leader.expect("a leader");
    let mut order: Vec<_> = (0..3).map(NodeId).filter(|id| *id != controller).collect();
    order.push(controller);
    let mut before = Vec::new();
    for id in 0..3 {
        before.push(uid(&stage, id).await);
    }
    let mut changed = with("brokers", json!(3));
    changed["spec"]["config"] = json!({"num.partitions": 4});
    stage.apply("KafkaCluster", "demo", changed).await?;
    for id in order {
        let index = usize::try_from(id.0)?;
        until(&format!("{id} is replaced"), || async {
            let now = uid(&stage, id.0).await;
            (now.is_some() && now != before[index]).then_some(())
        })
        .await;
        // Nobody else goes before this one is back.
        if id != controller {
            until(&format!("{id} is waited for"), || async {
                let rolling = ("Progressing", "True", "Rolling");
                let message = stage.await_condition("KafkaCluster", "demo", rolling).await;
                (message == format!("demo-broker-{id} is not ready yet")).then_some(())
            })
            .await;
        }
        for other in 0..3_i32 {
            let known = usize::try_from(other)?;
            if other != id.0 {
                assert_eq!(uid(&stage, other).await, before[known], "{other} was stopped too early");
            }
        }
        before[index] = uid(&stage, id.0).await;
        stage.pretend_ready(&format!("demo-broker-{id}")).await?;
    }
    stage.await_ready("KafkaCluster", "demo").await;
    await_budget(&stage, 1).await;
    Ok(())
}

#[tokio::test]
async fn a_topics_replicas_are_made_and_taken_away() -> Result<()> {
    let cluster = three()?;
    let address = cluster.node(0).bootstrap();
    let kafka = Admin::new([address.clone()], Options::default());
    let stage = Stage::new("moves").await?;
    let mut operator = stage.operator_at(&address)?;
    stage.apply("KafkaCluster", "demo", with("brokers", json!(3))).await?;
    pretend_all_ready(&stage).await?;
    let name = format!("moved-{}", stage.namespace);
    let topic = |replicas: i32| -> Value {
        json!({"spec": {"clusterRef": {"name": "demo"}, "topicName": name, "partitions": 6, "replicationFactor": replicas}})
    };
    stage.apply("KafkaTopic", "orders", topic(1)).await?;
    stage.await_ready("KafkaTopic", "orders").await;
    let message = stage.await_condition("KafkaTopic", "orders", ("Degraded", "True", "BelowMinInSync")).await;
    assert_eq!(message, "each partition has 1 replicas, min.insync.replicas asks for 2");
    for wanted in [3, 2] {
        stage.apply("KafkaTopic", "orders", topic(wanted)).await?;
        operator.kill();
        operator = stage.operator_at(&address)?;
        let resource = stage.await_ready("KafkaTopic", "orders").await;
        assert_eq!(resource.data["status"]["replicationFactor"], wanted);
        let there =
            kafka.describe_topics(std::slice::from_ref(&name)).await?.remove(&name).expect("an answer")?;
        for partition in &there.partitions {
            assert_eq!(partition.replicas.len(), usize::try_from(wanted)?, "{partition:?}");
        }
    }
    stage
        .apply(
            "KafkaTopic",
            "many",
            json!({"spec": {"clusterRef": {"name": "demo"}, "partitions": 1, "replicationFactor": 4}}),
        )
        .await?;
    let message = stage.await_condition("KafkaTopic", "many", ("Ready", "False", "NotEnoughBrokers")).await;
    assert_eq!(message, "replicationFactor: 4 needs as many brokers, the cluster has 3");
    Ok(())
}

#[tokio::test]
async fn internal_topics_grow_and_replicas_are_evened_out() -> Result<()> {
    let cluster = three()?;
    let address = cluster.node(0).bootstrap();
    let kafka = Admin::new([address.clone()], Options::default());
    let stage = Stage::new("even").await?;
    let load = format!("load-{}", stage.namespace);
    let new = |name: &str, partitions: i32| NewTopic {
        name: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
    };
    let offsets = "__consumer_offsets".to_owned();
    kafka.create_topics(&[new(&offsets, 5), new(&load, 30)], false).await?;
    let first = (0..30).map(|index| ((load.clone(), PartitionIndex(index)), vec![NodeId(0)]));
    kafka.alter_reassignments(&first.collect()).await?;
    until("broker 0 has everything", || async {
        let topic = kafka.describe_topics(std::slice::from_ref(&load)).await.ok()?.remove(&load)?.ok()?;
        topic.partitions.iter().all(|it| it.replicas == [NodeId(0)]).then_some(())
    })
    .await;

    let _operator = stage.operator_at(&address)?;
    stage.apply("KafkaCluster", "demo", with("brokers", json!(3))).await?;
    pretend_all_ready(&stage).await?;
    stage.await_condition("KafkaCluster", "demo", ("Balanced", "False", "RebalanceOffered")).await;
    stage.await_ready("KafkaCluster", "demo").await;
    until("an Event offers it", || async {
        stage.events("demo").await.contains(&"RebalanceOffered".to_owned()).then_some(())
    })
    .await;
    let topic = kafka.describe_topics(std::slice::from_ref(&offsets)).await?.remove(&offsets).expect("it")?;
    assert!(topic.partitions.iter().all(|it| it.isr.len() == 3), "{topic:?}");

    let mut evened = with("brokers", json!(3));
    evened["spec"]["rebalance"] = json!(true);
    stage.apply("KafkaCluster", "demo", evened).await?;
    stage.await_condition("KafkaCluster", "demo", ("Balanced", "True", "Even")).await;
    let topic = kafka.describe_topics(std::slice::from_ref(&load)).await?.remove(&load).expect("it")?;
    for id in 0..3 {
        let count = topic.partitions.iter().filter(|it| it.replicas == [NodeId(id)]).count();
        assert!((9..=11).contains(&count), "broker {id} has {count} of 30");
    }
    Ok(())
}
