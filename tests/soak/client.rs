//! A client that speaks frames, for what the outside clients do not do or do not tell.

use std::io;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use milena_protocol::messages::create_partitions::CreatePartitionsTopic;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic};
use milena_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_protocol::messages::metadata::MetadataRequestTopic;
use milena_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use milena_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, FetchRequest,
    FindCoordinatorRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
};
use milena_protocol::records::{RecordBatch, batches};
use milena_protocol::{ErrorCode, ProducerId, Records, Request, Uuid};
use milena_tests::{eventually, frame};

use crate::PATIENCE;
use crate::content;
use crate::ledger::{Decoded, Found, Reading};

/// Bytes asked for at once.
const FETCH_BYTES: i32 = 2 << 20;
/// The type of resource that is a topic.
const TOPIC: i8 = 2;
const TIMEOUT_MS: i32 = 60_000;

/// A partition by its topic's name and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) topic: &'static str,
    pub(crate) id: Uuid,
    pub(crate) index: i32,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        frame::connect(address).map(Self)
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        frame::exchange(&mut self.0, version, request)
    }

    fn produce_request(place: Place, acks: i16, batch: Bytes) -> ProduceRequest {
        let records = Some(Records::Bytes(batch));
        let partition_data = vec![PartitionProduceData { index: place.index, records }];
        let topic = TopicProduceData { topic_id: place.id, partition_data, ..Default::default() };
        ProduceRequest { acks, timeout_ms: TIMEOUT_MS, topic_data: vec![topic], ..Default::default() }
    }

    pub(crate) fn produce(
        &mut self,
        place: Place,
        acks: i16,
        batch: Bytes,
    ) -> io::Result<PartitionProduceResponse> {
        let mut response = self.ask(13, &Self::produce_request(place, acks, batch))?;
        Ok(response.responses.remove(0).partition_responses.remove(0))
    }

    /// Sends a batch that nobody answers.
    pub(crate) fn produce_blindly(&mut self, place: Place, batch: Bytes) -> io::Result<()> {
        let request = Self::produce_request(place, 0, batch);
        io::Write::write_all(&mut self.0, &frame::request_bytes(7, 13, &request))
    }

    pub(crate) fn producer_id(&mut self) -> io::Result<ProducerId> {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let response = self.ask(5, &request)?;
        assert_eq!(ErrorCode::from(response.error_code), ErrorCode::None);
        Ok(ProducerId(response.producer_id))
    }

    /// Creates a topic and yields its id, `None` where it is there already.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> io::Result<Option<Uuid>> {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
        let created = self.ask(7, &request)?.topics.remove(0);
        let code = ErrorCode::from(created.error_code);
        assert!(matches!(code, ErrorCode::None | ErrorCode::TopicAlreadyExists), "{created:?}");
        Ok((code == ErrorCode::None).then_some(created.topic_id))
    }

    pub(crate) fn delete_topic(&mut self, name: &str) -> io::Result<()> {
        let request = DeleteTopicsRequest {
            topic_names: vec![name.into()],
            timeout_ms: TIMEOUT_MS,
            ..Default::default()
        };
        let response = self.ask(5, &request)?;
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
        Ok(())
    }

    pub(crate) fn grow(&mut self, name: &str, count: i32) -> io::Result<()> {
        let topic = CreatePartitionsTopic { name: name.into(), count, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false };
        let response = self.ask(2, &request)?;
        assert_eq!(response.results[0].error_code, 0, "{response:?}");
        Ok(())
    }

    /// Sets a key of a topic's configuration.
    pub(crate) fn configure(&mut self, topic: &str, (name, value): (&str, &str)) -> io::Result<()> {
        let configs =
            vec![AlterableConfig { name: name.into(), config_operation: 0, value: Some(value.into()) }];
        let resource = AlterConfigsResource { resource_type: TOPIC, resource_name: topic.into(), configs };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = self.ask(1, &request)?;
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
        Ok(())
    }

    /// Id and number of partitions of a topic, if it is there.
    pub(crate) fn describe(&mut self, name: &str) -> io::Result<Option<(Uuid, usize)>> {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let topic = self.ask(12, &request)?.topics.remove(0);
        Ok((topic.error_code == 0).then_some((topic.topic_id, topic.partitions.len())))
    }

    /// The log start after the deletion; nothing where the offset is out of range, or the topic gone.
    pub(crate) fn delete_records(&mut self, place: Place, offset: i64) -> io::Result<Option<i64>> {
        let partitions = vec![DeleteRecordsPartition { partition_index: place.index, offset }];
        let topics = vec![DeleteRecordsTopic { name: place.topic.into(), partitions }];
        let response = self.ask(2, &DeleteRecordsRequest { topics, timeout_ms: TIMEOUT_MS })?;
        let answer = &response.topics[0].partitions[0];
        Ok((answer.error_code == 0).then_some(answer.low_watermark))
    }

    fn has_coordinator(&mut self, group: &str) -> io::Result<bool> {
        let find = FindCoordinatorRequest { key: group.into(), ..Default::default() };
        Ok(self.ask(2, &find)?.error_code == 0)
    }

    /// Commits an offset of a group without members; false where the coordinator is not there yet.
    pub(crate) fn commit(&mut self, group: &str, place: Place, offset: i64) -> io::Result<bool> {
        if !self.has_coordinator(group)? {
            return Ok(false);
        }
        let partition = OffsetCommitRequestPartition {
            partition_index: place.index,
            committed_offset: offset,
            committed_metadata: Some(format!("{offset:03000}").into()),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: place.topic.into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request =
            OffsetCommitRequest { group_id: group.into(), topics: vec![topic], ..Default::default() };
        Ok(self.ask(8, &request)?.topics[0].partitions[0].error_code == 0)
    }

    /// What a group has committed, -1 for nothing.
    pub(crate) fn committed(&mut self, group: &str) -> Vec<(String, i32, i64)> {
        let request = OffsetFetchRequest { group_id: group.into(), topics: None, ..Default::default() };
        let topics = eventually("a group's offsets", PATIENCE, || {
            if !self.has_coordinator(group).unwrap() {
                return None;
            }
            let response = self.ask(7, &request).unwrap();
            (response.error_code == 0).then_some(response.topics)
        });
        let offsets = topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                (topic.name.to_string(), partition.partition_index, partition.committed_offset)
            })
        });
        offsets.collect()
    }

    fn offset(&mut self, place: Place, timestamp: i64) -> i64 {
        let partition =
            ListOffsetsPartition { partition_index: place.index, timestamp, ..Default::default() };
        let topics = vec![ListOffsetsTopic { name: place.topic.into(), partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        eventually("a leader", PATIENCE, || {
            let response = self.ask(7, &request).unwrap();
            let found = &response.topics[0].partitions[0];
            (found.error_code == 0).then_some(found.offset)
        })
    }

    /// Reads a partition from its start to its end. Retention may go on meanwhile; reading begins anew then.
    pub(crate) fn read(&mut self, place: Place, decoded: &mut Decoded) -> Reading {
        eventually("a log that is read before its start moves on", PATIENCE, || {
            let (start, end) = (self.offset(place, -2), self.offset(place, -1));
            let (mut again, mut next) = (Decoded::new(), start);
            let mut records = Vec::new();
            while next < end {
                let (behind, batches) = self.fetch(place, next)?;
                for batch in batches {
                    let key = (batch.header().base_offset.0, batch.header().crc);
                    let found = decoded.get(&key).cloned().unwrap_or_else(|| decode(&batch));
                    records.extend_from_slice(&found);
                    again.insert(key, found);
                }
                next = behind.max(next + 1);
            }
            *decoded = again;
            records.retain(|found| (start..end).contains(&found.offset));
            let now_ms = now_ms();
            (self.offset(place, -2) == start).then_some(Reading { start, end, records, now_ms })
        })
    }

    /// Fetches some batches and the offset behind them, `None` where the log starts later by now.
    fn fetch(&mut self, place: Place, next: i64) -> Option<(i64, Vec<RecordBatch>)> {
        let partition = FetchPartition {
            partition: place.index,
            fetch_offset: next,
            partition_max_bytes: FETCH_BYTES,
            ..Default::default()
        };
        let topic = FetchTopic { topic_id: place.id, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { min_bytes: 1, topics: vec![topic], ..Default::default() };
        let data = self.ask(13, &request).unwrap().responses.remove(0).partitions.remove(0);
        if ErrorCode::from(data.error_code) == ErrorCode::OffsetOutOfRange {
            return None;
        }
        assert_eq!(ErrorCode::from(data.error_code), ErrorCode::None, "{place:?} from {next}");
        let bytes = data.records.unwrap().into_bytes().unwrap();
        let batches: Vec<_> = batches(bytes).map_while(Result::ok).collect();
        batches.iter().for_each(|batch| batch.check_crc().unwrap());
        let behind = batches.last().map_or(data.high_watermark, |last| last.header().next_offset().0);
        Some((behind, batches))
    }
}

fn decode(batch: &RecordBatch) -> Vec<Found> {
    let records = batch.records().unwrap().map(Result::unwrap);
    let found = records.map(|record| Found {
        offset: record.offset.0,
        content: content::of_record(&record),
        timestamp: record.timestamp.0,
        key: content::key_of(record.key.as_deref()),
    });
    found.collect()
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
