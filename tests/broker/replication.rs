//! Replicas in processes of their own: what is acknowledged survives its leader, and all copies are the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use milena_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use milena_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use milena_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use milena_protocol::messages::find_coordinator::FindCoordinatorRequest;
use milena_protocol::messages::metadata::MetadataResponsePartition;
use milena_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use milena_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, NewRecord, batches};
use milena_protocol::{ErrorCode, Records, Timestamp, Uuid};
use milena_tests::{Flavor, Node, Role, TestCluster, eventually, frame, java};

use crate::PATIENCE;

const TOPIC: &str = "truck_gps";
/// A broker that is silent is out of sync long before it counts as dead; each is a rack of its own.
const SETTINGS: &[(&str, &str)] = &[
    ("replica.lag.time.max.ms", "3000"),
    ("broker.session.timeout.ms", "9000"),
    ("broker.rack", "{directory}"),
    ("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector"),
];

/// A cluster with one partition on every broker, of which two must be in sync.
struct World {
    cluster: TestCluster,
    topic_id: Uuid,
    acknowledged: BTreeSet<String>,
    sent: usize,
    /// Bytes that each record has beside its number.
    padding: usize,
}

impl World {
    fn new(nodes: &[(Role, Flavor)]) -> Self {
        let mut cluster = TestCluster::prepare(nodes, SETTINGS).unwrap();
        cluster.launch_all().unwrap();
        cluster.await_all();
        let mut world =
            Self { cluster, topic_id: Uuid::nil(), acknowledged: BTreeSet::new(), sent: 0, padding: 0 };
        world.create_topic();
        world
    }

    fn brokers(&self) -> Vec<i32> {
        let all = self.cluster.bootstrap();
        let is_broker = |node: &&Node| all.split(',').any(|address| address == node.bootstrap());
        let running = self.cluster.nodes().iter().filter(is_broker).filter(|node| node.process().is_some());
        running.map(Node::id).collect()
    }

    fn create_topic(&mut self) {
        let config =
            |name: &str, value: &str| CreatableTopicConfig { name: name.into(), value: Some(value.into()) };
        // In this order, so that the second leads after the first has died, and the other way round.
        let replicas = CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![1, 2, 3] };
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![replicas],
            configs: vec![config("min.insync.replicas", "2"), config("segment.bytes", "1048576")],
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let asked = self.brokers()[0];
        self.topic_id = eventually("the topic", PATIENCE, || {
            let answer = self.cluster.node(asked).ask(7, &request).ok()?;
            (answer.topics[0].error_code == 0).then(|| answer.topics[0].topic_id)
        });
    }

    /// The partition as some broker but `unasked` knows it.
    fn partition(&self, unasked: i32) -> Option<MetadataResponsePartition> {
        let asked = self.brokers().into_iter().find(|id| *id != unasked)?;
        let mut metadata = self.cluster.node(asked).metadata(&[TOPIC]).ok()?;
        metadata.topics.pop()?.partitions.pop()
    }

    fn leader(&self, unasked: i32) -> Option<i32> {
        self.partition(unasked).map(|partition| partition.leader_id).filter(|leader| *leader >= 0)
    }

    /// Who coordinates the group, as some broker but `unasked` knows it.
    fn coordinator(&self, unasked: i32) -> Option<i32> {
        let asked = self.brokers().into_iter().find(|id| *id != unasked)?;
        let request = FindCoordinatorRequest {
            coordinator_keys: vec!["drivers".into()],
            ..FindCoordinatorRequest::default()
        };
        let answer = self.cluster.node(asked).ask(4, &request).ok()?;
        let found = answer.coordinators.first().filter(|found| found.error_code == 0)?;
        Some(found.node_id).filter(|id| *id != unasked)
    }

    fn await_isr(&self, size: usize) {
        eventually(&format!("{size} replicas in sync"), PATIENCE, || {
            let partition = self.partition(-1)?;
            (partition.isr_nodes.len() == size && partition.leader_id >= 0).then_some(())
        });
    }

    /// Sends until it is acknowledged by all in-sync replicas; it may be there more than once.
    fn produce(&mut self, unasked: i32) {
        let value = format!("position {:05}{}", self.sent, "x".repeat(self.padding));
        self.sent += 1;
        let mut batch = BatchBuilder::default();
        let record = NewRecord {
            timestamp: Timestamp(1_700_000_000_000),
            value: Some(value.as_bytes()),
            ..Default::default()
        };
        batch.push(record);
        let records = batch.build().into_bytes();
        eventually("an acknowledgement", PATIENCE, || {
            let leader = self.leader(unasked)?;
            let partition = PartitionProduceData { index: 0, records: Some(Records::Bytes(records.clone())) };
            let topic = TopicProduceData {
                name: TOPIC.into(),
                topic_id: self.topic_id,
                partition_data: vec![partition],
            };
            let request =
                ProduceRequest { acks: -1, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() };
            let answer = self.cluster.node(leader).ask(9, &request).ok()?;
            (answer.responses[0].partition_responses[0].error_code == 0).then_some(())
        });
        self.acknowledged.insert(value);
    }

    fn produce_many(&mut self, count: usize, unasked: i32) {
        (0..count).for_each(|_| self.produce(unasked));
    }

    /// Every value that a consumer reads from broker `id`, which need not lead.
    fn read_all(&self, id: i32) -> io::Result<Vec<String>> {
        let (mut stream, mut offset, mut values) =
            (frame::connect(&self.cluster.node(id).bootstrap())?, 0, Vec::new());
        loop {
            let partition =
                FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
            let topic =
                FetchTopic { topic: TOPIC.into(), topic_id: self.topic_id, partitions: vec![partition] };
            let request =
                FetchRequest { max_wait_ms: 0, min_bytes: 0, topics: vec![topic], ..Default::default() };
            let answer = frame::exchange(&mut stream, 12, &request)?;
            let data = &answer.responses[0].partitions[0];
            if data.error_code != 0 {
                return Err(io::Error::other(format!("{:?}", ErrorCode::from(data.error_code))));
            }
            let Some(Records::Bytes(bytes)) = &data.records else { return Ok(values) };
            if bytes.is_empty() {
                return Ok(values);
            }
            for batch in batches(bytes.clone()).map(Result::unwrap) {
                offset = batch.header().next_offset().0;
                let records = batch.records().unwrap().map(Result::unwrap);
                values
                    .extend(records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
            }
        }
    }

    /// The bytes of the log on a node, without what is preallocated.
    fn log_bytes(&self, id: i32) -> Vec<u8> {
        let folder = self.cluster.node(id).folder().join("data").join(format!("{TOPIC}-0"));
        let mut segments: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        segments.sort();
        let bytes = segments.iter().flat_map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
        let whole = batches(bytes.into()).map_while(Result::ok);
        whole.flat_map(|batch| batch.into_bytes().to_vec()).collect()
    }

    /// Everything acknowledged is read from every replica, and their logs are the same.
    fn assert_whole(&self) {
        self.await_isr(3);
        let brokers = eventually("the replicas", PATIENCE, || self.partition(-1)).replica_nodes;
        for id in &brokers {
            eventually(&format!("all records at broker {id}"), PATIENCE, || {
                let values: BTreeSet<String> = self.read_all(*id).ok()?.into_iter().collect();
                self.acknowledged.is_subset(&values).then_some(())
            });
        }
        eventually("logs of the same bytes", PATIENCE, || {
            let logs: Vec<_> = brokers.iter().map(|id| self.log_bytes(*id)).collect();
            (!logs[0].is_empty() && logs.windows(2).all(|pair| pair[0] == pair[1])).then_some(())
        });
    }
}

