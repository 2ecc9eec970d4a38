//! Three replicas of one partition, driven by the pure fetchers over a transport that loses answers, under a controller
//! that moves the leader and fences at random, while records are deleted at the start, processes are killed and machines
//! lose what they had not synced.
//!
//! Held after every step: whatever was acknowledged is in the log of the leader, a high watermark does not move back while
//! its log lives. Held when everything has come to rest: all logs are the same bytes.
//! Machines lose unsynced bytes only one at a time between two moments of a full ISR: acknowledgement comes from the page
//! cache, so that no more than `min.insync.replicas` - 1 may (2 here).

use std::collections::BTreeMap;

use milena_core::follower::{Action, Fetcher, FetcherSettings, Key, Logs, Step};
use milena_core::partition::{IsrAnswer, IsrProposal};
use milena_protocol::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};

use super::*;
use crate::partition::{Cut, FollowerId};

mod controller;

const NODES: usize = 3;
const SEEDS: u64 = 40;
const STEPS: usize = 250;
const TOPIC_ID: TopicId = TopicId(Uuid::max());
const KEY: Key = Key { topic_id: TOPIC_ID, partition: PartitionIndex(0) };

/// Numbers that a seed determines.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

struct Node {
    disk: MemDisk,
    partition: Arc<Partition>,
    fetcher: Fetcher,
    /// What the files beside the log say.
    recovery_point: Offset,
    high_watermark: Offset,
    start_offset: Offset,
    /// The largest that was seen since the process began or the log was cut.
    seen_high_watermark: Offset,
}

/// What the controller knows.
struct Metadata {
    leader: Option<usize>,
    epoch: i32,
    partition_epoch: i32,
    isr: Vec<usize>,
    fenced: Vec<usize>,
    broker_epochs: [i64; NODES],
}

struct Cluster {
    random: Random,
    nodes: Vec<Node>,
    metadata: Metadata,
    next_value: usize,
    /// Values that wait for their commit, with the leader, its epoch and the end of their batch.
    waiting: Vec<(String, usize, i32, Offset)>,
    /// Values with the end of their batch.
    acknowledged: Vec<(String, Offset)>,
    /// A machine lost unsynced bytes and its replica is not back in the ISR.
    is_weak: bool,
    /// How often what happened.
    counts: BTreeMap<&'static str, usize>,
}

struct Starts<'a>(&'a Partition);

impl Logs for Starts<'_> {
    fn log_start(&self, _key: Key) -> Option<Offset> {
        Some(self.0.log_start_offset())
    }

    fn is_throttled(&self, _key: Key) -> bool {
        false
    }
}

fn id(node: usize) -> NodeId {
    NodeId(i32::try_from(node).unwrap())
}

fn start(node: usize, disk: &MemDisk, files: [Offset; 3]) -> Arc<Partition> {
    let [recovery_point, start_offset, high_watermark] = files;
    let properties = Properties::default();
    let mut config = MetadataImage::default().topic_config(id(node), "truck_gps", &properties);
    (config.min_insync_replicas, config.segment_bytes) = (2, 700);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (recovery_point, start_offset) = (Some(recovery_point), Some(start_offset));
    let opening = Opening { recovery_point, start_offset, ..Opening::default() };
    let partition = Partition::open(Opened {
        disk: &disk,
        folder: Path::new("/data/truck_gps-0"),
        node_id: id(node),
        topic: "truck_gps".into(),
        topic_id: TOPIC_ID,
        index: PartitionIndex(0),
        config: Arc::new(config),
        opening,
        high_watermark: Some(high_watermark),
        dir: Arc::new(LogDir::new(Path::new("/data"), Uuid::nil(), StorageMetrics::default())),
        lag_ms_max: i64::MAX,
        has_topic_id: recovery_point > Some(Offset(0)),
    });
    Arc::new(partition.unwrap())
}

