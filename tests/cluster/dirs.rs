//! Brokers with several log directories: on what Apache Kafka formatted and filled, told by its own tools, and when one
//! of the directories fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, NewRecord};
use milena_protocol::{ErrorCode, Records, Timestamp};
use milena_tests::{Flavor, Node, Role, TestBroker, TestCluster, eventually, frame, java};
use serde_json::Value;

use crate::PATIENCE;

pub(crate) const TOPIC: &str = "spread";
pub(crate) const PARTITIONS: i32 = 6;
const DISK_BYTES: &str = "48M";

pub(crate) fn create(bootstrap: &str, replication_factor: i16) {
    let topic = CreatableTopic {
        name: TOPIC.into(),
        num_partitions: PARTITIONS,
        replication_factor,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, validate_only: false };
    let response = frame::exchange(&mut frame::connect(bootstrap).unwrap(), 7, &request).unwrap();
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
}

/// Appends a record with `acks=all` at the broker that leads, once one does; yields its offset.
pub(crate) fn produce(bootstraps: &[String], index: i32) -> i64 {
    produce_sized(bootstraps, index, 1)
}

/// The same with a value of so many bytes.
pub(crate) fn produce_sized(bootstraps: &[String], index: i32, value_bytes: usize) -> i64 {
    let value = vec![b'x'; value_bytes];
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord {
        timestamp: Timestamp(1_700_000_000_000),
        value: Some(&value),
        ..NewRecord::default()
    });
    let records = Some(Records::Bytes(builder.build().into_bytes()));
    let partition_data = vec![PartitionProduceData { index, records }];
    let topic = TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() };
    eventually(&format!("a leader of partition {index}"), PATIENCE, || {
        bootstraps.iter().find_map(|bootstrap| {
            let response = frame::exchange(&mut frame::connect(bootstrap).ok()?, 9, &request).ok()?;
            let answer = &response.responses[0].partition_responses[0];
            (answer.error_code == 0).then_some(answer.base_offset)
        })
    })
}

/// What Kafka's LogDirsCommand says: error and partitions of each directory of each broker.
fn described(bootstrap: &str) -> BTreeMap<(i64, String), (Option<String>, Vec<String>)> {
    let arguments = ["--bootstrap-server", bootstrap, "--describe", "--topic-list", TOPIC];
    let printed = java::tool("org.apache.kafka.tools.LogDirsCommand", &arguments).unwrap();
    let json = printed.lines().find(|line| line.starts_with('{')).expect("a line of JSON");
    let told: Value = serde_json::from_str(json).unwrap();
    let mut found = BTreeMap::new();
    for broker in told["brokers"].as_array().unwrap() {
        for dir in broker["logDirs"].as_array().unwrap() {
            let partitions = dir["partitions"].as_array().unwrap();
            let names = partitions.iter().map(|it| it["partition"].as_str().unwrap().to_owned()).collect();
            let folder = Path::new(dir["logDir"].as_str().unwrap()).file_name().unwrap();
            let key = (broker["broker"].as_i64().unwrap(), folder.to_string_lossy().into_owned());
            found.insert(key, (dir["error"].as_str().map(str::to_owned), names));
        }
    }
    found
}

/// A file system in a file. It takes root, or sudo without a password.
struct FailingDisk<'a>(&'a Path);

impl<'a> FailingDisk<'a> {
    fn mount(image: &Path, folder: &'a Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let script = "truncate -s $2 $0 && mkfs.ext4 -q $0 && mount -o loop $0 $1 && chmod 777 $1";
        let status = privileged("sh").args(["-c", script]).args([image, folder]).arg(DISK_BYTES).status();
        assert!(status.unwrap().success(), "mounting a file system takes root, or sudo without a password");
        Self(folder)
    }

    /// From now on every operation is an error of the disk (EXT4_IOC_SHUTDOWN).
    fn fail(&self) {
        let script = "import fcntl,os,struct,sys\n\
                      fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack('I',2))";
        let status = privileged("python3").args(["-c", script]).arg(self.0).status().unwrap();
        assert!(status.success());
    }

    /// Puts what the disk holds on another one: the file system stays as it is while any namespace has it.
    fn repair(&self, image: &Path) {
        let script = "umount -l $1 && cp $0 $0.repaired && mount -o loop $0.repaired $1";
        assert!(privileged("sh").args(["-c", script]).args([image, self.0]).status().unwrap().success());
    }
}

impl Drop for FailingDisk<'_> {
    fn drop(&mut self) {
        privileged("umount").arg("-l").arg(self.0).status().ok();
    }
}

