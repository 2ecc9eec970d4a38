//! Three brokers that are controllers, too, with the defaults of brokers: ours or Apache Kafka's.
//!
//! They live on the loopback, or each in a network of its own ([`Network`]). Node ids begin at 1.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use milena_protocol::Request;
use milena_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::describe_quorum::{RequestPartitionData, RequestTopicData};
use milena_protocol::messages::elect_leaders::TopicPartitions;
use milena_protocol::messages::metadata::{MetadataRequestTopic, MetadataResponsePartition};
use milena_protocol::messages::{
    AlterPartitionReassignmentsRequest, CreateTopicsRequest, DescribeQuorumRequest, ElectLeadersRequest,
    MetadataRequest,
};
use milena_tests::{Process, frame};
use tempfile::TempDir;

use crate::network::Network;
use crate::server::{CLUSTER_ID, KAFKA_JVM, Peer, broker_binary, format_kafka, free_port, kafka_classes};

pub(crate) const NODES: i32 = 3;
/// How long a start, an orderly stop or a change of leaders may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const TIMEOUT_MS: i32 = 60_000;
const PREFERRED: i8 = 0;

/// One process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: i32,
    /// `host:port` for clients and brokers.
    pub(crate) address: String,
    controller_address: String,
    folder: PathBuf,
    process: Option<Process>,
}

/// A cluster that ends with the value.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) peer: Peer,
    pub(crate) nodes: Vec<Node>,
    /// From the start of the first process until each names all to its clients.
    pub(crate) started_in: Duration,
    network: Option<Network>,
    // Goes after the processes.
    _directory: TempDir,
}

impl Cluster {
    /// Starts the nodes below `data`, on the loopback without a `network`.
    pub(crate) fn start(peer: Peer, data: &Path, network: Option<Network>) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix_in("milena-bench-", data)?;
        let mut nodes = Vec::new();
        for id in 1..=NODES {
            let folder = directory.path().join(format!("node-{id}"));
            fs::create_dir(&folder)?;
            let address = || {
                let host = network.as_ref().map(|network| network.address(id.unsigned_abs()).to_string());
                anyhow::Ok(format!("{}:{}", host.as_deref().unwrap_or("127.0.0.1"), free_port()?))
            };
            let (address, controller_address) = (address()?, address()?);
            nodes.push(Node { id, address, controller_address, folder, process: None });
        }
        let voters = nodes.iter().map(|node| format!("{}@{}", node.id, node.controller_address));
        let voters = voters.collect::<Vec<_>>().join(",");
        for node in &nodes {
            node.write_properties(&voters)?;
            if peer == Peer::Kafka {
                format_kafka(&node.properties(), &[])?;
            }
        }
        let started_in = Duration::ZERO;
        let mut cluster = Self { peer, nodes, started_in, network, _directory: directory };
        let started = Instant::now();
        (1..=NODES).try_for_each(|id| cluster.launch(id))?;
        cluster.await_all()?;
        cluster.started_in = started.elapsed();
        Ok(cluster)
    }

    /// Starts a node that does not run, and does not wait.
    pub(crate) fn launch(&mut self, id: i32) -> anyhow::Result<()> {
        let program = match self.peer {
            Peer::Kafka => PathBuf::from("java"),
            Peer::Milena => broker_binary()?,
        };
        let mut command = self.command(id, program.as_os_str());
        if self.peer == Peer::Kafka {
            command.args(KAFKA_JVM).args(kafka_classes()).arg("kafka.Kafka");
        }
        let node = self.node_mut(id);
        command.arg(node.properties()).current_dir(&node.folder);
        command.env("CLUSTER_ID", CLUSTER_ID).env("MILENA_HTTP_LISTEN", "127.0.0.1:0");
        node.process = Some(Process::start(command)?);
        Ok(())
    }

    fn command(&self, id: i32, program: &OsStr) -> Command {
        match &self.network {
            Some(network) => network.command(id.unsigned_abs(), program),
            None => Command::new(program),
        }
    }

    /// `host:port` of every broker, with commas between them.
    pub(crate) fn bootstrap(&self) -> String {
        self.nodes.iter().map(|node| node.address.as_str()).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn node(&self, id: i32) -> &Node {
        &self.nodes[(id - 1) as usize]
    }

    fn node_mut(&mut self, id: i32) -> &mut Node {
        &mut self.nodes[(id - 1) as usize]
    }

    /// Some node but this one.
    pub(crate) fn other(&self, id: i32) -> &Node {
        self.node(id % NODES + 1)
    }

    pub(crate) fn kill(&mut self, id: i32) {
        if let Some(mut process) = self.node_mut(id).process.take() {
            process.kill();
        }
    }

    /// Waits for the end of a node that was asked to end.
    pub(crate) fn await_end(&mut self, id: i32) -> anyhow::Result<()> {
        let Some(mut process) = self.node_mut(id).process.take() else { return Ok(()) };
        wait_for("an orderly stop", || process.ended().map(|_| ()))
    }

    /// Nothing reaches the node any more, nor leaves it.
    pub(crate) fn cut(&self, id: i32) -> anyhow::Result<()> {
        self.network.as_ref().context("a network of its own")?.cut(id.unsigned_abs())
    }

    pub(crate) fn mend(&self, id: i32) -> anyhow::Result<()> {
        self.network.as_ref().context("a network of its own")?.mend(id.unsigned_abs())
    }

    /// Waits until every node names all to its clients.
    pub(crate) fn await_all(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            wait_for("brokers that know each other", || {
                let ended = node.process.as_mut().and_then(Process::ended);
                assert!(ended.is_none(), "node {} ended with {ended:?}", node.id);
                node.brokers().is_ok_and(|count| count == NODES as usize).then_some(())
            })?;
        }
        Ok(())
    }

    /// The active controller, as the node `asked` knows it.
    pub(crate) fn controller(&self, asked: i32) -> anyhow::Result<i32> {
        wait_for("an active controller", || self.node(asked).controller())
    }

    /// Makes a topic of three replicas and waits until all of them are in sync.
    pub(crate) fn create_topic(&self, name: &str, partitions: usize) -> anyhow::Result<()> {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions as i32,
            replication_factor: NODES as i16,
            ..Default::default()
        };
        let topics = vec![topic];
        let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
        let answer = self.node(1).ask(7, &request)?;
        ensure!(answer.topics.iter().all(|topic| topic.error_code == 0), "topic {name} refused: {answer:?}");
        self.await_in_sync(name)
    }

    /// Waits until all replicas of a topic are in sync, as every node knows.
    pub(crate) fn await_in_sync(&self, topic: &str) -> anyhow::Result<()> {
        let is_whole = |partition: &MetadataResponsePartition| {
            partition.isr_nodes.len() == partition.replica_nodes.len()
        };
        self.nodes.iter().try_for_each(|node| {
            wait_for("replicas in sync", || {
                let partitions = node.partitions(topic)?;
                (!partitions.is_empty() && partitions.iter().all(is_whole)).then_some(())
            })
        })
    }

    /// Makes `leader(partition)` the leader of each partition of a topic whose replicas are everywhere.
    pub(crate) fn lead(&self, topic: &str, leader: impl Fn(i32) -> i32) -> anyhow::Result<()> {
        let partitions = self.node(1).partitions(topic).context("a topic")?;
        let indexes: Vec<i32> = partitions.iter().map(|partition| partition.partition_index).collect();
        let replicas = |first: i32| (0..NODES).map(|step| (first - 1 + step) % NODES + 1).collect();
        let wanted = indexes.iter().map(|&partition_index| ReassignablePartition {
            partition_index,
            replicas: Some(replicas(leader(partition_index))),
        });
        let wanted = ReassignableTopic { name: topic.into(), partitions: wanted.collect() };
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: TIMEOUT_MS,
            topics: vec![wanted],
            ..Default::default()
        };
        self.node(1).ask(0, &request)?;
        let elected = TopicPartitions { topic: topic.into(), partitions: indexes };
        wait_for("the leaders that were asked for", || {
            let topic_partitions = Some(vec![elected.clone()]);
            let request =
                ElectLeadersRequest { election_type: PREFERRED, topic_partitions, timeout_ms: TIMEOUT_MS };
            self.node(1).ask(2, &request).ok()?;
            self.nodes.iter().all(|node| node.knows_leaders(topic, &leader)).then_some(())
        })
    }
}