fn mk_fetcher(node: usize) -> Fetcher {
    Fetcher::new(FetcherSettings {
        node_id: id(node),
        wait_ms_max: 0,
        bytes_min: 1,
        response_bytes_max: 1 << 20,
        partition_bytes_max: 500,
        backoff_ms: 0,
    })
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let node = |node| {
            let disk = MemDisk::new();
            let partition = start(node, &disk, [Offset(0); 3]);
            let zero = Offset::ZERO;
            let (recovery_point, high_watermark, start_offset, seen_high_watermark) =
                (zero, zero, zero, zero);
            Node {
                disk,
                partition,
                fetcher: mk_fetcher(node),
                recovery_point,
                high_watermark,
                start_offset,
                seen_high_watermark,
            }
        };
        let metadata = Metadata {
            leader: Some(0),
            epoch: 0,
            partition_epoch: 0,
            isr: (0..NODES).collect(),
            fenced: Vec::new(),
            broker_epochs: [100, 101, 102],
        };
        let mut cluster = Self {
            random: Random(seed * 0x9e37_79b9 + 1),
            nodes: (0..NODES).map(node).collect(),
            metadata,
            next_value: 0,
            waiting: Vec::new(),
            acknowledged: Vec::new(),
            is_weak: false,
            counts: BTreeMap::new(),
        };
        (0..NODES).for_each(|node| cluster.publish(node));
        cluster
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn append(&mut self) {
        let Some(leader) = self.metadata.leader else { return };
        let value = format!("{:03}", self.next_value);
        let mut batch = BatchBuilder::default();
        for _ in 0..1 + self.random.below(3) {
            batch.push(NewRecord {
                timestamp: Timestamp(7),
                value: Some(value.as_bytes()),
                ..NewRecord::default()
            });
        }
        let terms = ProduceTerms { acks_all: !self.random.one_in(4), zstd_allowed: true };
        let produced = self.nodes[leader].partition.produce(batch.build().into_bytes(), terms);
        self.next_value += 1;
        if let Ok(appended) = produced {
            self.count("append");
            self.waiting.push((value, leader, appended.leader_epoch.0, appended.last_offset + 1));
        }
    }

    /// One turn of a fetcher, of which the answer may get lost.
    fn fetch(&mut self, index: usize) {
        let Some(leader) = self.metadata.leader.filter(|leader| *leader != index) else { return };
        let broker_epoch = self.metadata.broker_epochs[index];
        let is_lost = self.random.one_in(12);
        let node = &mut self.nodes[index];
        let Some(request) = node.fetcher.next_fetch(now(), broker_epoch, &Starts(&node.partition)) else {
            return;
        };
        let (response, proposal) = self.serve(leader, &request);
        if let Some(proposal) = proposal {
            self.alter(leader, &proposal);
        }
        let node = &mut self.nodes[index];
        if is_lost {
            node.fetcher.on_lost();
            return;
        }
        let steps = node.fetcher.on_answer(now(), response);
        steps.into_iter().for_each(|step| self.do_step(index, step));
        self.reset(index, leader);
    }

    fn serve(&mut self, leader: usize, request: &FetchRequest) -> (FetchResponse, Option<IsrProposal>) {
        let mut response = FetchResponse::default();
        let asked: Option<&FetchPartition> =
            request.topics.first().and_then(|topic| topic.partitions.first());
        let Some(asked) = asked else { return (response, None) };
        let read = ReadRequest {
            offset: Offset(asked.fetch_offset),
            current_leader_epoch: LeaderEpoch(asked.current_leader_epoch),
            last_fetched_epoch: LeaderEpoch(asked.last_fetched_epoch),
            bytes_max: 500,
            at_least_one: true,
            isolation: Isolation::LogEnd,
            leader_only: true,
        };
        let replica = request.replica_state.clone();
        let follower = FollowerId { node: NodeId(replica.replica_id), broker_epoch: replica.replica_epoch };
        let log_start = Offset(asked.log_start_offset);
        let read = self.nodes[leader].partition.read_for_follower(&read, follower, log_start);
        let (data, proposal) = match read {
            Ok((read, proposal)) => (mk_data(read), proposal),
            Err(code) => (PartitionData { error_code: code.code(), ..PartitionData::default() }, None),
        };
        let topic_id = TOPIC_ID.0;
        let topic = FetchableTopicResponse { topic_id, partitions: vec![data], ..Default::default() };
        response.responses.push(topic);
        (response, proposal)
    }

    /// The process is killed, or the machine fails; it comes back as another incarnation.
    fn crash(&mut self, index: usize) {
        let is_full = self.metadata.isr.len() == NODES && !self.is_weak;
        let survival = if is_full && self.random.one_in(2) {
            self.is_weak = true;
            self.count("lost unsynced");
            Survival::Some(self.random.below(1 << 20) as u64)
        } else {
            self.count("killed");
            Survival::All
        };
        self.fence(index);
        let node = &mut self.nodes[index];
        node.disk = node.disk.crash(survival);
        node.partition =
            start(index, &node.disk, [node.recovery_point, node.start_offset, node.high_watermark]);
        node.fetcher = mk_fetcher(index);
        node.seen_high_watermark = node.partition.high_watermark();
        self.metadata.broker_epochs[index] += 10;
        self.publish(index);
        self.unfence(index);
    }

    fn checkpoint(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if self.random.one_in(2) {
            node.partition.flush().unwrap();
        }
        node.recovery_point = node.partition.recovery_point();
        node.high_watermark = node.partition.high_watermark();
        node.start_offset = node.partition.log_start_offset();
    }

    fn delete(&mut self) {
        let Some(leader) = self.metadata.leader else { return };
        let partition = &self.nodes[leader].partition;
        if let Ok(start) = partition.plan_new_start(Offset::NONE) {
            partition.move_start(start).unwrap();
        }
    }

    /// The leader tells a follower whose log is out of range where its own begins and ends.
    fn reset(&mut self, index: usize, leader: usize) {
        let Some((key, _, epoch)) = self.nodes[index].fetcher.resetting(now()).pop() else { return };
        let log = &self.nodes[leader].partition;
        let ends = log.check_leader(epoch).map(|()| log.log_start_offset()..log.log_end_offset());
        if let Some(step) = self.nodes[index].fetcher.on_ends(now(), (key, epoch), ends) {
            self.do_step(index, step);
        }
    }

    fn do_step(&mut self, index: usize, Step { key, leader_epoch, action }: Step) {
        let node = &mut self.nodes[index];
        let (what, cut) = match action {
            Action::Append(fetched) => {
                let position = node.partition.append_fetched(fetched, leader_epoch);
                node.fetcher.on_position(now(), (key, leader_epoch), position);
                return;
            }
            Action::Diverged(end) => ("diverged", Cut::Diverged(end)),
            Action::Truncate(offset) => ("truncated", Cut::At(offset)),
            Action::Restart(offset) => ("restarted", Cut::All(offset)),
        };
        let position = node.partition.cut(leader_epoch, cut);
        node.seen_high_watermark = node.seen_high_watermark.min(node.partition.log_end_offset());
        node.recovery_point = node.partition.recovery_point();
        node.fetcher.on_position(now(), (key, leader_epoch), position);
        self.count(what);
    }

    fn step(&mut self) {
        let index = self.random.below(NODES);
        match self.random.below(25) {
            0..8 => self.append(),
            8..18 => self.fetch(index),
            18 => self.checkpoint(index),
            19 => self.fence(index),
            20..22 => self.unfence(index),
            22 => self.move_leader(),
            23 => self.crash(index),
            _ => self.delete(),
        }
        self.check();
    }

    fn check(&mut self) {
        for node in &mut self.nodes {
            let high_watermark = node.partition.high_watermark();
            assert!(high_watermark >= node.seen_high_watermark, "the high watermark moved back");
            assert!(high_watermark <= node.partition.log_end_offset());
            node.seen_high_watermark = high_watermark;
        }
        let nodes = &self.nodes;
        let mut committed = Vec::new();
        self.waiting.retain(|(value, leader, epoch, end)| {
            let progress = nodes[*leader].partition.progress();
            let leads = progress.is_leader && progress.leader_epoch.0 == *epoch;
            let is_committed = leads && progress.high_watermark >= *end;
            if is_committed {
                committed.push((value.clone(), *end));
            }
            leads && !is_committed
        });
        self.acknowledged.append(&mut committed);
        if let Some(leader) = self.metadata.leader {
            let partition = &self.nodes[leader].partition;
            let (there, start) = (log_values(partition), partition.log_start_offset());
            for (value, end) in &self.acknowledged {
                let is_there = *end <= start || there.contains(value);
                assert!(is_there, "{value} was acknowledged and is not in the leader's log {there:?}");
            }
        }
    }

    fn come_to_rest(&mut self) {
        (0..NODES).for_each(|node| self.unfence(node));
        for _ in 0..200 {
            (0..NODES).for_each(|node| self.fetch(node));
        }
        self.check();
    }
}

