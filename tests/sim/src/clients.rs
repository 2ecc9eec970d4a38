//! The clients of the simulation: idempotent producers that pipeline, a consumer, an administrator.
//!
//! They speak by the client of the brokers themselves, run on hosts of their own, and tell the [`History`] what they are
//! told. A producer repeats a batch until it is acknowledged, as clients with default settings do.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::future::join_all;
use milena_client::admin::NewTopic;
use milena_client::{Admin, ClientError, Connection, Options};
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic};
use milena_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use milena_protocol::messages::{ElectLeadersRequest, FetchRequest, InitProducerIdRequest, ProduceRequest};
use milena_protocol::records::{BatchBuilder, NewRecord, batches};
use milena_protocol::{
    ErrorCode, NodeId, PartitionIndex, ProducerEpoch, ProducerId, Records, Timestamp, TopicId,
};
use milena_world::Random;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::counters::count;
use crate::disk::{Value, values};
use crate::history::{History, Place};

/// Batches of a lane that are unanswered at a time.
const WINDOW: usize = 3;
const RECORDS_PER_BATCH_MAX: u64 = 4;
const PADDING_MAX: u64 = 300;
const RETRY_PAUSE: Duration = Duration::from_millis(60);
/// How often the front of a lane may be refused for its sequence: one before it is known to be in the log.
const OUT_OF_ORDER_MAX: u32 = 100;

/// What every client knows.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) bootstrap: Vec<String>,
    pub(crate) history: History,
    pub(crate) stop: CancellationToken,
    pub(crate) seed: u64,
    /// Acknowledged by the leader alone, and believed to be by all: one of the mistakes that are built in.
    pub(crate) acks: i16,
}

impl Client {
    fn admin(&self, name: &'static str) -> Admin {
        let options = Options {
            client_id: name.into(),
            connect_timeout: Duration::from_millis(700),
            request_timeout: Duration::from_secs(4),
            ..Options::default()
        };
        let mut bootstrap = self.bootstrap.clone();
        let first = Random::new(self.seed).below(bootstrap.len() as u64);
        bootstrap.rotate_left(usize::try_from(first).unwrap_or(0));
        Admin::new(bootstrap, options)
    }
}

/// Who leads a partition, and the id of its topic.
async fn leader_of(admin: &Admin, (topic, index): &Place) -> Result<Option<(TopicId, NodeId)>, ClientError> {
    let described = admin.describe_topics(std::slice::from_ref(topic)).await?;
    let Some(Ok(described)) = described.get(topic) else { return Ok(None) };
    let partition = described.partitions.iter().find(|partition| partition.index == PartitionIndex(*index));
    Ok(partition.and_then(|partition| partition.leader).map(|leader| (described.id, leader)))
}

async fn connection_to_leader(admin: &Admin, place: &Place) -> Option<(TopicId, Connection)> {
    let (topic, leader) = leader_of(admin, place).await.ok()??;
    Some((topic, admin.broker(leader).await.ok()?))
}

/// A batch that is not acknowledged yet.
#[derive(Debug, Clone)]
struct Batch {
    first: u32,
    count: u32,
    is_done: bool,
    padding: usize,
}

/// One producer that writes to one partition.
pub(crate) struct Lane {
    client: Client,
    lane: u32,
    place: Place,
    admin: Admin,
    random: Random,
    producer: ProducerId,
    waiting: VecDeque<Batch>,
    next: u32,
    refused: u32,
}

impl Lane {
    pub(crate) fn new(client: Client, lane: u32, place: Place) -> Self {
        let random = Random::new(client.seed ^ u64::from(lane) << 32);
        let admin = client.admin("producer");
        let producer = ProducerId(-1);
        Self { client, lane, place, admin, random, producer, waiting: VecDeque::new(), next: 0, refused: 0 }
    }

    /// Produces until it is told to stop and everything is acknowledged.
    pub(crate) async fn run(mut self) {
        while self.producer.0 < 0 {
            if self.identify().await.is_none() {
                sleep(RETRY_PAUSE).await;
            }
        }
        loop {
            if self.client.stop.is_cancelled() && self.waiting.is_empty() {
                return;
            }
            self.fill();
            if self.send().await.is_none() {
                sleep(RETRY_PAUSE).await;
            }
            sleep(Duration::from_millis(self.random.between(1, 150))).await;
        }
    }

