//! Several processes that are one cluster: brokers, controllers, or both in one, ours or Apache Kafka's.
//!
//! The voters are static or, among our own nodes, dynamic; every node can be formatted by itself. Node ids begin at 1.
//! What the processes said, and their data, is kept when a test fails.

use std::fs;
use std::io;
use std::thread;

use milena_protocol::NodeId;
use tempfile::TempDir;

use crate::Process;
use crate::broker::{Flavor, PATIENCE, WITHOUT, format_with, free_port};
use crate::network::Network;
use crate::wait::eventually;

pub use node::Node;

mod node;

/// Settings of every node.
const SETTINGS: &[(&str, &str)] = &[
    ("controller.listener.names", "CONTROLLER"),
    ("offsets.topic.replication.factor", "3"),
    ("offsets.topic.num.partitions", "5"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has partitions.
    Broker,
    /// It votes.
    Controller,
    /// Both.
    Combined,
}

impl Role {
    fn is_broker(self) -> bool {
        self != Self::Controller
    }

    fn is_controller(self) -> bool {
        self != Self::Broker
    }

    fn names(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Combined => "broker,controller",
        }
    }
}

/// A cluster that ends with the test.
#[derive(Debug)]
pub struct TestCluster {
    nodes: Vec<Node>,
    /// The voters are recorded in the log of the quorum, and so many controllers are the first.
    recorded_voters: Option<usize>,
    directory: Option<TempDir>,
    settings: Vec<(String, String)>,
    // Goes after the processes.
    network: Option<Network>,
}

impl TestCluster {
    /// Starts `count` of our combined nodes, and waits until each serves and knows all.
    pub fn start(count: usize, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(&vec![(Role::Combined, Flavor::Milena); count], settings)?;
        cluster.launch_all()?;
        cluster.await_all();
        Ok(cluster)
    }

    /// Formats what must be, and starts nothing. The voters are static; `{directory}` in a setting stands for the folder of
    /// the node.
    pub fn prepare(nodes: &[(Role, Flavor)], settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::prepare_from(1, nodes, settings)
    }

    /// The same with node ids from `first` on.
    pub fn prepare_from(
        first: i32,
        nodes: &[(Role, Flavor)],
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::prepare_with((first, None), nodes, settings, None)
    }

    /// The same on the first hosts of a network.
    pub fn prepare_on(
        network: Network,
        nodes: &[(Role, Flavor)],
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::prepare_with((1, None), nodes, settings, Some(network))
    }

    /// The same with dynamic voters, for our own nodes.
    pub fn prepare_dynamic(roles: &[Role], settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::prepare_growing(roles.len(), roles, settings)
    }

    /// The same where only the first `voters` controllers vote, until others are added.
    pub fn prepare_growing(voters: usize, roles: &[Role], settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let nodes: Vec<_> = roles.iter().map(|role| (*role, Flavor::Milena)).collect();
        Self::prepare_with((1, Some(voters)), &nodes, settings, None)
    }