fn mk_data(read: Read) -> PartitionData {
    PartitionData {
        high_watermark: read.high_watermark.0,
        log_start_offset: read.log_start_offset.0,
        diverging_epoch: read.diverged.map_or_else(EpochEndOffset::default, |diverged| EpochEndOffset {
            epoch: diverged.epoch.0,
            end_offset: diverged.end_offset.0,
        }),
        records: Some(milena_protocol::Records::Bytes(read.records.into_bytes().unwrap())),
        ..PartitionData::default()
    }
}

/// Everything in the log from an offset on, committed or not.
fn log_bytes(partition: &Partition, from: Offset) -> Vec<u8> {
    let (mut bytes, mut next) = (Vec::new(), from);
    let limits =
        milena_storage::ReadLimits { end_offset: Offset(i64::MAX), bytes_max: 1 << 20, at_least_one: true };
    while next < partition.log_end_offset() {
        let read = partition.log().read(next, limits).unwrap().into_bytes().unwrap();
        next = partition.log().offset_after(next, read.len()).unwrap();
        bytes.extend_from_slice(&read);
    }
    bytes
}

fn log_values(partition: &Partition) -> Vec<String> {
    let records = batches(log_bytes(partition, partition.log_start_offset()).into())
        .flat_map(|batch| batch.unwrap().records().unwrap());
    records.map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()).collect()
}