    async fn identify(&mut self) -> Option<()> {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let answer = self.admin.connection().await.ok()?.send(&request).await.ok()?;
        self.producer = ProducerId(if answer.error_code == 0 { answer.producer_id } else { -1 });
        Some(())
    }

    fn fill(&mut self) {
        while self.waiting.len() < WINDOW && !self.client.stop.is_cancelled() {
            let count = u32::try_from(self.random.between(1, RECORDS_PER_BATCH_MAX)).unwrap_or(1);
            let padding = usize::try_from(self.random.below(PADDING_MAX)).unwrap_or(0);
            self.waiting.push_back(Batch { first: self.next, count, is_done: false, padding });
            self.next += count;
            if self.random.one_in(2) {
                break;
            }
        }
        self.client.history.sends(self.lane, self.next);
    }

    /// Sends everything that waits, in order, without waiting for answers in between.
    async fn send(&mut self) -> Option<()> {
        let (topic, connection) = connection_to_leader(&self.admin, &self.place).await?;
        let open: Vec<usize> = (0..self.waiting.len()).filter(|at| !self.waiting[*at].is_done).collect();
        let requests: Vec<_> = open.iter().map(|at| self.request(topic, &self.waiting[*at])).collect();
        let answers = join_all(requests.iter().map(|request| connection.send(request))).await;
        let mut is_refused = false;
        for (at, answer) in open.into_iter().zip(answers) {
            let partition = answer.ok().and_then(|answer| answer.responses.into_iter().next());
            let partition = partition.and_then(|topic| topic.partition_responses.into_iter().next());
            let Some(partition) = partition else {
                is_refused = true;
                continue;
            };
            is_refused |= !self.take(at, ErrorCode::from(partition.error_code), partition.base_offset);
        }
        while self.waiting.pop_front_if(|batch| batch.is_done).is_some() {
            self.refused = 0;
        }
        (!is_refused).then_some(())
    }

    /// Whether the batch is acknowledged.
    fn take(&mut self, at: usize, code: ErrorCode, base_offset: i64) -> bool {
        match code {
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                let batch = &mut self.waiting[at];
                batch.is_done = true;
                for n in 0..batch.count {
                    let value = Value { lane: self.lane, number: batch.first + n };
                    let offset = (base_offset >= 0).then(|| base_offset + i64::from(n));
                    self.client.history.acknowledged(&self.place, value, offset);
                }
                true
            }
            ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId if at == 0 => {
                self.refused += 1;
                if self.refused == OUT_OF_ORDER_MAX {
                    let batch = &self.waiting[0];
                    let what = format!("{:?} refuses {batch:?} of lane {}: {code:?}", self.place, self.lane);
                    self.client.history.violated(what);
                }
                false
            }
            _ => false,
        }
    }

    fn request(&self, topic: TopicId, batch: &Batch) -> ProduceRequest {
        let sequence = i32::try_from(batch.first).unwrap_or(0);
        let mut builder = BatchBuilder::default().producer(self.producer, ProducerEpoch(0), sequence);
        for number in batch.first..batch.first + batch.count {
            let value = Value { lane: self.lane, number }.to_bytes(batch.padding);
            builder.push(NewRecord { timestamp: Timestamp(0), value: Some(&value), ..NewRecord::default() });
        }
        let records = Records::Bytes(builder.build().bytes().clone());
        let partition_data = vec![PartitionProduceData { index: self.place.1, records: Some(records) }];
        let topic_data =
            vec![TopicProduceData { name: self.place.0.as_str().into(), topic_id: topic.0, partition_data }];
        ProduceRequest { transactional_id: None, acks: self.client.acks, timeout_ms: 2_000, topic_data }
    }
}

