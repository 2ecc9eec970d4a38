//! The voters of the metadata quorum change while it runs, by Apache Kafka's own tool.

use std::collections::BTreeSet;

use milena_tests::{Role, TestCluster, eventually, java};

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
    let directory = directory_id(&cluster, 1);
    let bootstrap = cluster.node(2).bootstrap();
    let arguments = [
        "--bootstrap-server",
        &bootstrap,
        "remove-controller",
        "--controller-id",
        "1",
        "--controller-directory-id",
        &directory,
    ];
    let removed = eventually("a voter less", PATIENCE, || java::tool(TOOL, &arguments).ok());
    assert!(removed.contains("Removed"), "{removed}");
    await_voters(&cluster, 2, &[2, 3]);
    assert_ne!(cluster.controller(&[]), 1);
    // The voters are those of the log, whatever the directories were formatted with.
    cluster.stop_all();
    cluster.launch_all().unwrap();
    cluster.await_all();
    await_voters(&cluster, 1, &[2, 3]);
}
