//! What is done to a cluster. Processes are killed and machines are not: whatever dies, nothing acknowledged may be lost.
//!
//! A round moves replicas or leaders, or not, does some faults one after the other, each for a moment, and heals all of
//! them. A node is up, down or paused; a fault chooses among those that are up and may find none. Cables are cut beside
//! that, and the disk of the last node may be full.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use milena_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_protocol::messages::elect_leaders::TopicPartitions;
use milena_protocol::messages::metadata::MetadataResponsePartition;
use milena_protocol::messages::{AlterPartitionReassignmentsRequest, ElectLeadersRequest};
use milena_tests::{Dice, Network, Node, Process, SmallDisk, TestCluster, eventually, within};

use crate::PATIENCE;
use crate::cuts::{Cable, Cut, cables};

mod race;

/// The longest times between two faults of a round. The last one is longer than the session of a broker.
const DWELL_MS_MAX: [usize; 6] = [1, 400, 400, 4000, 4000, 12_000];
/// Replicas of every partition.
pub(crate) const REPLICAS: usize = 3;
const TIMEOUT_MS: i32 = 20_000;
const PREFERRED: i8 = 0;
/// Said by a broker that ends because its metadata cannot be written.
const DISK_FAILED: &str = "metadata quorum failed";

/// See the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Kill,
    KillActiveController,
    /// All that are up but one.
    KillAllButOne,
    KillAll,
    Stop,
    StopAll,
    Pause,
    PauseActiveController,
    /// Hosts hear each other no more.
    Cut(Cut),
    /// The last node has no room for another byte.
    FillDisk,
    /// All are killed, and one that has voted is killed again before it learns who leads: see `race`.
    RaceVotes,
    /// The order of the replicas changes, and the first ones become leaders.
    MoveLeaders,
    /// Replicas go to other brokers.
    Reassign,
}

/// What leaves more nodes up comes more often: a round goes on with those.
const FAULTS: [(usize, Fault); 19] = [
    (25, Fault::Kill),
    (20, Fault::KillActiveController),
    (10, Fault::KillAllButOne),
    (5, Fault::KillAll),
    (10, Fault::Stop),
    (5, Fault::StopAll),
    (15, Fault::Pause),
    (10, Fault::PauseActiveController),
    (15, Fault::Cut(Cut::Isolate)),
    (10, Fault::Cut(Cut::Deafen)),
    (10, Fault::Cut(Cut::Silence)),
    (10, Fault::Cut(Cut::Split)),
    (10, Fault::Cut(Cut::Pair)),
    (10, Fault::Cut(Cut::PairOneWay)),
    (10, Fault::Cut(Cut::Client)),
    (5, Fault::Cut(Cut::ClientOneWay)),
    (10, Fault::Cut(Cut::Unplug)),
    (10, Fault::FillDisk),
    (5, Fault::RaceVotes),
];

