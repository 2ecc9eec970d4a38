//! One broker process on a data directory of its own: ours, or Apache Kafka's.
//!
//! It listens on a port of 127.0.0.1 that stays the same over restarts. Settings are those that tests share: small
//! internal topics, no pause before the first rebalance.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use milena_protocol::messages::MetadataRequest;
use tempfile::TempDir;

use crate::network::Host;
use crate::wait::eventually;
use crate::{Process, frame, java, paths};

/// How long a start or an orderly stop may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The cluster id of every test.
const CLUSTER_ID: &str = "bWlsZW5hLXRlc3RzLTAwMA";
/// Features that are not built here: neither broker has them, so that their answers can be compared.
pub(crate) const WITHOUT: &[&str] = &["group", "transaction", "share", "streams"];
/// Settings of every test's broker.
const SETTINGS: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "5"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// Whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flavor {
    /// The one under test.
    Milena,
    /// The reference.
    Kafka,
}

impl Flavor {
    /// What `MILENA_TEST_BROKER` asks for.
    pub fn wanted() -> Self {
        match std::env::var("MILENA_TEST_BROKER").as_deref() {
            Ok("kafka") => Self::Kafka,
            _ => Self::Milena,
        }
    }
}

/// A broker that ends with the test.
#[derive(Debug)]
pub struct TestBroker {
    flavor: Flavor,
    // Ends before its directory goes.
    process: Process,
    directory: TempDir,
    settings: Vec<(String, String)>,
    port: u16,
    controller_port: u16,
    http: Option<String>,
}

impl TestBroker {
    /// Starts the broker that `MILENA_TEST_BROKER` asks for and waits until it serves.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(Flavor::wanted(), &[])
    }

    /// Starts a broker with further settings, which win over the shared ones. `{client}` and `{controller}` stand for the
    /// addresses of its two listeners, `{directory}` for a folder of its own.
    pub fn start_with(flavor: Flavor, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_without(WITHOUT, flavor, settings)
    }

    /// Starts Apache Kafka on a directory that it formatted by its own defaults, with every feature it has.
    pub fn start_kafka_by_default(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_without(&[], Flavor::Kafka, settings)
    }

    fn start_without(features: &[&str], flavor: Flavor, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("milena-test-")?;
        let settings =
            SETTINGS.iter().chain(settings).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = settings.collect();
        let (port, controller_port) = free_ports()?;
        write_properties(directory.path(), &settings, (port, controller_port))?;
        if flavor == Flavor::Kafka {
            format(directory.path(), features)?;
        }
        let process = spawn(flavor, directory.path(), (&[], None))?;
        let mut broker = Self { flavor, directory, settings, port, controller_port, http: None, process };
        broker.await_ready();
        Ok(broker)
    }

    /// Whose it is.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The ports it listens on.
    pub fn ports(&self) -> [u16; 2] {
        [self.port, self.controller_port]
    }

    /// The directory of partitions.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// If it does not end in time, or with a status that says it failed.
    pub fn stop(&mut self) {
        let status = self.process.terminate(PATIENCE);
        // Java passes the signal on as 128 + 15.
        assert!(status.success() || (self.flavor == Flavor::Kafka && status.code() == Some(143)), "{status}");
    }

    /// Starts it again on the same data and port, and waits until it serves.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.restart_with(&[])
    }

    /// Starts the other's broker, or its own, on the same data and port.
    pub fn restart_as(&mut self, flavor: Flavor) -> anyhow::Result<()> {
        self.flavor = flavor;
        self.restart()
    }

    /// Starts it again with further settings.
    pub fn restart_with(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.process.kill();
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.settings.extend(settings);
        write_properties(self.directory.path(), &self.settings, (self.port, self.controller_port))?;
        self.process = spawn(self.flavor, self.directory.path(), (&[], None))?;
        self.await_ready();
        Ok(())
    }

    /// Begins to start it again, and does not wait.
    pub fn launch(&mut self) -> io::Result<()> {
        self.process.kill();
        self.process = spawn(self.flavor, self.directory.path(), (&[], None))?;
        Ok(())
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> anyhow::Result<String> {
        let http = self.http.as_ref().context("only our broker serves metrics")?;
        let mut stream = frame::connect(http)?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Waits until the broker names itself in its metadata.
    fn await_ready(&mut self) {
        if self.flavor == Flavor::Milena {
            let line = self.process.line_with("serving metrics and health", PATIENCE);
            self.http = line.split("address=").nth(1).map(|address| address.trim().to_owned());
        }
        let bootstrap = self.bootstrap();
        eventually("a broker that serves", PATIENCE, || {
            if let Some(status) = self.process.ended() {
                panic!("broker ended with {status} at its start:\n{}", self.process.lines().join("\n"));
            }
            brokers(&bootstrap).ok().filter(|count| *count > 0)
        });
    }
}

/// How many brokers the one at `bootstrap` knows.
fn brokers(bootstrap: &str) -> io::Result<usize> {
    let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    Ok(frame::exchange(&mut frame::connect(bootstrap)?, 12, &request)?.brokers.len())
}

/// Where ports of brokers begin and how many there are: below those that Linux gives to connections.
const PORTS: (u16, u64) = (10_000, 20_000);
/// How many ports are tried.
const TRIES_MAX: usize = 100;
/// Ports of this process's brokers. One that starts slowly must find its port free after others have looked for theirs.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Ports that nobody listened on a moment ago. Both brokers need to know theirs before they start.
fn free_ports() -> io::Result<(u16, u16)> {
    Ok((free_port()?, free_port()?))
}

pub(crate) fn free_port() -> io::Result<u16> {
    let random = || (RandomState::new().hash_one(()) % PORTS.1) as u16;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = (0..TRIES_MAX).map(|_| PORTS.0 + random());
    let free = ports.find(|port| !taken.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok());
    taken.extend(free);
    free.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))
}

