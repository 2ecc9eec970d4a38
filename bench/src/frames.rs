//! Requests of the load, encoded once: only the correlation id, and the offset of a fetch, change from send to send.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use milena_protocol::messages::{
    FetchRequest, ProduceRequest,
    fetch::{FetchPartition, FetchTopic},
    produce::{PartitionProduceData, TopicProduceData},
};
use milena_protocol::records::{BATCH_HEADER_BYTES, BatchBuilder, BatchHeader, Compression, NewRecord};
use milena_protocol::{Records, Request, Timestamp, frames};

/// Where the correlation id stands in a request, its size prefix included.
const CORRELATION_ID_AT: usize = 8;
/// The last Produce version that names topics and the last Fetch version in the older form.
const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 11;

/// What the records of a Produce request look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) record_bytes: usize,
    pub(crate) batch_records: u64,
    /// Batches of a request, each for a partition of its own.
    pub(crate) batches: usize,
    pub(crate) compression: Compression,
    pub(crate) keyed: bool,
    pub(crate) acks: i16,
}

impl Shape {
    /// One record of 1 KB.
    pub(crate) const ONE_KILOBYTE: Self = Self {
        record_bytes: 1024,
        batch_records: 1,
        batches: 1,
        compression: Compression::None,
        keyed: false,
        acks: 1,
    };

    /// Values of `record_bytes` in batches of at most `batch_bytes`, one batch a request.
    pub(crate) fn new(record_bytes: usize, batch_bytes: usize) -> Self {
        let batch_records = (batch_bytes / (record_bytes + 10)).max(1) as u64;
        Self { record_bytes, batch_records, ..Self::ONE_KILOBYTE }
    }
}

/// A Produce request that can be sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct ProduceFrame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: u64,
    /// Bytes of the values.
    pub(crate) payload_bytes: u64,
}

impl ProduceFrame {
    /// A request for `topic` whose batches go to the partitions from `partition` on, around `partitions`.
    pub(crate) fn new(
        topic: &str,
        partition: usize,
        partitions: usize,
        shape: &Shape,
    ) -> anyhow::Result<Self> {
        let data = |batch: usize| PartitionProduceData {
            index: ((partition + batch) % partitions) as i32,
            records: Some(Records::Bytes(batch_of(shape, (partition + batch) as u64))),
        };
        let partition_data = (0..shape.batches).map(data).collect();
        let topic = TopicProduceData { name: topic.into(), partition_data, ..Default::default() };
        let request = ProduceRequest {
            acks: shape.acks,
            timeout_ms: 30_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        let records = shape.batch_records * shape.batches as u64;
        let payload_bytes = records * shape.record_bytes as u64;
        Ok(Self { bytes: encode(PRODUCE_VERSION, &request)?, records, payload_bytes })
    }

    pub(crate) fn set_correlation_id(&mut self, id: u32) {
        self.bytes[CORRELATION_ID_AT..][..4].copy_from_slice(&id.to_be_bytes());
    }

    /// Checks the answer, whose size prefix is gone already.
    pub(crate) fn check(answer: &[u8]) -> anyhow::Result<()> {
        let answer = bytes::Bytes::copy_from_slice(answer);
        let response = frames::decode_response::<ProduceRequest>(answer, PRODUCE_VERSION)?;
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        match partitions.find(|partition| partition.error_code != 0) {
            Some(refused) => anyhow::bail!("produce refused with error {}", refused.error_code),
            None => Ok(()),
        }
    }
}

fn batch_of(shape: &Shape, seed: u64) -> bytes::Bytes {
    let mut random = Random(seed + 1);
    let mut builder = BatchBuilder::default().compression(shape.compression);
    let timestamp = now();
    for _ in 0..shape.batch_records {
        let value: Vec<u8> = (0..shape.record_bytes).map(|_| b'A' + (random.next() % 26) as u8).collect();
        let key = format!("truck-{:05}", random.next() % 10_000);
        let key = shape.keyed.then_some(key.as_bytes());
        builder.push(NewRecord { timestamp, key, value: Some(&value), headers: &[] });
    }
    builder.build().into_bytes()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_millis() as i64)
}

fn encode<R: Request>(version: i16, request: &R) -> anyhow::Result<Vec<u8>> {
    let frame = frames::request_frame(0, Some("bench".into()), version, request);
    Ok(frame.into_bytes().context("encode a request")?.to_vec())
}

/// A Fetch request for one partition.
#[derive(Debug, Clone)]
pub(crate) struct FetchFrame {
    pub(crate) bytes: Vec<u8>,
    offset_at: usize,
    topic_bytes: usize,
}

impl FetchFrame {
    pub(crate) fn new(topic: &str, partition: usize, bytes_max: i32) -> anyhow::Result<Self> {
        let marker = 0x1122_3344_5566_7788_i64;
        let wanted = FetchPartition {
            partition: partition as i32,
            fetch_offset: marker,
            partition_max_bytes: bytes_max,
            ..Default::default()
        };
        let asked = FetchTopic { topic: topic.into(), partitions: vec![wanted], ..Default::default() };
        let request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 50 << 20,
            topics: vec![asked],
            ..Default::default()
        };
        let bytes = encode(FETCH_VERSION, &request)?;
        let offset_at = bytes.windows(8).position(|window| window == marker.to_be_bytes());
        Ok(Self { bytes, offset_at: offset_at.context("the offset of a fetch")?, topic_bytes: topic.len() })
    }

    pub(crate) fn set_offset(&mut self, offset: i64) {
        self.bytes[self.offset_at..][..8].copy_from_slice(&offset.to_be_bytes());
    }

    /// The offset after the last whole batch of the answer, and the bytes of records. Fields stand where version 11
    /// puts them for one partition without aborted transactions.
    pub(crate) fn read(&self, answer: &[u8]) -> anyhow::Result<(Option<i64>, usize)> {
        let partition = 4 + 4 + 2 + 4 + 4 + 2 + self.topic_bytes + 4;
        let fields = answer.get(partition..partition + 42).context("a fetch answer without a partition")?;
        ensure!(fields[4..6] == [0, 0], "fetch refused with error {}", fields[5]);
        let mut records = &answer[partition + 42..];
        let (bytes, mut next) = (records.len(), None);
        while records.len() >= BATCH_HEADER_BYTES {
            let header = BatchHeader::parse(records)?;
            let Some(rest) = records.get(header.size_bytes()..) else { break };
            next = Some(header.next_offset().0);
            records = rest;
        }
        Ok((next, bytes))
    }
}

/// A xorshift generator: enough for contents, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }
}
