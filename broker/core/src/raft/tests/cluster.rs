//! A quorum in one place: virtual clock, network and disks, all from one seed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use milena_protocol::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};

use super::log::{Entry, MemoryLog, decode, encode};
use crate::machine::Ticket;
use crate::raft::{
    Address, ElectionState, Endpoint, FetchContent, Input, LogView, Lost, Output, PeerAnswer, PeerRequest,
    Raft, ReplicaKey, RequestId, Settings, SnapshotChunk, Voter, VoterHistory, VoterSet,
};

pub(super) fn key(id: i32) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs()) + 100) }
}

pub(super) fn address(id: i32) -> Address {
    Address { host: "host".into(), port: u16::try_from(id).unwrap() }
}

pub(super) fn voter(id: i32) -> Voter {
    let endpoints = vec![Endpoint { name: "CONTROLLER".into(), address: address(id) }];
    Voter { key: key(id), endpoints, kraft_versions: 0..=1 }
}

pub(super) fn voters(ids: &[i32]) -> VoterSet {
    VoterSet { kraft_version: 1, voters: ids.iter().copied().map(voter).collect() }
}

pub(super) fn settings(id: i32) -> Settings {
    Settings {
        local: key(id),
        can_vote: true,
        listener: "CONTROLLER".into(),
        endpoints: voter(id).endpoints,
        kraft_versions: 0..=1,
        bootstrap: vec![address(1)],
        election_timeout_ms: 1000,
        election_backoff_max_ms: 1000,
        fetch_timeout_ms: 2000,
        request_timeout_ms: 2000,
        retry_backoff_ms: 20,
        auto_join: false,
    }
}

pub(super) struct Node {
    pub(super) raft: Raft,
    pub(super) log: MemoryLog,
    persisted: ElectionState,
    bootstrap: VoterSet,
    pub(super) is_up: bool,
    /// Counts the lives of the process: answers to a former life are lost.
    life: u64,
    waiting: BTreeMap<Ticket, (i32, u64, RequestId)>,
}

#[derive(Debug)]
enum Event {
    Request { to: i32, from: i32, life: u64, id: RequestId, request: PeerRequest },
    Answer { to: i32, life: u64, id: RequestId, answer: Result<PeerAnswer, Lost> },
}

/// What was seen to happen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) elections: u64,
    pub(super) commits: u64,
    pub(super) truncations: u64,
    pub(super) snapshots: u64,
    pub(super) resignations: u64,
    pub(super) crashes: u64,
    pub(super) lost: u64,
    pub(super) changes: u64,
    pub(super) refused: u64,
}

pub(super) struct Cluster {
    pub(super) now: Timestamp,
    pub(super) nodes: BTreeMap<i32, Node>,
    network: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
    tickets: u64,
    random: u64,
    /// Nobody hears what these say to those.
    cut: BTreeSet<(i32, i32)>,
    leaders: BTreeMap<LeaderEpoch, i32>,
    committed: Vec<Entry>,
    pub(super) counters: Counters,
    /// Of a hundred messages.
    pub(super) lost_percent: u64,
    pub(super) vote_is_forgotten: bool,
}

impl Cluster {
    pub(super) fn new(ids: &[i32], observers: &[i32], seed: u64) -> Self {
        let mut cluster = Self {
            now: Timestamp(1_000_000),
            nodes: BTreeMap::new(),
            network: BTreeMap::new(),
            sequence: 0,
            tickets: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            cut: BTreeSet::new(),
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            counters: Counters::default(),
            lost_percent: 0,
            vote_is_forgotten: false,
        };
        for id in ids.iter().chain(observers) {
            let (persisted, log) = (ElectionState::default(), MemoryLog::default());
            let bootstrap = voters(ids);
            let history = VoterHistory::new(bootstrap.clone(), []);
            let raft = Raft::new(settings(*id), persisted, log.end(), history, seed);
            let node =
                Node { raft, log, persisted, bootstrap, is_up: false, life: 0, waiting: BTreeMap::new() };
            cluster.nodes.insert(*id, node);
        }
        cluster
    }