fn write_properties(
    directory: &Path,
    settings: &[(String, String)],
    (port, controller_port): (u16, u16),
) -> io::Result<()> {
    let (client, controller) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{controller_port}"));
    let mut text = format!(
        "listeners=PLAINTEXT://{client},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{client}\n\
         controller.quorum.bootstrap.servers={controller}\nlog.dirs={}\n",
        directory.join("data").display()
    );
    for (key, value) in settings {
        let value = value.replace("{client}", &client).replace("{controller}", &controller);
        let value = value.replace("{directory}", &directory.to_string_lossy());
        text.push_str(&format!("{key}={value}\n"));
    }
    fs::write(directory.join("server.properties"), text)
}

fn format(directory: &Path, without: &[&str]) -> anyhow::Result<()> {
    format_with(directory, without, &["--standalone"])
}

/// Formats the directory of an Apache Kafka node.
pub(crate) fn format_with(directory: &Path, without: &[&str], further: &[&str]) -> anyhow::Result<()> {
    let properties = directory.join("server.properties").to_string_lossy().into_owned();
    let mut arguments: Vec<String> = ["format", "-t", CLUSTER_ID, "-c", &properties]
        .iter()
        .chain(further)
        .map(|&a| a.to_owned())
        .collect();
    for feature in without {
        arguments.extend(["--feature".to_owned(), format!("{feature}.version=0")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    java::tool("kafka.tools.StorageTool", &arguments).map(drop)
}

/// Starts a broker with further variables in its environment, on this machine or on a host of its own.
pub(crate) fn spawn(
    flavor: Flavor,
    directory: &Path,
    (variables, host): (&[(&str, &str)], Option<&Host>),
) -> io::Result<Process> {
    let mut command = match flavor {
        Flavor::Milena => Command::new(paths::binary("milena-broker")),
        Flavor::Kafka => java::java(),
    };
    if flavor == Flavor::Kafka {
        command.arg("kafka.Kafka");
    }
    command.arg(directory.join("server.properties")).current_dir(directory);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KAFKA_")) {
        command.env_remove(name);
    }
    command.env("CLUSTER_ID", CLUSTER_ID).env("MILENA_HTTP_LISTEN", "127.0.0.1:0");
    command.envs(variables.iter().copied());
    Process::start(match host {
        Some(host) => host.enter(&command),
        None => command,
    })
}