const OURS: (Role, Flavor) = (Role::Combined, Flavor::Milena);

#[test]
fn acknowledged_records_survive_the_leader_that_is_killed() {
    let mut world = World::new(&[OURS; 3]);
    world.await_isr(3);
    world.produce_many(50, -1);
    for _ in 0..3 {
        let leader = eventually("a leader", PATIENCE, || world.leader(-1));
        world.cluster.kill(leader);
        world.produce_many(30, leader);
        world.cluster.restart(leader).unwrap();
        world.produce_many(10, -1);
        world.assert_whole();
    }
}

#[test]
fn orderly_stop_moves_the_leader_and_loses_nothing() {
    let mut world = World::new(&[OURS; 3]);
    world.await_isr(3);
    for id in [1, 2, 3] {
        world.produce_many(10, -1);
        world.cluster.stop(id);
        world.produce_many(10, id);
        world.cluster.restart(id).unwrap();
        world.await_isr(3);
    }
    world.assert_whole();
}

#[test]
fn deleted_records_are_deleted_on_every_replica() {
    let mut world = World::new(&[OURS; 3]);
    world.await_isr(3);
    world.produce_many(10, -1);
    let leader = world.leader(-1).unwrap();
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 6 }];
    let topics = vec![DeleteRecordsTopic { name: TOPIC.into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 30_000 };
    let answer = world.cluster.node(leader).ask(2, &request).unwrap();
    let partition = &answer.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.low_watermark), (0, 6));
    world.acknowledged = (6..10).map(|number| format!("position {number:05}")).collect();
    for id in [1, 2, 3] {
        world.cluster.stop(id);
        world.cluster.restart(id).unwrap();
        world.await_isr(3);
    }
}