/// Reads partitions from their beginning until it is told to stop.
pub(crate) async fn consume(client: Client, places: Vec<Place>) {
    let admin = client.admin("consumer");
    let mut positions: BTreeMap<Place, i64> = places.into_iter().map(|place| (place, 0)).collect();
    while !client.stop.is_cancelled() {
        for (place, position) in &mut positions {
            if read(&client, &admin, place, position).await.is_none() {
                sleep(RETRY_PAUSE).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn read(client: &Client, admin: &Admin, place: &Place, position: &mut i64) -> Option<()> {
    let (topic, connection) = connection_to_leader(admin, place).await?;
    let partition = FetchPartition {
        partition: place.1,
        current_leader_epoch: -1,
        fetch_offset: *position,
        partition_max_bytes: 64 * 1024,
        ..Default::default()
    };
    let topics =
        vec![FetchTopic { topic: place.0.as_str().into(), topic_id: topic.0, partitions: vec![partition] }];
    let request = FetchRequest { max_wait_ms: 100, min_bytes: 1, topics, ..Default::default() };
    let answer = connection.send(&request).await.ok()?;
    let partition = answer.responses.into_iter().next()?.partitions.into_iter().next()?;
    let code = ErrorCode::from(partition.error_code);
    let Some(Records::Bytes(records)) = partition.records.filter(|_| code == ErrorCode::None) else {
        if code == ErrorCode::OffsetOutOfRange {
            count("reads out of range", 1);
        }
        return (code == ErrorCode::None).then_some(());
    };
    let whole: Vec<_> = batches(records).map_while(Result::ok).collect();
    for (offset, value) in values(&whole).filter(|(offset, _)| *offset >= *position).collect::<Vec<_>>() {
        if offset != *position {
            client.history.violated(format!("{place:?} skips from offset {position} to {offset}"));
        }
        client.history.read(place, offset, value);
        *position = offset + 1;
    }
    Some(())
}

/// Changes the cluster's metadata at random until it is told to stop.
pub(crate) async fn administrate(client: Client, nodes: usize, places: Vec<Place>) {
    let admin = client.admin("admin");
    let mut random = Random::new(client.seed ^ 0xad);
    let mut made: Vec<String> = Vec::new();
    while !client.stop.is_cancelled() {
        sleep(Duration::from_millis(random.between(100, 1_500))).await;
        match random.below(6) {
            0 | 1 => create(&client, &admin, &mut made, &mut random).await,
            2 => delete(&client, &admin, &mut made, &mut random).await,
            3 => elect(&admin).await,
            4 => reassign(&admin, nodes, &places, &mut random).await,
            _ => grow(&admin, &made, &mut random).await,
        }
    }
}

async fn create(client: &Client, admin: &Admin, made: &mut Vec<String>, random: &mut Random) {
    let name = format!("extra-{}", made.len());
    let topic = NewTopic {
        name: name.clone(),
        partitions: Some(i32::try_from(random.between(1, 4)).unwrap_or(1)),
        replication_factor: Some(i16::try_from(random.between(1, 3)).unwrap_or(1)),
        configs: BTreeMap::new(),
    };
    made.push(name.clone());
    if let Ok(done) = admin.create_topics(&[topic], false).await
        && done.values().all(Result::is_ok)
    {
        client.history.topic(&name, true);
        count("topics created", 1);
    }
}

async fn delete(client: &Client, admin: &Admin, made: &mut [String], random: &mut Random) {
    let Some(name) = random.pick(made).cloned() else { return };
    client.history.topic_is_unclear(&name);
    if let Ok(done) = admin.delete_topics(std::slice::from_ref(&name)).await
        && done.values().all(Result::is_ok)
    {
        client.history.topic(&name, false);
        count("topics deleted", 1);
    }
}

async fn elect(admin: &Admin) {
    let request = ElectLeadersRequest { election_type: 0, topic_partitions: None, timeout_ms: 2_000 };
    if let Ok(connection) = admin.connection().await
        && connection.send(&request).await.is_ok()
    {
        count("preferred elections asked for", 1);
    }
}

async fn reassign(admin: &Admin, nodes: usize, places: &[Place], random: &mut Random) {
    let Some((topic, index)) = random.pick(places).cloned() else { return };
    let mut replicas: Vec<NodeId> = (1..=nodes).filter_map(|id| i32::try_from(id).ok()).map(NodeId).collect();
    while replicas.len() > 3 {
        let at = random.below(replicas.len() as u64);
        replicas.remove(usize::try_from(at).unwrap_or(0));
    }
    replicas.rotate_left(usize::try_from(random.below(3)).unwrap_or(0));
    let wanted = BTreeMap::from([((topic, PartitionIndex(index)), replicas)]);
    if admin.alter_reassignments(&wanted).await.is_ok_and(|done| done.values().all(Result::is_ok)) {
        count("reassignments", 1);
    }
}

async fn grow(admin: &Admin, made: &[String], random: &mut Random) {
    let Some(name) = random.pick(made).cloned() else { return };
    let counts = BTreeMap::from([(name, i32::try_from(random.between(2, 6)).unwrap_or(2))]);
    if admin.create_partitions(&counts).await.is_ok_and(|done| done.values().all(Result::is_ok)) {
        count("topics grown", 1);
    }
}
