//! The operator as a process: killed, doubled, idle.

use std::time::Duration;

use anyhow::Result;
use milena_client::{Admin, Options};
use milena_tests::TestBroker;
use serde_json::json;

use crate::api::until;
use crate::cluster::small;
use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_operator_that_is_killed_resumes() -> Result<()> {
    const TOPICS: usize = 40;
    let broker = TestBroker::start()?;
    let stage = Stage::new("killed").await?;
    let mut operator = stage.operator(Some(&broker))?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    for index in 0..TOPICS {
        let topic = json!({"spec": {"clusterRef": {"name": "demo"}, "partitions": 2}});
        stage.apply("KafkaTopic", &format!("topic-{index}"), topic).await?;
        if index % 10 == 5 {
            operator.kill();
            operator = stage.operator(Some(&broker))?;
        }
    }
    for index in 0..TOPICS {
        stage.await_ready("KafkaTopic", &format!("topic-{index}")).await;
    }
    let kafka = Admin::new([broker.bootstrap()], Options::default());
    let topics = kafka.list_topics().await?;
    let made = topics.iter().filter(|(name, _)| name.starts_with("topic-"));
    assert!(made.clone().all(|(_, topic)| topic.as_ref().is_ok_and(|topic| topic.partitions.len() == 2)));
    assert_eq!(made.count(), TOPICS);
    Ok(())
}

#[tokio::test]
async fn only_one_of_two_operators_works() -> Result<()> {
    let stage = Stage::new("lease").await?;
    let mut first = stage.standby("first", None)?;
    first.line_with("leading", PATIENCE);
    let mut second = stage.standby("second", None)?;
    stage.apply("KafkaCluster", "demo", small()).await?;
    stage.await_object("StatefulSet", "demo-broker").await;
    assert_eq!(stage.leader().await.as_deref(), Some("first"));
    assert!(!second.lines().iter().any(|line| line.contains("leading")));

    assert!(first.terminate(PATIENCE).success(), "an orderly stop");
    second.line_with("leading", PATIENCE);
    until("the second holds the Lease", || async { (stage.leader().await? == "second").then_some(()) }).await;
    stage.delete("Service", "demo-bootstrap").await?;
    stage.await_object("Service", "demo-bootstrap").await;

    // Without a word of farewell the third has to wait until the Lease has run out.
    second.kill();
    let mut third = stage.standby("third", None)?;
    third.line_with("leading", PATIENCE);
    Ok(())
}

#[tokio::test]
async fn a_steady_state_asks_for_nothing_but_the_lease() -> Result<()> {
    let broker = TestBroker::start()?;
    let stage = Stage::new("steady").await?;
    let mut operator = stage.operator(Some(&broker))?;
    let mut cluster = small();
    // Stored in another form than written, which must not look like drift.
    cluster["spec"]["resources"] = json!({"requests": {"cpu": "0.05", "memory": "65536Ki"}});
    stage.apply("KafkaCluster", "demo", cluster).await?;
    stage.pretend_ready("demo-broker-0").await?;
    for index in 0..10 {
        let topic = json!({"spec": {"clusterRef": {"name": "demo"}, "partitions": 1, "config": {"retention.ms": 1000}}});
        stage.apply("KafkaTopic", &format!("topic-{index}"), topic).await?;
        stage.await_ready("KafkaTopic", &format!("topic-{index}")).await;
    }
    stage.await_ready("KafkaCluster", "demo").await;
    let renewals = |requests: &[crate::control_plane::Request]| {
        requests.iter().filter(|request| request.resource == "leases").count()
    };
    let others = |requests: &[crate::control_plane::Request]| {
        requests.iter().filter(|request| request.resource != "leases").cloned().collect::<Vec<_>>()
    };
    // What the last events led to is through after a renewal or two; then five more pass in silence.
    let await_renewals = |from: usize, count: usize| {
        let stage = &stage;
        async move {
            let renewed = || async { (renewals(&stage.requests().ok()?) >= from + count).then_some(()) };
            until("the Lease is renewed", renewed).await;
        }
    };
    await_renewals(renewals(&stage.requests()?), 3).await;
    let before = stage.requests()?;
    await_renewals(renewals(&before), 5).await;
    let after = stage.requests()?;
    assert_eq!(others(&after)[others(&before).len()..], [], "requests in a steady state");
    assert!(operator.terminate(PATIENCE).success());

    // A new operator finds everything as it should be: it lists, it takes the Lease, and writes nothing else.
    let before = stage.requests()?;
    let _operator = stage.operator(Some(&broker))?;
    await_renewals(renewals(&before), 5).await;
    let all = stage.requests()?;
    let writes: Vec<_> =
        others(&all[before.len()..]).into_iter().filter(|request| request.verb != "list").collect();
    let allowed = |request: &&crate::control_plane::Request| request.resource != "statefulsets";
    assert_eq!(
        writes.iter().filter(allowed).collect::<Vec<_>>(),
        Vec::<&crate::control_plane::Request>::new()
    );
    // What the server normalised is applied once more, since its form is learned from the answer.
    assert!(writes.len() <= 1, "{writes:?}");
    Ok(())
}