#[test]
fn reassignment_moves_a_replica_under_a_throttle() {
    let mut world = World::new(&[OURS; 4]);
    world.await_isr(3);
    world.padding = 20_000;
    world.produce_many(50, -1);
    let mut replicas = world.partition(-1).unwrap().replica_nodes;
    replicas[2] = (1..=4).find(|id| !replicas.contains(id)).unwrap();
    let partition = format!(r#"{{"topic": "{TOPIC}", "partition": 0, "replicas": {replicas:?}}}"#);
    let file = world.cluster.node(1).folder().join("reassignment.json");
    fs::write(&file, format!(r#"{{"version": 1, "partitions": [{partition}]}}"#)).unwrap();
    let (bootstrap, file) = (world.cluster.bootstrap(), file.to_string_lossy().into_owned());
    let reassign = |arguments: &[&str]| {
        let shared = ["--bootstrap-server", &bootstrap, "--reassignment-json-file", &file];
        java::tool(
            "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
            &[&shared[..], arguments].concat(),
        )
    };
    let said = reassign(&["--execute", "--throttle", "1000000"]).unwrap();
    assert!(said.contains("Successfully started"), "{said}");
    eventually("the end of the reassignment", PATIENCE, || {
        let said = reassign(&["--verify"]).unwrap();
        said.contains("is completed").then_some(())
    });
    let moved = world.partition(-1).unwrap().replica_nodes;
    assert_eq!(moved.iter().collect::<BTreeSet<_>>(), replicas.iter().collect());
    world.assert_whole();
}

#[test]
fn committed_offsets_survive_their_coordinator_that_is_killed() {
    let mut world = World::new(&[OURS; 3]);
    world.await_isr(3);
    let offset = |world: &World, unasked: i32| {
        let group = OffsetFetchRequestGroup {
            group_id: "drivers".into(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: TOPIC.into(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let answer = world.cluster.node(world.coordinator(unasked)?).ask(8, &request).ok()?;
        let group = answer.groups.first().filter(|group| group.error_code == 0)?;
        Some(group.topics[0].partitions[0].committed_offset)
    };
    for round in 1..=3 {
        let topic = OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: round,
                committed_leader_epoch: -1,
                ..Default::default()
            }],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: "drivers".into(),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        eventually("a commit", PATIENCE, || {
            let answer = world.cluster.node(world.coordinator(-1)?).ask(8, &request).ok()?;
            (answer.topics[0].partitions[0].error_code == 0).then_some(())
        });
        // The topic of offsets needs one replica in sync: alone, the coordinator would take what it knows with it.
        eventually("offsets on every broker", PATIENCE, || {
            let mut metadata =
                world.cluster.node(world.brokers()[0]).metadata(&["__consumer_offsets"]).ok()?;
            let partitions = metadata.topics.pop()?.partitions;
            partitions.iter().all(|partition| partition.isr_nodes.len() == 3).then_some(())
        });
        let coordinator = eventually("a coordinator", PATIENCE, || world.coordinator(-1));
        world.cluster.kill(coordinator);
        let found = eventually("the offset at another", PATIENCE, || offset(&world, coordinator));
        assert_eq!(found, round);
        world.cluster.restart(coordinator).unwrap();
    }
}

#[test]
fn silent_follower_leaves_the_isr_and_comes_back() {
    let mut world = World::new(&[OURS; 3]);
    world.await_isr(3);
    world.produce_many(5, -1);
    let leader = world.leader(-1).unwrap();
    let silent = (1..=3).find(|id| *id != leader).unwrap();
    world.cluster.node(silent).process().unwrap().signal("STOP");
    world.produce_many(5, silent);
    let isr = world.partition(silent).unwrap().isr_nodes;
    assert!(!isr.contains(&silent), "{isr:?}: nothing is acknowledged before it is out");
    world.cluster.node(silent).process().unwrap().signal("CONT");
    world.assert_whole();
}

#[test]
fn consumer_is_sent_to_the_replica_in_its_rack() {
    let mut world = World::new(&[OURS; 3]);
    world.await_isr(3);
    world.produce_many(5, -1);
    let leader = world.leader(-1).unwrap();
    for id in 1..=3 {
        let rack = world.cluster.node(id).folder().display().to_string();
        let preferred = eventually("an answer to a consumer", PATIENCE, || {
            let partition =
                FetchPartition { fetch_offset: 0, partition_max_bytes: 1 << 20, ..Default::default() };
            let topic =
                FetchTopic { topic: TOPIC.into(), topic_id: world.topic_id, partitions: vec![partition] };
            let request = FetchRequest {
                max_wait_ms: 0,
                rack_id: rack.clone().into(),
                topics: vec![topic],
                ..Default::default()
            };
            let answer = world.cluster.node(leader).ask(12, &request).ok()?;
            let data = &answer.responses[0].partitions[0];
            let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
            assert_eq!((data.error_code, has_records), (0, data.preferred_read_replica == -1));
            Some(data.preferred_read_replica)
        });
        assert_eq!(preferred, if id == leader { -1 } else { id });
        eventually("the records at the replica", PATIENCE, || {
            (world.read_all(id).ok()?.len() >= 5).then_some(())
        });
    }
}

/// Apache Kafka and we follow each other, whoever leads, and vote in one quorum.
#[test]
fn replicas_of_both_kinds_are_one_partition() {
    let mut world = World::new(&[OURS, (Role::Combined, Flavor::Kafka), OURS]);
    world.await_isr(3);
    let mut led = BTreeSet::new();
    for _ in 0..12 {
        world.produce_many(20, -1);
        let leader = eventually("a leader", PATIENCE, || world.leader(-1));
        led.insert(world.cluster.node(leader).flavor());
        world.cluster.kill(leader);
        world.produce_many(20, leader);
        world.cluster.restart(leader).unwrap();
        world.produce_many(5, -1);
        world.assert_whole();
        if led.len() == 2 {
            return;
        }
    }
    panic!("only {led:?} led");
}