    pub(super) fn random(&mut self, range: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % range
    }

    pub(super) fn start(&mut self, id: i32) {
        let seed = self.random(u64::MAX);
        let node = self.nodes.get_mut(&id).unwrap();
        let recorded = (0..)
            .zip(&node.log.entries)
            .filter_map(|(offset, entry)| Some((Offset(offset), entry.voters.clone()?)));
        let voters = VoterHistory::new(node.bootstrap.clone(), recorded);
        node.raft = Raft::new(settings(id), node.persisted, node.log.end(), voters, seed);
        node.is_up = true;
        node.life += 1;
        self.step(id, Input::Start);
    }

    pub(super) fn crash(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.is_up = false;
        node.life += 1;
        let waiting = std::mem::take(&mut node.waiting);
        self.counters.crashes += 1;
        for (from, life, request) in waiting.into_values() {
            self.deliver(5, Event::Answer { to: from, life, id: request, answer: Err(Lost::Closed) });
        }
    }

    pub(super) fn cut(&mut self, from: i32, to: i32) {
        self.cut.insert((from, to));
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
    }

    fn deliver(&mut self, delay_ms: i64, event: Event) {
        self.sequence += 1;
        self.network.insert((self.now.plus_ms(delay_ms), self.sequence), event);
    }

    pub(super) fn leader(&self) -> Option<i32> {
        let leads = |(id, node): (&i32, &Node)| {
            (node.is_up && node.raft.is_leader()).then_some((node.raft.epoch(), *id))
        };
        self.nodes.iter().filter_map(leads).max().map(|(_, id)| id)
    }

    /// The leader appends a record.
    pub(super) fn append(&mut self, value: u32) {
        let Some(id) = self.leader() else { return };
        let node = self.nodes.get_mut(&id).unwrap();
        node.log.entries.push(Entry { epoch: node.raft.epoch(), value, voters: None });
        self.flushed(id);
    }

    /// Keeps only a snapshot of what is committed.
    pub(super) fn compact(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        let committed = usize::try_from(node.raft.committed().0).unwrap();
        node.log.start = node.log.start.max(committed.min(node.log.entries.len()));
    }

    fn flushed(&mut self, id: i32) {
        let end = self.nodes[&id].log.end();
        self.step(id, Input::Flushed(end));
    }