#[test]
fn replicas_agree_and_keep_what_was_acknowledged() {
    let mut counts = BTreeMap::<&str, usize>::new();
    let seeds = match std::env::var("REPLICATION_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=SEEDS).collect(),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut cluster = Cluster::new(seed);
            (0..STEPS).for_each(|_| cluster.step());
            cluster.come_to_rest();
            let start = cluster.nodes.iter().map(|node| node.partition.log_start_offset()).max().unwrap();
            let logs: Vec<_> = cluster.nodes.iter().map(|node| log_bytes(&node.partition, start)).collect();
            assert!(logs[0] == logs[1] && logs[1] == logs[2], "logs differ at rest");
            assert_eq!(cluster.metadata.isr.len(), NODES, "everybody is in sync at rest");
            cluster.count("seeds");
            *cluster.counts.entry("acknowledged").or_default() += cluster.acknowledged.len();
            cluster.counts
        });
        let Ok(seen) = run else { panic!("REPLICATION_SEED={seed} fails") };
        seen.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
    }
    for what in
        ["append", "diverged", "restarted", "expanded", "moved", "killed", "lost unsynced", "acknowledged"]
    {
        assert!(counts.get(what).is_some_and(|count| *count > 0), "{what} never happened: {counts:?}");
    }
}