fn privileged(program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"[ "$(id -u)" = 0 ] && exec "$@"; exec sudo -n "$@""#, "sh", program]);
    command
}

/// The directories of `broker` with the number of partitions in each.
fn counts(bootstrap: &str, broker: i64) -> Vec<(String, usize)> {
    let described = described(bootstrap).into_iter().filter(|((id, _), _)| *id == broker);
    described
        .map(|((_, folder), (error, names))| {
            assert_eq!(error, None, "{folder}");
            (folder, names.len())
        })
        .collect()
}

#[test]
fn several_directories_go_both_ways_between_kafka_and_us() {
    let dirs = ("log.dirs", "{directory}/data,{directory}/b,{directory}/c");
    let mut broker = TestBroker::start_with(Flavor::Kafka, &[dirs]).unwrap();
    create(&broker.bootstrap(), 1);
    let even = [("b", 2), ("c", 2), ("data", 2)].map(|(folder, count)| (folder.to_owned(), count));
    for (round, flavor) in (1..).zip([Flavor::Kafka, Flavor::Milena, Flavor::Milena, Flavor::Kafka]) {
        if round > 1 {
            broker.stop();
            broker.restart_as(flavor).unwrap();
        }
        for index in 0..PARTITIONS {
            assert_eq!(produce(&[broker.bootstrap()], index), round - 1, "{flavor:?}");
        }
        assert_eq!(counts(&broker.bootstrap(), 1), even, "{flavor:?}");
    }
}

#[test]
fn a_failed_directory_costs_its_replicas_until_it_is_repaired() {
    let nodes = [(Role::Combined, Flavor::Milena); 3];
    let settings = [("log.dirs", "{directory}/data,{directory}/b"), ("min.insync.replicas", "2")];
    let mut cluster = TestCluster::prepare(&nodes, &settings).unwrap();
    let folder = cluster.node(1).folder().join("b");
    let image = cluster.node(1).folder().join("image");
    let disk = FailingDisk::mount(&image, &folder);
    cluster.launch_all().unwrap();
    cluster.await_all();
    create(&cluster.node(1).bootstrap(), 3);
    let bootstraps: Vec<_> = cluster.nodes().iter().map(Node::bootstrap).collect();
    (0..PARTITIONS).for_each(|index| assert_eq!(produce(&bootstraps, index), 0));
    let before = described(&cluster.bootstrap());
    let lost = before[&(1, "b".to_owned())].1.clone();
    assert_eq!(lost.len(), 3, "{before:?}");

    disk.fail();
    // What was not acknowledged may be there all the same, and once more.
    (0..PARTITIONS).for_each(|index| assert!(produce(&bootstraps, index) >= 1));
    await_isr(&cluster, &lost, &[2, 3]);
    let page = cluster.node(1).page("/metrics").unwrap().1;
    assert!(page.lines().any(|line| line == "milena_log_directory_offline 1"), "{page}");
    let (error, names) = described(&cluster.bootstrap())[&(1, "b".to_owned())].clone();
    assert!(error.is_some_and(|error| error.contains("KafkaStorage")) && names.is_empty(), "{names:?}");
    assert_eq!(cluster.node(1).page("/readyz").unwrap().0, 200);

    cluster.stop(1);
    disk.repair(&image);
    cluster.restart(1).unwrap();
    await_isr(&cluster, &lost, &[1, 2, 3]);
    assert_eq!(described(&cluster.bootstrap())[&(1, "b".to_owned())].1, lost);
    (0..PARTITIONS).for_each(|index| assert!(produce(&bootstraps, index) >= 2));
    cluster.stop_all();
    drop(disk);
}

/// Waits until the ISR of the partitions `named` is that, and that of the others is all three.
fn await_isr(cluster: &TestCluster, named: &[String], expected: &[i32]) {
    eventually(&format!("an ISR of {expected:?} in {named:?}"), PATIENCE, || {
        let answer = cluster.node(2).metadata(&[TOPIC]).ok()?;
        let topic = answer.topics.iter().find(|topic| topic.error_code == ErrorCode::None.code())?;
        let is_so = topic.partitions.iter().all(|partition| {
            let mut isr = partition.isr_nodes.clone();
            isr.sort_unstable();
            let is_named = named.contains(&format!("{TOPIC}-{}", partition.partition_index));
            isr == if is_named { expected } else { &[1, 2, 3] } && isr.contains(&partition.leader_id)
        });
        (topic.partitions.len() == PARTITIONS as usize && is_so).then_some(())
    });
}