    fn prepare_with(
        (first, recorded_voters): (i32, Option<usize>),
        nodes: &[(Role, Flavor)],
        settings: &[(&str, &str)],
        network: Option<Network>,
    ) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("milena-cluster-")?;
        let settings = SETTINGS.iter().chain(settings);
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut cluster = Self { nodes: Vec::new(), recorded_voters, directory: None, settings, network };
        let mut hosts = cluster.network.iter().flat_map(Network::hosts).cloned();
        for (id, (role, flavor)) in (first..).map(NodeId).zip(nodes.iter().copied()) {
            let folder = directory.path().join(format!("node-{id}"));
            fs::create_dir(&folder)?;
            let (port, controller_port) = (free_port()?, free_port()?);
            let said = Vec::new();
            let (host, process) = (hosts.next(), None);
            let node = Node { id, role, flavor, host, folder, port, controller_port, process, said };
            cluster.nodes.push(node);
        }
        cluster.directory = Some(directory);
        for node in &cluster.nodes {
            cluster.write_properties(node)?;
            if node.flavor == Flavor::Kafka {
                format_with(&node.folder, WITHOUT, &[])?;
            }
        }
        Ok(cluster)
    }

    /// Every node, in the order of their ids.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The network that it runs on, if it has one of its own.
    pub fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// A node by its id.
    ///
    /// # Panics
    /// If there is none.
    pub fn node(&self, id: i32) -> &Node {
        self.nodes.iter().find(|node| node.id.0 == id).expect("a node of the cluster")
    }

    fn node_mut(&mut self, id: i32) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.id.0 == id).expect("a node of the cluster")
    }

    /// `host:port` of every broker, with commas between them.
    pub fn bootstrap(&self) -> String {
        let brokers = self.nodes.iter().filter(|node| node.role.is_broker());
        brokers.map(Node::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// Begins to start every node that does not run.
    pub fn launch_all(&mut self) -> io::Result<()> {
        self.nodes.iter_mut().filter(|node| node.process.is_none()).try_for_each(|node| node.launch(&[]))
    }

    /// Begins to start a node, and does not wait.
    pub fn launch(&mut self, id: i32) -> io::Result<()> {
        self.launch_with(id, &[])
    }

    /// Begins to start a node with these variables in its environment.
    pub fn launch_with(&mut self, id: i32, variables: &[(&str, &str)]) -> io::Result<()> {
        self.node_mut(id).launch(variables)
    }

    /// Ends a node at once, as `kill -9` does.
    pub fn kill(&mut self, id: i32) {
        self.node_mut(id).end(Process::kill);
    }

    /// Whether a node was started and has ended by itself.
    pub fn has_ended(&mut self, id: i32) -> bool {
        self.node_mut(id).process.as_mut().is_some_and(|process| process.ended().is_some())
    }

    /// Ends a node in order.
    ///
    /// # Panics
    /// If it does not end in time, or with a status that says it failed.
    pub fn stop(&mut self, id: i32) {
        let is_kafka = self.node(id).flavor == Flavor::Kafka;
        self.node_mut(id).end(|process| {
            let status = process.terminate(PATIENCE);
            // Java passes the signal on as 128 + 15.
            assert!(status.success() || (is_kafka && status.code() == Some(143)), "{status}");
        });
    }

    /// Ends every node in order, all at once.
    ///
    /// # Panics
    /// If one does not end in time.
    pub fn stop_all(&mut self) {
        self.nodes.iter().filter_map(Node::process).for_each(|process| process.signal("TERM"));
        for node in &mut self.nodes {
            node.end(|process| {
                eventually("end after SIGTERM", PATIENCE, || process.ended());
            });
        }
    }

    /// Starts a node that was ended, and waits until it serves.
    pub fn restart(&mut self, id: i32) -> io::Result<()> {
        self.launch(id)?;
        self.await_brokers(id, &[id]);
        Ok(())
    }

    /// Waits until every broker that runs knows every other that runs.
    pub fn await_all(&mut self) {
        let running = self.nodes.iter().filter(|node| node.role.is_broker() && node.process.is_some());
        let ids: Vec<i32> = running.map(|node| node.id.0).collect();
        for id in &ids {
            self.await_brokers(*id, &ids);
        }
    }

    /// Waits until the broker `id` names all of `others` to its clients.
    ///
    /// # Panics
    /// If the process ends meanwhile, or does not get there in time.
    pub fn await_brokers(&mut self, id: i32, others: &[i32]) {
        let node = self.node_mut(id);
        eventually(&format!("brokers {others:?} at broker {id}"), PATIENCE, || {
            if let Some(status) = node.process.as_mut().and_then(Process::ended) {
                panic!("node {id} ended with {status} at its start:\n{}", node.lines().join("\n"));
            }
            let known = node.brokers().ok()?;
            others.iter().all(|other| known.contains(other)).then_some(())
        });
    }

    /// The active controller as any broker but `unasked` knows it, once one does.
    pub fn controller(&self, unasked: &[i32]) -> i32 {
        eventually("an active controller", PATIENCE, || {
            let asked = self.nodes.iter().filter(|node| node.role.is_broker() && node.process.is_some());
            let mut asked = asked.filter(|node| !unasked.contains(&node.id.0));
            asked.find_map(|node| node.controller().ok().flatten())
        })
    }

    /// The keys that say who votes.
    fn voters(&self) -> String {
        let controllers = || self.nodes.iter().filter(|node| node.role.is_controller());
        let voters: Vec<_> =
            controllers().map(|node| format!("{}@{}", node.id, node.controller_address())).collect();
        let voters = voters.join(",");
        let Some(first) = self.recorded_voters else { return format!("controller.quorum.voters={voters}") };
        let servers: Vec<_> = controllers().map(Node::controller_address).collect();
        let first: Vec<&str> = voters.split(',').take(first).collect();
        format!(
            "controller.quorum.bootstrap.servers={}\ninitial.controllers={}",
            servers.join(","),
            first.join(",")
        )
    }

    fn write_properties(&self, node: &Node) -> io::Result<()> {
        let (client, controller) = (node.bootstrap(), node.controller_address());
        let listeners = match node.role {
            Role::Broker => format!("PLAINTEXT://{client}"),
            Role::Controller => format!("CONTROLLER://{controller}"),
            Role::Combined => format!("PLAINTEXT://{client},CONTROLLER://{controller}"),
        };
        let mut text = format!(
            "node.id={}\nprocess.roles={}\nlisteners={listeners}\n{}\nlog.dirs={}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n",
            node.id,
            node.role.names(),
            self.voters(),
            node.folder.join("data").display()
        );
        if node.role.is_broker() {
            text.push_str(&format!(
                "inter.broker.listener.name=PLAINTEXT\nadvertised.listeners=PLAINTEXT://{client}\n"
            ));
        }
        for (key, value) in &self.settings {
            let value = value.replace("{directory}", &node.folder.to_string_lossy());
            text.push_str(&format!("{key}={value}\n"));
        }
        fs::write(node.folder.join("server.properties"), text)
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        // All at once: one that is left alone would wait for the others.
        self.nodes.iter_mut().for_each(|node| node.end(Process::kill));
        if !thread::panicking() {
            return;
        }
        for node in &self.nodes {
            fs::write(node.folder.join("output.log"), node.said.join("\n")).ok();
        }
        if let Some(directory) = self.directory.take() {
            eprintln!("the nodes and what they said are kept in {}", directory.keep().display());
        }
    }
}