/// A cluster under faults.
#[derive(Debug)]
pub(crate) struct Chaos {
    pub(crate) cluster: TestCluster,
    topic: (&'static str, u32),
    down: BTreeSet<i32>,
    paused: BTreeSet<i32>,
    /// Brokers that hear less than all.
    cut: BTreeSet<i32>,
    /// Of the last node.
    disk: Option<SmallDisk>,
    is_disk_full: bool,
    /// The only fault to nodes that is done.
    only: Option<Fault>,
    done: BTreeMap<Fault, usize>,
}

impl Chaos {
    /// `only` names the fault that nodes get; any, if there is none of this name.
    pub(crate) fn new(
        cluster: TestCluster,
        disk: Option<SmallDisk>,
        topic: (&'static str, u32),
        only: &str,
    ) -> Self {
        let (down, paused, cut, done) = Default::default();
        let mut faults = FAULTS.into_iter().map(|(_, fault)| fault);
        let only = faults.find(|fault| format!("{fault:?}") == only);
        Self { cluster, topic, down, paused, cut, disk, is_disk_full: false, only, done }
    }

    /// How often each fault was done.
    pub(crate) fn done(&self) -> &BTreeMap<Fault, usize> {
        &self.done
    }

    /// Does what the dice say, and heals it.
    pub(crate) fn round(&mut self, dice: &mut Dice) {
        if dice.percent(40) {
            let fault = dice.of(&[Fault::MoveLeaders, Fault::Reassign]);
            let is_done = self.reassign(fault, dice);
            self.count(fault, is_done);
        }
        for _ in 0..=dice.below(3) {
            let fault = self.only.unwrap_or_else(|| weighed(dice));
            let hit = match fault {
                Fault::Cut(cut) => self.cut(cut, dice),
                Fault::FillDisk => self.fill_disk(),
                Fault::RaceVotes => race::votes(self, dice),
                _ => self.hit(fault, dice),
            };
            eprintln!("{fault:?} of {hit:?}");
            self.count(fault, !hit.is_empty());
            dwell(dice);
        }
        self.heal(dice);
    }

    fn count(&mut self, fault: Fault, is_done: bool) {
        *self.done.entry(fault).or_default() += usize::from(is_done);
    }

    /// The nodes that are up.
    fn up(&self) -> Vec<i32> {
        let ids = self.cluster.nodes().iter().map(Node::id);
        ids.filter(|id| !self.down.contains(id) && !self.paused.contains(id)).collect()
    }

    /// Does a fault to a process, or several, and yields which.
    fn hit(&mut self, fault: Fault, dice: &mut Dice) -> Vec<i32> {
        let up = self.up();
        if up.is_empty() {
            return Vec::new();
        }
        let one = vec![dice.of(&up)];
        let nodes = match fault {
            Fault::KillAll | Fault::StopAll => up,
            Fault::KillAllButOne => up.into_iter().filter(|id| !one.contains(id)).collect(),
            Fault::KillActiveController | Fault::PauseActiveController => self.active(&up),
            _ => one,
        };
        match fault {
            // Without the others it would wait for them.
            Fault::Stop | Fault::StopAll if !self.is_whole() => return Vec::new(),
            Fault::Stop => nodes.iter().for_each(|id| self.cluster.stop(*id)),
            Fault::StopAll => self.cluster.stop_all(),
            Fault::Pause | Fault::PauseActiveController => {
                nodes.iter().for_each(|id| self.signal(*id, "STOP"));
                self.paused.extend(&nodes);
                return nodes;
            }
            _ => nodes.iter().for_each(|id| self.cluster.kill(*id)),
        }
        self.down.extend(&nodes);
        nodes
    }

    fn is_whole(&self) -> bool {
        self.down.is_empty() && self.paused.is_empty() && self.cut.is_empty() && !self.is_disk_full
    }

    /// Cuts cables around a broker that is up.
    fn cut(&mut self, cut: Cut, dice: &mut Dice) -> Vec<i32> {
        let (up, brokers) = (self.up(), self.cluster.nodes().len());
        let Some(network) = self.cluster.network().filter(|_| !up.is_empty()) else { return Vec::new() };
        let hosts = network.hosts();
        let at = dice.of(&up) - 1;
        let cables = cables(cut, at as usize, (brokers, hosts.len() - brokers), dice);
        self.cut_cables(&cables);
        vec![at + 1]
    }

    fn cut_cables(&mut self, cables: &[Cable]) {
        let brokers = self.cluster.nodes().len();
        let Some(network) = self.cluster.network() else { return };
        cables.iter().for_each(|(from, to)| network.cut(&network.hosts()[*from], &network.hosts()[*to]));
        eprintln!("no more from host to host: {cables:?}");
        let ends = cables.iter().flat_map(|(from, to)| [*from, *to]).filter(|host| *host < brokers);
        self.cut.extend(ends.map(|host| host as i32 + 1));
    }

    fn last(&self) -> i32 {
        self.cluster.nodes().len() as i32
    }

    fn fill_disk(&mut self) -> Vec<i32> {
        let Some(disk) = self.disk.as_ref().filter(|_| !self.is_disk_full) else { return Vec::new() };
        disk.fill();
        self.is_disk_full = true;
        vec![self.last()]
    }

    /// Gives the disk room again.
    fn free_disk(&mut self) {
        if std::mem::take(&mut self.is_disk_full) {
            self.disk.iter().for_each(SmallDisk::free);
        }
    }

    /// Starts the last node again where it gives up, because its metadata log found no room.
    fn restart_failed(&mut self) {
        let last = self.last();
        let lines = self.cluster.node(last).process().map(Process::lines).unwrap_or_default();
        if lines.iter().any(|line| line.contains(DISK_FAILED)) {
            eventually("the end of a node without room", PATIENCE, || {
                self.cluster.has_ended(last).then_some(())
            });
            eprintln!("node {last} ended without room for metadata");
            self.cluster.launch(last).unwrap();
        }
    }

    /// The active controller, if enough nodes are up to have one.
    fn active(&self, up: &[i32]) -> Vec<i32> {
        let reachable: Vec<_> = up.iter().filter(|id| !self.cut.contains(id)).collect();
        if reachable.len() * 2 <= self.cluster.nodes().len() {
            return Vec::new();
        }
        let known = reachable.into_iter().filter_map(|id| self.cluster.node(*id).controller().ok().flatten());
        known.filter(|id| up.contains(id)).take(1).collect()
    }

    fn signal(&self, id: i32, name: &str) {
        self.cluster.node(id).process().expect("a process that runs").signal(name);
    }

    /// Brings back every node, in any order, and waits until they know each other.
    pub(crate) fn heal(&mut self, dice: &mut Dice) {
        self.cut.clear();
        self.cluster.network().into_iter().for_each(Network::heal);
        self.free_disk();
        for id in std::mem::take(&mut self.paused) {
            self.signal(id, "CONT");
        }
        let mut down: Vec<_> = std::mem::take(&mut self.down).into_iter().collect();
        while !down.is_empty() {
            let id = down.swap_remove(dice.below(down.len()));
            self.cluster.launch(id).unwrap();
            if dice.percent(30) {
                dwell(dice);
            }
        }
        self.restart_failed();
        self.cluster.await_all();
    }

    /// Gives every partition other replicas, or the same in another order; false where the cluster refused.
    fn reassign(&self, fault: Fault, dice: &mut Dice) -> bool {
        let up = self.up();
        let node = self.cluster.node(dice.of(&up));
        let choose = |mut replicas: Vec<i32>| {
            if fault == Fault::Reassign {
                replicas.clone_from(&up);
            }
            shuffle(&mut replicas, dice);
            replicas.truncate(REPLICAS);
            replicas
        };
        let is_done = self.assign(node, choose).is_some();
        eprintln!("{fault:?}: {is_done}");
        is_done && (fault == Fault::Reassign || self.elect(node))
    }

    /// Makes a node the leader of every partition that it has, once it may be. The cluster must be whole. False if its
    /// replicas do not get there.
    pub(crate) fn lead(&self, id: i32) -> bool {
        let node = self.cluster.node(id);
        eventually("the end of all reassignments", PATIENCE, || {
            self.assign(node, |replicas| first(id, replicas))
        });
        let is_led = |partition: &MetadataResponsePartition| {
            partition.leader_id == id || !partition.replica_nodes.contains(&id)
        };
        let leads = || {
            self.elect(node);
            self.partitions(node)?.iter().all(is_led).then_some(())
        };
        within(PATIENCE, leads).is_some()
    }

    fn partitions(&self, node: &Node) -> Option<Vec<MetadataResponsePartition>> {
        let mut metadata = node.metadata(&[self.topic.0]).ok()?;
        Some(metadata.topics.pop()?.partitions)
    }

    /// Chooses the replicas of every partition anew, from those that it has.
    fn assign(&self, node: &Node, mut choose: impl FnMut(Vec<i32>) -> Vec<i32>) -> Option<()> {
        let wanted = self.partitions(node)?.into_iter().map(|partition| ReassignablePartition {
            partition_index: partition.partition_index,
            replicas: Some(choose(partition.replica_nodes)),
        });
        let topic = ReassignableTopic { name: self.topic.0.into(), partitions: wanted.collect() };
        let topics = vec![topic];
        let request =
            AlterPartitionReassignmentsRequest { timeout_ms: TIMEOUT_MS, topics, ..Default::default() };
        let answer = node.ask(0, &request).ok()?;
        let mut refusals = answer.responses.iter().flat_map(|topic| &topic.partitions);
        (answer.error_code == 0 && refusals.all(|partition| partition.error_code == 0)).then_some(())
    }

    /// Lets the first replicas lead; false where the cluster refused.
    fn elect(&self, node: &Node) -> bool {
        let (name, partitions) = self.topic;
        let topic = TopicPartitions { topic: name.into(), partitions: (0..partitions as i32).collect() };
        let request = ElectLeadersRequest {
            election_type: PREFERRED,
            topic_partitions: Some(vec![topic]),
            timeout_ms: TIMEOUT_MS,
        };
        node.ask(2, &request).is_ok_and(|answer| answer.error_code == 0)
    }
}

/// The same replicas with `id` before the others, if it is one.
fn first(id: i32, mut replicas: Vec<i32>) -> Vec<i32> {
    replicas.sort_by_key(|replica| *replica != id);
    replicas
}

fn weighed(dice: &mut Dice) -> Fault {
    let mut left = dice.below(FAULTS.iter().map(|(weight, _)| weight).sum());
    for (weight, fault) in FAULTS {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return fault,
        }
    }
    unreachable!("less than the sum of the weights")
}

fn shuffle(nodes: &mut [i32], dice: &mut Dice) {
    for last in (1..nodes.len()).rev() {
        nodes.swap(last, dice.below(last + 1));
    }
}

/// A moment is nothing that a condition could be waited for.
fn dwell(dice: &mut Dice) {
    let longest = dice.of(&DWELL_MS_MAX);
    thread::sleep(Duration::from_millis(dice.below(longest) as u64));
}
