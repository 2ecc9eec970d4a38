//! The voters of the metadata quorum change while it runs, by Apache Kafka's own tool.

use std::collections::BTreeSet;

use milena_tests::{Flavor, Role, TestCluster, eventually, java};

use super::PATIENCE;

const TOOL: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

/// The ids of voters and observers, as the tool describes them.
fn replicas(cluster: &TestCluster, broker: i32) -> Option<(BTreeSet<i32>, BTreeSet<i32>)> {
    let bootstrap = cluster.node(broker).bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "describe", "--replication"];
    let described = java::tool(TOOL, &arguments).ok()?;
    let ids = |status: &[&str]| {
        let lines = described.lines().filter(|line| status.iter().any(|status| line.contains(status)));
        lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
    };
    Some((ids(&["Leader", "Follower"]), ids(&["Observer"])))
}

fn await_voters(cluster: &TestCluster, broker: i32, voters: &[i32]) {
    eventually(&format!("voters {voters:?}"), PATIENCE, || {
        let (found, _) = replicas(cluster, broker)?;
        found.iter().eq(voters).then_some(())
    });
}

/// Adds the node `id`, whose directory and listeners the tool reads from its properties.
fn add(cluster: &TestCluster, id: i32) {
    let properties = cluster.node(id).folder().join("server.properties");
    let properties = properties.to_string_lossy();
    let bootstrap = cluster.node(1).bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "--command-config", &properties, "add-controller"];
    let added = eventually(&format!("voter {id}"), PATIENCE, || java::tool(TOOL, &arguments).ok());
    assert!(added.contains(&format!("Added controller {id}")), "{added}");
}

fn directory_id(cluster: &TestCluster, id: i32) -> String {
    let meta = cluster.node(id).folder().join("data").join("meta.properties");
    let meta = std::fs::read_to_string(meta).unwrap();
    meta.lines().find_map(|line| line.strip_prefix("directory.id=")).unwrap().to_owned()
}

/// Takes the node `id` out of the voters, by way of `broker`.
fn remove(cluster: &TestCluster, id: i32, broker: i32) {
    let (directory, bootstrap) = (directory_id(cluster, id), cluster.node(broker).bootstrap());
    let (to, id) = (["--bootstrap-server", &bootstrap, "remove-controller"], id.to_string());
    let who = ["--controller-id", &id, "--controller-directory-id", &directory];
    let removed = eventually("a voter less", PATIENCE, || java::tool(TOOL, &[&to[..], &who].concat()).ok());
    assert!(removed.contains("Removed"), "{removed}");
}

#[test]
fn one_voter_becomes_three_and_the_first_one_may_go() {
    let mut cluster = TestCluster::prepare_growing(1, &[Role::Combined; 3], &[]).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    let (voters, observers) = eventually("the quorum", PATIENCE, || replicas(&cluster, 2));
    assert_eq!((voters, observers), (BTreeSet::from([1]), BTreeSet::from([2, 3])));
    add(&cluster, 2);
    add(&cluster, 3);
    await_voters(&cluster, 2, &[1, 2, 3]);
    remove(&cluster, 1, 2);
    await_voters(&cluster, 2, &[2, 3]);
    assert_ne!(cluster.controller(&[]), 1);
    // The voters are those of the log, whatever the directories were formatted with.
    cluster.stop_all();
    cluster.launch_all().unwrap();
    cluster.await_all();
    await_voters(&cluster, 1, &[2, 3]);
}

/// Three static voters, one of them of Apache Kafka; one of `leading` leads when the level is raised.
fn raise_kraft_version(leading: Flavor) {
    let flavors = [Flavor::Milena, Flavor::Milena, Flavor::Kafka];
    let nodes = flavors.map(|flavor| (Role::Combined, flavor));
    let mut cluster = TestCluster::prepare(&nodes, &[]).unwrap();
    cluster.launch_all().unwrap();
    cluster.await_all();
    let bootstrap = cluster.bootstrap();
    let features = |arguments: &[&str]| {
        let to = ["--bootstrap-server", &bootstrap];
        java::tool("org.apache.kafka.tools.FeatureCommand", &[&to, arguments].concat())
    };
    eventually(&format!("a leader of {leading:?}"), PATIENCE, || {
        let active = cluster.controller(&[]);
        if cluster.node(active).flavor() == leading {
            return Some(());
        }
        cluster.stop(active);
        cluster.restart(active).unwrap();
        cluster.await_all();
        None
    });
    // The voters introduce themselves to their leader after a while.
    eventually("kraft.version 1", PATIENCE, || {
        features(&["upgrade", "--feature", "kraft.version=1"])
            .ok()
            .filter(|said| said.contains("was upgraded"))
    });
    let is_raised = |said: &str| {
        let level = said.lines().find(|line| line.contains("kraft.version"));
        level.is_some_and(|line| line.contains("FinalizedVersionLevel: 1"))
    };
    for node in cluster.nodes() {
        eventually("the level at every broker", PATIENCE, || {
            let to = ["--bootstrap-server", &node.bootstrap(), "describe"];
            java::tool("org.apache.kafka.tools.FeatureCommand", &to).ok().filter(|said| is_raised(said))
        });
    }
    let refused = features(&["downgrade", "--feature", "kraft.version=0"]).unwrap_err();
    let refused = format!("{refused:#}");
    assert!(refused.contains("Can't downgrade the version of this feature."), "{refused}");
    // The configuration names them still, and the log counts. Apache Kafka would not end in order without a quorum.
    cluster.kill(3);
    cluster.stop_all();
    cluster.launch_all().unwrap();
    cluster.await_all();
    await_voters(&cluster, 1, &[1, 2, 3]);
    let gone = if cluster.controller(&[]) == 2 { 3 } else { 2 };
    remove(&cluster, gone, 1);
    let others: Vec<i32> = (1..=3).filter(|id| *id != gone).collect();
    await_voters(&cluster, 1, &others);
}

#[test]
fn static_voters_are_named_by_the_log_once_our_leader_raises_the_level() {
    raise_kraft_version(Flavor::Milena);
}

#[test]
fn static_voters_are_named_by_the_log_once_a_leader_of_apache_kafka_raises_the_level() {
    raise_kraft_version(Flavor::Kafka);
}
