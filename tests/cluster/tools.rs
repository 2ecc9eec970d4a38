//! What Apache Kafka's tools find in a cluster of ours: replicas that agree, and metadata that its shell reads.

use std::path::{Path, PathBuf};

use milena_tests::{Node, Process, TestCluster, eventually, java};

use crate::PATIENCE;
use crate::dirs::{PARTITIONS, TOPIC, create, produce};

/// The newest metadata snapshot of a node.
fn snapshot(node: &Node) -> Option<PathBuf> {
    let folder = node.folder().join("data/__cluster_metadata-0");
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|it| it == "checkpoint");
    files.filter(is_snapshot).max()
}

fn shell(snapshot: &Path, command: &[&str]) -> String {
    let snapshot = snapshot.to_string_lossy();
    let arguments = [&["--snapshot", &snapshot], command].concat();
    java::tool("org.apache.kafka.shell.MetadataShell", &arguments).unwrap()
}

fn directory_id(folder: &Path) -> String {
    let properties = std::fs::read_to_string(folder.join("meta.properties")).unwrap();
    let id = properties.lines().find_map(|line| line.strip_prefix("directory.id="));
    id.expect("a directory id").replace('\\', "")
}

#[test]
fn kafkas_tools_read_replicas_and_metadata() {
    let settings = [
        ("log.dirs", "{directory}/data,{directory}/b"),
        ("metadata.log.max.record.bytes.between.snapshots", "100"),
    ];
    let cluster = TestCluster::start(3, &settings).unwrap();
    create(&cluster.node(1).bootstrap(), 3);
    let bootstraps: Vec<_> = cluster.nodes().iter().map(Node::bootstrap).collect();
    (0..PARTITIONS * 5).for_each(|number| {
        produce(&bootstraps, number % PARTITIONS);
    });
    verify_replicas(&cluster.bootstrap());

    let node = cluster.node(1);
    let ids: Vec<_> = ["data", "b"].map(|name| directory_id(&node.folder().join(name))).into();
    // Snapshots are written while others are removed.
    eventually("a snapshot that names the directories of every replica", PATIENCE, || {
        let snapshot = snapshot(node)?;
        let topics = shell(&snapshot, &["ls", "/image/topics/byName"]);
        let is_told = |index: i32| {
            let path = format!("/image/topics/byName/{TOPIC}/{index}");
            let told = shell(&snapshot, &["cat", &path]);
            ids.iter().any(|id| told.contains(id.as_str()))
        };
        (topics.contains(TOPIC) && (0..PARTITIONS).all(is_told)).then_some(())
    });
}

/// The tool goes on until it is ended.
fn verify_replicas(bootstrap: &str) {
    let mut command = java::java();
    command.arg("org.apache.kafka.tools.ReplicaVerificationTool");
    command.args(["--broker-list", bootstrap, "--topics-include", TOPIC, "--time", "-2"]);
    command.args(["--report-interval-ms", "1000"]);
    let mut tool = Process::start(command).unwrap();
    let verified = format!("max lag is 0 for partition {TOPIC}");
    let line = tool.line_with(&verified, PATIENCE);
    assert!(line.contains(&format!("among {PARTITIONS} partitions")), "{line}");
    let lines = tool.lines();
    assert!(!lines.iter().any(|line| line.contains("unmatched checksum")), "{lines:?}");
    tool.kill();
}