    pub(super) fn ask(&mut self, id: i32, request: PeerRequest) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.step(id, Input::Request { ticket, request });
    }

    pub(super) fn step(&mut self, id: i32, input: Input) {
        let now = self.now;
        let node = self.nodes.get_mut(&id).unwrap();
        if !node.is_up {
            return;
        }
        let outputs = node.raft.step(now, &node.log.clone(), input);
        for output in outputs {
            self.execute(id, output);
        }
    }

    fn execute(&mut self, id: i32, output: Output) {
        let node = self.nodes.get_mut(&id).unwrap();
        match output {
            Output::Persist(state) => {
                let voted = state.voted.filter(|_| !self.vote_is_forgotten);
                node.persisted = ElectionState { voted, ..state };
            }
            Output::Send { id: request_id, to, request } => {
                self.send(id, i32::from(to.port), request_id, request)
            }
            Output::Answer { ticket, answer } => {
                let answer = self.fill(id, answer);
                if let Some((from, life, request)) = self.nodes.get_mut(&id).unwrap().waiting.remove(&ticket)
                {
                    self.reply(id, (from, life, request), answer);
                }
            }
            Output::Lead { epoch, .. } => {
                let other = self.leaders.insert(epoch, id);
                assert!(other.is_none_or(|other| other == id), "{id} and {other:?} both lead {epoch:?}");
                let is_first = node.log.entries.is_empty();
                let voters = is_first.then(|| node.bootstrap.clone());
                node.log.entries.push(Entry { epoch, value: 0, voters });
                self.counters.elections += 1;
                self.flushed(id);
            }
            Output::Resigned => self.counters.resignations += 1,
            Output::AppendVoters(voters) => {
                let entry = Entry { epoch: node.raft.epoch(), value: 0, voters: Some(voters.clone()) };
                node.log.entries.push(entry);
                let offset = Offset(node.log.end().offset.0 - 1);
                self.counters.changes += 1;
                self.step(id, Input::Voters { offset, voters });
                self.flushed(id);
            }
            Output::Append(bytes) => self.append_as_follower(id, &bytes),
            Output::Truncate(end) => {
                let own = node.log.end_of_epoch(end.epoch).offset.min(end.offset);
                assert!(own >= node.raft.committed(), "{id} truncates what is committed");
                node.log.entries.truncate(usize::try_from(own.0).unwrap());
                let end = node.log.end();
                self.counters.truncations += 1;
                self.step(id, Input::Truncated { end });
            }
            Output::StoreSnapshot(chunk) => self.install(id, &chunk),
            Output::Commit(offset) => self.committed(id, offset),
            Output::LeaderChanged => {}
            Output::Fail(reason) => panic!("{id}: {reason}"),
        }
    }

    fn send(&mut self, from: i32, to: i32, id: RequestId, request: PeerRequest) {
        let life = self.nodes[&from].life;
        let is_lost = self.random(100) < self.lost_percent || self.cut.contains(&(from, to));
        if is_lost {
            self.counters.lost += 1;
            return self.deliver(2000, Event::Answer { to: from, life, id, answer: Err(Lost::TimedOut) });
        }
        if !self.nodes.get(&to).is_some_and(|node| node.is_up) {
            self.counters.refused += 1;
            return self.deliver(1, Event::Answer { to: from, life, id, answer: Err(Lost::Closed) });
        }
        let delay = 1 + i64::try_from(self.random(20)).unwrap();
        self.deliver(delay, Event::Request { to, from, life, id, request });
    }

    fn reply(&mut self, from: i32, (to, life, id): (i32, u64, RequestId), answer: PeerAnswer) {
        let is_lost = self.random(100) < self.lost_percent || self.cut.contains(&(from, to));
        if is_lost {
            self.counters.lost += 1;
            return self.deliver(2000, Event::Answer { to, life, id, answer: Err(Lost::TimedOut) });
        }
        let delay = 1 + i64::try_from(self.random(20)).unwrap();
        self.deliver(delay, Event::Answer { to, life, id, answer: Ok(answer) });
    }

    /// The indexes of the entries stand for their bytes: all nodes share one memory.
    fn fill(&self, id: i32, answer: PeerAnswer) -> PeerAnswer {
        let log = &self.nodes[&id].log;
        match answer {
            PeerAnswer::Fetch { answer, high_watermark, content: FetchContent::ReadFrom(from) } => {
                let from = usize::try_from(from.0).unwrap().min(log.entries.len());
                let content = FetchContent::Records(encode(&log.entries[from..]));
                PeerAnswer::Fetch { answer, high_watermark, content }
            }
            PeerAnswer::Snapshot(answer, Some(mut chunk)) => {
                if log.latest_snapshot() != Some(chunk.id) {
                    return PeerAnswer::Snapshot(answer, None);
                }
                let all = encode(&log.entries[..log.start]);
                let position = usize::try_from(chunk.position).unwrap();
                chunk.size = all.len() as u64;
                chunk.bytes = all.slice(position..all.len().min(position + 64));
                PeerAnswer::Snapshot(answer, Some(chunk))
            }
            answer => answer,
        }
    }

    fn append_as_follower(&mut self, id: i32, bytes: &Bytes) {
        for entry in decode(bytes) {
            let node = self.nodes.get_mut(&id).unwrap();
            let offset = node.log.end().offset;
            let voters = entry.voters.clone();
            node.log.entries.push(entry);
            if let Some(voters) = voters {
                self.step(id, Input::Voters { offset, voters });
            }
        }
        self.flushed(id);
    }

    fn install(&mut self, id: i32, chunk: &SnapshotChunk) {
        let node = self.nodes.get_mut(&id).unwrap();
        if chunk.position == 0 {
            node.log.partial.clear();
        }
        node.log.partial.extend_from_slice(&chunk.bytes);
        if chunk.is_last() {
            let entries = decode(&Bytes::from(std::mem::take(&mut node.log.partial)));
            let recorded = entries.iter().rev().find_map(|entry| entry.voters.clone());
            let covers = chunk.id;
            node.log = MemoryLog { start: entries.len(), entries, partial: Vec::new() };
            assert_eq!(node.log.end(), covers);
            self.counters.snapshots += 1;
            if let Some(voters) = recorded {
                self.step(id, Input::Voters { offset: Offset(covers.offset.0 - 1), voters });
            }
            self.flushed(id);
        }
    }

    fn committed(&mut self, id: i32, offset: Offset) {
        let length = usize::try_from(offset.0).unwrap();
        let log = &self.nodes[&id].log.entries;
        assert!(length <= log.len(), "{id} commits what it does not have");
        let common = length.min(self.committed.len());
        assert_eq!(log[..common], self.committed[..common], "{id} commits another history");
        if length > self.committed.len() {
            self.committed = log[..length].to_vec();
            self.counters.commits += 1;
        }
    }

    pub(super) fn committed_values(&self) -> Vec<u32> {
        self.committed.iter().map(|entry| entry.value).filter(|value| *value > 0).collect()
    }

    pub(super) fn describe(&self) -> String {
        let line = |(id, node): (&i32, &Node)| {
            let voters: Vec<_> = node.raft.voters().keys().map(|key| key.id.0).collect();
            let (epoch, end) = (node.raft.epoch().0, node.log.end());
            let deadline = node.raft.next_deadline();
            format!(
                "{id} {} up {} epoch {epoch} {end:?} voters {voters:?} due {deadline:?}\n",
                node.raft.role_name(),
                node.is_up
            )
        };
        self.nodes.iter().map(line).collect::<String>()
            + &format!("{:?} {:?}", self.now, self.committed.len())
    }

    /// Does what comes next, if that is before `until`.
    pub(super) fn next(&mut self, until: Timestamp) -> bool {
        let message = self.network.keys().next().map(|(at, _)| *at);
        let deadline =
            |(id, node): (&i32, &Node)| node.raft.next_deadline().filter(|_| node.is_up).map(|at| (at, *id));
        let timer = self.nodes.iter().filter_map(deadline).min();
        let is_message = message.is_some_and(|message| timer.is_none_or(|(at, _)| message <= at));
        let Some(at) = (if is_message { message } else { timer.map(|(at, _)| at) }) else { return false };
        if at > until {
            return false;
        }
        self.now = self.now.max(at);
        if is_message {
            let (_, event) = self.network.pop_first().unwrap();
            self.receive(event);
        } else if let Some((_, id)) = timer {
            self.step(id, Input::Deadline);
        }
        true
    }

    fn receive(&mut self, event: Event) {
        match event {
            Event::Request { to, from, life, id, request } => {
                if !self.nodes[&to].is_up {
                    return self.deliver(1, Event::Answer { to: from, life, id, answer: Err(Lost::Closed) });
                }
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.nodes.get_mut(&to).unwrap().waiting.insert(ticket, (from, life, id));
                self.step(to, Input::Request { ticket, request });
            }
            Event::Answer { to, life, id, answer } => {
                if self.nodes[&to].life == life {
                    self.step(to, Input::Answered { id, answer });
                }
            }
        }
    }

    pub(super) fn run_for(&mut self, ms: i64) {
        let until = self.now.plus_ms(ms);
        while self.next(until) {}
        self.now = until;
    }

    /// Runs until `is_so`, at most `ms`.
    pub(super) fn run_until(&mut self, ms: i64, is_so: impl Fn(&Self) -> bool) -> bool {
        let until = self.now.plus_ms(ms);
        while !is_so(self) {
            if !self.next(until) {
                return false;
            }
        }
        true
    }
}