impl Node {
    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn write_properties(&self, voters: &str) -> anyhow::Result<()> {
        let Self { id, address, controller_address, folder, .. } = self;
        let properties = format!(
            "node.id={id}\nprocess.roles=broker,controller\ncontroller.quorum.voters={voters}\n\
             listeners=PLAINTEXT://{address},CONTROLLER://{controller_address}\n\
             advertised.listeners=PLAINTEXT://{address}\ncontroller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\n",
            folder.join("data").display()
        );
        Ok(fs::write(self.properties(), properties)?)
    }

    /// The running process.
    pub(crate) fn process(&self) -> anyhow::Result<&Process> {
        self.process.as_ref().context("a node that runs")
    }

    pub(crate) fn ask<R: Request>(&self, version: i16, request: &R) -> std::io::Result<R::Response> {
        frame::exchange(&mut frame::connect(&self.address)?, version, request)
    }

    fn brokers(&self) -> std::io::Result<usize> {
        let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        Ok(self.ask(12, &request)?.brokers.len())
    }

    /// The partitions of a topic as this node knows them, if it does.
    pub(crate) fn partitions(&self, topic: &str) -> Option<Vec<MetadataResponsePartition>> {
        let named = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
        let topics = Some(vec![named]);
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        Some(self.ask(12, &request).ok()?.topics.pop()?.partitions)
    }

    fn knows_leaders(&self, topic: &str, leader: impl Fn(i32) -> i32) -> bool {
        let is_led =
            |partition: &MetadataResponsePartition| partition.leader_id == leader(partition.partition_index);
        self.partitions(topic).is_some_and(|partitions| partitions.iter().all(is_led))
    }

    /// Who leads the metadata quorum, as this node finds out.
    pub(crate) fn controller(&self) -> Option<i32> {
        let partitions = vec![RequestPartitionData { partition_index: 0 }];
        let topics = vec![RequestTopicData { topic_name: "__cluster_metadata".into(), partitions }];
        let answer = self.ask(1, &DescribeQuorumRequest { topics }).ok()?;
        let mut leaders = answer.topics.iter().flat_map(|topic| &topic.partitions);
        leaders.find(|led| led.error_code == 0 && led.leader_id > 0).map(|led| led.leader_id)
    }
}

/// Looks until `probe` yields something.
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        ensure!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}
