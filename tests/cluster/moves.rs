//! Replicas that Kafka's tool moves between the directories of one broker: throttled, cut off by a kill, and completed.

use std::collections::BTreeMap;

use milena_protocol::messages::describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsRequest};
use milena_tests::{Node, TestCluster, eventually, java};

use crate::PATIENCE;
use crate::dirs::{PARTITIONS, TOPIC, create, produce_sized};

const RECORDS: i64 = 20;
const RECORD_BYTES: usize = 10_000;
/// The broker whose replicas move, and its directories.
const BROKER: i32 = 1;
const FOLDERS: [&str; 2] = ["data", "b"];

/// The folder and the log of each partition of the topic on a node; copies under way too.
fn logs(node: &Node) -> Vec<(String, DescribeLogDirsPartition)> {
    let response = node.ask(4, &DescribeLogDirsRequest { topics: None }).unwrap();
    let of_topic = response.results.into_iter().flat_map(|dir| {
        let folder = dir.log_dir.rsplit('/').next().unwrap_or_default().to_owned();
        let topics = dir.topics.into_iter().filter(|topic| *topic.name == *TOPIC);
        topics.flat_map(|topic| topic.partitions).map(move |log| (folder.clone(), log))
    });
    of_topic.collect()
}

/// The folder of each partition's log.
fn places(node: &Node) -> BTreeMap<i32, String> {
    let logs = logs(node).into_iter().filter(|(_, log)| !log.is_future_key);
    logs.map(|(folder, log)| (log.partition_index, folder)).collect()
}

/// Every replica stays on its broker; those of one broker go to these folders.
fn plan(cluster: &TestCluster, places: &BTreeMap<i32, String>) -> String {
    let metadata = cluster.node(BROKER).metadata(&[TOPIC]).unwrap();
    let partitions = metadata.topics[0].partitions.iter().map(|partition| {
        let index = partition.partition_index;
        let folder = cluster.node(BROKER).folder().join(&places[&index]);
        let dirs = partition.replica_nodes.iter().map(|node| match *node {
            BROKER => format!("{:?}", folder.display().to_string()),
            _ => "\"any\"".to_owned(),
        });
        let dirs: Vec<_> = dirs.collect();
        let (replicas, dirs) = (format!("{:?}", partition.replica_nodes), dirs.join(","));
        format!(r#"{{"topic":"{TOPIC}","partition":{index},"replicas":{replicas},"log_dirs":[{dirs}]}}"#)
    });
    let partitions: Vec<_> = partitions.collect();
    format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","))
}

#[test]
fn replicas_move_between_directories_throttled_and_over_a_kill() {
    let settings = [("log.dirs", "{directory}/data,{directory}/b")];
    let mut cluster = TestCluster::start(3, &settings).unwrap();
    create(&cluster.node(BROKER).bootstrap(), 3);
    let bootstraps: Vec<_> = cluster.nodes().iter().map(Node::bootstrap).collect();
    for number in 0..RECORDS * i64::from(PARTITIONS) {
        let index = i32::try_from(number).unwrap() % PARTITIONS;
        produce_sized(&bootstraps, index, RECORD_BYTES);
    }
    let other = |folder: &String| FOLDERS[usize::from(folder == FOLDERS[0])].to_owned();
    let wanted: BTreeMap<_, _> =
        places(cluster.node(BROKER)).iter().map(|(index, folder)| (*index, other(folder))).collect();
    assert_eq!(wanted.len(), PARTITIONS as usize);
    let file = cluster.node(BROKER).folder().join("plan.json").to_string_lossy().into_owned();
    std::fs::write(&file, plan(&cluster, &wanted)).unwrap();
    let bootstrap = cluster.bootstrap();
    let reassign = |further: &[&str]| {
        let arguments = ["--bootstrap-server", &bootstrap, "--reassignment-json-file", &file];
        let arguments = [&arguments[..], further].concat();
        java::tool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", &arguments).unwrap()
    };

    let begun = reassign(&["--execute", "--replica-alter-log-dirs-throttle", "1000"]);
    let started = begun.matches("Successfully started moving log directory").count();
    assert_eq!(started, PARTITIONS as usize, "{begun}");
    let is_under_way = |log: &DescribeLogDirsPartition| log.is_future_key && log.offset_lag > 0;
    let lagging = |node: &Node| logs(node).iter().any(|(_, log)| is_under_way(log));
    assert!(lagging(cluster.node(BROKER)), "{:?}", logs(cluster.node(BROKER)));
    cluster.kill(BROKER);
    cluster.restart(BROKER).unwrap();
    assert!(lagging(cluster.node(BROKER)), "{:?}", logs(cluster.node(BROKER)));

    reassign(&["--execute", "--additional", "--replica-alter-log-dirs-throttle", "100000000"]);
    eventually("all replicas where they are wanted", PATIENCE, || {
        let all = logs(cluster.node(BROKER));
        let is_done = places(cluster.node(BROKER)) == wanted && !all.iter().any(|(_, log)| log.is_future_key);
        is_done.then_some(())
    });
    let verified = reassign(&["--verify"]);
    assert_eq!(verified.matches("completed successfully").count(), PARTITIONS as usize, "{verified}");
    (0..PARTITIONS).for_each(|index| assert!(produce_sized(&bootstraps, index, 1) >= RECORDS));
    cluster.stop(BROKER);
    cluster.restart(BROKER).unwrap();
    assert_eq!(places(cluster.node(BROKER)), wanted);
}
