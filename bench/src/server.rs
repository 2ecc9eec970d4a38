//! The processes under measurement: Apache Kafka, Milena, and the floor programs of this crate.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use milena_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest,
    create_topics::CreatableTopic,
    list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
};
use milena_tests::{Process, frame, paths};
use tempfile::TempDir;

use crate::usage::{self, Memory};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(1);
pub(crate) const CLUSTER_ID: &str = "bWlsZW5hLWJlbmNoLTAwMA";
/// What `kafka-server-start.sh` gives the JVM.
pub(crate) const KAFKA_JVM: &[&str] = &[
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
const SETTINGS: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
    inter.broker.listener.name=PLAINTEXT\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=5\n\
    transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
    group.initial.rebalance.delay.ms=0\nlog.segment.delete.delay.ms=1000\n";

/// Whose process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Kafka,
    Milena,
}

impl Peer {
    pub(crate) const BOTH: [Self; 2] = [Self::Kafka, Self::Milena];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::Milena => "Milena",
        }
    }
}

/// A running process on a directory of its own, which ends with the value.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    pub(crate) address: String,
    /// From the start of the process to its first answer.
    pub(crate) started_in: Duration,
    directory: TempDir,
}

impl Server {
    /// Starts a broker below `data` and waits until it answers a Metadata request that names it.
    pub(crate) fn start(peer: Peer, data: &Path) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix_in("milena-bench-", data)?;
        let ports = [free_port()?, free_port()?];
        let properties = directory.path().join("server.properties");
        let [client, controller] = ports.map(|port| format!("127.0.0.1:{port}"));
        let logs = directory.path().join("data");
        let listeners = format!(
            "listeners=PLAINTEXT://{client},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{client}\n\
             controller.quorum.bootstrap.servers={controller}\nlog.dirs={}\n{SETTINGS}",
            logs.display()
        );
        fs::write(&properties, listeners)?;
        let mut command = match peer {
            Peer::Kafka => kafka(&properties)?,
            Peer::Milena => Command::new(broker_binary()?),
        };
        command.arg(&properties).env("CLUSTER_ID", CLUSTER_ID).env("MILENA_HTTP_LISTEN", "127.0.0.1:0");
        Self::run(command, client, directory, |address| brokers(address).is_ok_and(|count| count > 0))
    }

    /// Starts this program again as a floor program in `mode`.
    pub(crate) fn floor(mode: &str, data: &Path) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix_in("milena-bench-", data)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", mode, &address]).arg(directory.path().join("file"));
        Self::run(command, address, directory, |address| frame::connect(address).is_ok())
    }

    fn run(
        command: Command,
        address: String,
        directory: TempDir,
        is_ready: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut process = Process::start(command)?;
        while !is_ready(&address) {
            let ended = process.ended();
            ensure!(ended.is_none(), "ended with {ended:?} at its start:\n{}", process.lines().join("\n"));
            ensure!(started.elapsed() < PATIENCE, "did not answer within {PATIENCE:?}");
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(Self { process, address, started_in: started.elapsed(), directory })
    }

    /// Writes and deletes as much as the server is about to write. A virtual machine gives memory that it did not use for
    /// a while back to its host, and who touches it next pays several times over: that shall not be a server.
    pub(crate) fn touch_memory(&self, bytes: u64) -> anyhow::Result<()> {
        let mut file = tempfile::tempfile_in(self.directory.path())?;
        let part = vec![1; 1 << 20];
        Ok((0..bytes >> 20).try_for_each(|_| file.write_all(&part))?)
    }

    /// User and system time so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        usage::cpu_seconds(self.process.id())
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        usage::memory(self.process.id())
    }

    /// Makes a topic and waits until its leaders are known.
    pub(crate) fn create_topic(&self, name: &str, partitions: usize) -> anyhow::Result<()> {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions as i32,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let response = frame::exchange(&mut frame::connect(&self.address)?, 5, &request)?;
        let refused = response.topics.iter().find(|topic| topic.error_code != 0);
        ensure!(refused.is_none(), "topic {name} refused: {refused:?}");
        let deadline = Instant::now() + PATIENCE;
        while leaders(&self.address, name, partitions)? < partitions {
            ensure!(Instant::now() < deadline, "topic {name} has no leaders");
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    pub(crate) fn delete_topic(&self, name: &str) -> anyhow::Result<()> {
        let request =
            DeleteTopicsRequest { topic_names: vec![name.into()], timeout_ms: 30_000, ..Default::default() };
        frame::exchange(&mut frame::connect(&self.address)?, 5, &request)?;
        Ok(())
    }
}

fn kafka(properties: &Path) -> anyhow::Result<Command> {
    format_kafka(properties, &["--standalone"])?;
    let mut command = Command::new("java");
    command.args(KAFKA_JVM).args(kafka_classes()).arg("kafka.Kafka");
    Ok(command)
}

/// Formats the directory of an Apache Kafka node.
pub(crate) fn format_kafka(properties: &Path, further: &[&str]) -> anyhow::Result<()> {
    let properties = properties.to_string_lossy();
    let arguments = ["format", "-t", CLUSTER_ID, "-c", &*properties];
    milena_tests::java::tool("kafka.tools.StorageTool", &[&arguments[..], further].concat()).map(drop)
}

/// What tells a JVM where Kafka's classes are, and to be quiet.
pub(crate) fn kafka_classes() -> [String; 3] {
    let classes = format!("{}/*", paths::cache().join("kafka/libs").display());
    ["-Dlog4j2.level=ERROR".to_owned(), "-cp".to_owned(), classes]
}

/// `MILENA_BROKER`, or the release binary beside this program.
pub(crate) fn broker_binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("MILENA_BROKER") {
        return Ok(path.into());
    }
    let binary = std::env::current_exe()?.with_file_name("milena-broker");
    ensure!(binary.exists(), "{} is missing", binary.display());
    Ok(binary)
}

pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn brokers(address: &str) -> std::io::Result<usize> {
    let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    Ok(frame::exchange(&mut frame::connect(address)?, 9, &request)?.brokers.len())
}

/// Partitions whose leader answers. The metadata names a leader before it knows itself to be one.
fn leaders(address: &str, topic: &str, partitions: usize) -> anyhow::Result<usize> {
    let wanted = |index| ListOffsetsPartition { partition_index: index, timestamp: -1, ..Default::default() };
    let partitions = (0..partitions as i32).map(wanted).collect();
    let topics = vec![ListOffsetsTopic { name: topic.into(), partitions }];
    let request = ListOffsetsRequest { topics, ..Default::default() };
    let response = frame::exchange(&mut frame::connect(address)?, 5, &request)?;
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    Ok(partitions.filter(|partition| partition.error_code == 0).count())
}
