//! Produce (key 0, versions 0-13): appends one record batch per partition.
//!
//! - The appends happen before the first await, so that requests of one connection are appended in order; `acks=all`
//!   then waits for the high watermark of all partitions together, at most `timeout_ms`.
//! - `acks=0` has no answer; a failure closes the connection, which is how such a client learns of it.
//! - What is appended and not committed in time has an error, and its offset.
//! - Each partition succeeds or fails by itself. A retry of an idempotent producer is answered with the first try's
//!   offset.
//! - Topics are named by id from version 13 on (KIP-516). Version 8 names the records to blame (KIP-467), version 10
//!   the new leader (KIP-951).
//! - Internal topics are written by coordinators alone, except to the client id `__admin_client`, as in Kafka.
//! - Transactional records are refused: transactions are not built.
//!
//! Versions 0 to 2 are advertised, because old librdkafka turns features off without them, and close the connection
//! when they are used, as in Apache Kafka (KAFKA-18659).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use milena_core::metadata::{TopicImage, topic_name};
use milena_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use milena_protocol::records::{BatchError, BatchHeader, Rejection, check_produced_form};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, Records, TopicId};
use tokio::time::{Instant, timeout_at};

use crate::api::unbuilt;
use crate::broker::{Broker, RequestContext};
use crate::dispatch::Answer;
use crate::partition::{Appended, Partition, ProduceTerms};

const ACKS_NONE: i16 = 0;
const ACKS_LEADER: i16 = 1;
const ACKS_ALL: i16 = -1;
/// The client id that may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// The first version that knows zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ProduceRequest,
) -> Answer<ProduceResponse> {
    let acks = request.acks;
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut tried = append_all(broker, context, request);
    if acks == ACKS_NONE {
        return match first_error(&tried) {
            Some(error) => Answer::Close(format!("produce with acks=0 failed: {error}")),
            None => Answer::Silent,
        };
    }
    commit_all(&mut tried, acks, deadline).await;
    Answer::Send(respond(broker, context, tried))
}

/// What became of one partition of the request.
struct Tried {
    index: i32,
    partition: Option<Arc<Partition>>,
    result: Result<Appended, Rejection>,
    /// Where the records stand, committed or not.
    appended: Option<Appended>,
}

struct TriedTopic {
    name: ByteString,
    id: TopicId,
    partitions: Vec<Tried>,
}

fn append_all(broker: &Broker, context: &RequestContext, request: ProduceRequest) -> Vec<TriedTopic> {
    let refusal = refusal(&request);
    let terms =
        ProduceTerms { acks_all: request.acks == ACKS_ALL, zstd_allowed: context.version >= ZSTD_VERSION };
    let append_topic = |topic: TopicProduceData| {
        let target = Target { broker, context, id: TopicId(topic.topic_id), name: topic.name };
        let partitions =
            topic.partition_data.into_iter().map(|data| target.append(data, refusal, terms)).collect();
        TriedTopic { name: target.name, id: target.id, partitions }
    };
    request.topic_data.into_iter().map(append_topic).collect()
}

/// What stands against the request as a whole.
fn refusal(request: &ProduceRequest) -> Option<ErrorCode> {
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    if request.transactional_id.is_some() {
        return Some(unbuilt::TRANSACTION);
    }
    let is_known = matches!(request.acks, ACKS_NONE | ACKS_LEADER | ACKS_ALL);
    partitions.find_map(objection).or((!is_known).then_some(ErrorCode::InvalidRequiredAcks))
}

/// What stands against a request because of the first batch of one partition. Kafka looks for transactional batches
/// before anything else, and gives the whole request up where it finds what is no batch.
fn objection(data: &PartitionProduceData) -> Option<ErrorCode> {
    let Some(Records::Bytes(records)) = &data.records else { return None };
    match BatchHeader::parse(records) {
        Ok(header) => header.attributes.is_transactional().then_some(unbuilt::TRANSACTION),
        Err(BatchError::Magic(0 | 1)) => None,
        Err(BatchError::Length(_) | BatchError::Magic(_)) => Some(ErrorCode::CorruptMessage),
        Err(_) => None,
    }
}

/// A topic that is written to.
struct Target<'a> {
    broker: &'a Broker,
    context: &'a RequestContext,
    id: TopicId,
    name: ByteString,
}

impl Target<'_> {
    fn append(&self, data: PartitionProduceData, refusal: Option<ErrorCode>, terms: ProduceTerms) -> Tried {
        let index = data.index;
        let refused = |rejection| Tried { index, partition: None, result: Err(rejection), appended: None };
        // What concerns the records of the whole request is told first, then a partition that is not there, as in Kafka.
        let partition = match (refusal, self.find(PartitionIndex(index))) {
            (Some(code @ (unbuilt::TRANSACTION | ErrorCode::CorruptMessage)), _) | (_, Err(code)) => {
                return refused(Rejection::new(code, ""));
            }
            (_, Ok(partition)) => partition,
        };
        let records = match data.records {
            Some(Records::Bytes(records)) => records,
            _ => Bytes::new(),
        };
        if let Some(code) = refusal {
            let form = check_produced_form(records, terms.zstd_allowed);
            return refused(form.err().unwrap_or(Rejection::new(code, "")));
        }
        let result = partition.produce(records, terms);
        let appended = result.as_ref().ok().copied();
        Tried { index, partition: Some(partition), result, appended }
    }

    fn find(&self, index: PartitionIndex) -> Result<Arc<Partition>, ErrorCode> {
        let partitions = &self.broker.partitions;
        let partition = if self.context.version >= 13 {
            partitions.of_id(self.id, index)?
        } else {
            partitions.of(&self.name, index)?
        };
        if topic_name::is_internal(&partition.topic) && self.context.client_id != ADMIN_CLIENT_ID {
            return Err(ErrorCode::InvalidTopicException);
        }
        Ok(partition)
    }
}

fn first_error(tried: &[TriedTopic]) -> Option<ErrorCode> {
    let mut partitions = tried.iter().flat_map(|topic| &topic.partitions);
    partitions.find_map(|tried| tried.result.as_ref().err().map(|rejection| rejection.code))
}

/// Waits for every append until the deadline: for the in-sync replicas, or for the disk alone. One after the other is
/// as soon as all at once, as none is answered before the last.
async fn commit_all(tried: &mut [TriedTopic], acks: i16, deadline: Instant) {
    for tried in tried.iter_mut().flat_map(|topic| &mut topic.partitions) {
        let (Some(partition), Ok(appended)) = (&tried.partition, &tried.result) else { continue };
        let settled = async {
            if acks == ACKS_ALL {
                partition.committed(appended).await
            } else {
                partition.durable(appended).await
            }
        };
        if let Err(code) = timeout_at(deadline, settled).await.unwrap_or(Err(ErrorCode::RequestTimedOut)) {
            tried.result = Err(Rejection::new(code, ""));
        }
    }
}

fn respond(broker: &Broker, context: &RequestContext, tried: Vec<TriedTopic>) -> ProduceResponse {
    let mut leaders = Vec::new();
    let image = broker.image();
    let mut respond_partition = |topic: Option<&TopicImage>, tried: Tried| {
        let is_moved =
            matches!(&tried.result, Err(rejection) if rejection.code == ErrorCode::NotLeaderOrFollower);
        let moved = topic.filter(|_| is_moved).and_then(|topic| topic.partition(PartitionIndex(tried.index)));
        let leader = moved.filter(|moved| moved.leader != NodeId::NONE).map(|moved| {
            leaders.push(moved.leader);
            LeaderIdAndEpoch { leader_id: moved.leader.0, leader_epoch: moved.leader_epoch.0 }
        });
        PartitionProduceResponse { current_leader: leader.unwrap_or_default(), ..answer(tried) }
    };
    let respond_topic = |topic: TriedTopic| {
        let known =
            if topic.name.is_empty() { image.topic_by_id(topic.id) } else { image.topic(&topic.name) };
        let answered = topic.partitions.into_iter().map(|tried| respond_partition(known, tried));
        TopicProduceResponse {
            partition_responses: answered.collect(),
            name: topic.name,
            topic_id: topic.id.0,
        }
    };
    let responses = tried.into_iter().map(respond_topic).collect();
    leaders.sort_unstable();
    leaders.dedup();
    let endpoint = |leader| {
        let leader = image.broker(leader)?;
        let endpoint = leader.endpoint(&context.listener.name)?;
        let (host, port) = (endpoint.host.clone(), i32::from(endpoint.port));
        Some(NodeEndpoint { node_id: leader.id.0, host, port, rack: leader.rack.clone() })
    };
    let node_endpoints = leaders.into_iter().filter_map(endpoint).collect();
    ProduceResponse { responses, node_endpoints, ..ProduceResponse::default() }
}

fn answer(tried: Tried) -> PartitionProduceResponse {
    match (tried.result, tried.appended) {
        (Ok(appended), _) => placed(tried.index, appended),
        (Err(rejection), Some(appended)) => {
            PartitionProduceResponse { error_code: rejection.code.code(), ..placed(tried.index, appended) }
        }
        (Err(rejection), None) => PartitionProduceResponse {
            index: tried.index,
            error_code: rejection.code.code(),
            base_offset: -1,
            log_start_offset: tried
                .partition
                .filter(|_| tells_log_start(rejection.code))
                .map_or(-1, |partition| partition.log_start_offset().0),
            record_errors: rejection.records.into_iter().map(record_error).collect(),
            error_message: Some(rejection.message)
                .filter(|message| !message.is_empty())
                .map(ByteString::from),
            ..PartitionProduceResponse::default()
        },
    }
}

fn placed(index: i32, appended: Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: appended.base_offset.0,
        log_append_time_ms: appended.log_append_time.0,
        log_start_offset: appended.log_start_offset.0,
        ..PartitionProduceResponse::default()
    }
}

/// Kafka knows the log start by the time it judges records and sequences; it does not tell it with other errors.
fn tells_log_start(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
            | ErrorCode::UnsupportedCompressionType
    )
}

fn record_error((batch_index, message): (i32, String)) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage { batch_index, batch_index_error_message: Some(message.into()) }
}

#[cfg(test)]
mod tests {
    use milena_protocol::{LeaderEpoch, Offset, Timestamp};

    use super::*;

    #[test]
    fn records_that_are_not_committed_in_time_are_told_with_their_offset() {
        let appended = Appended {
            base_offset: Offset(7),
            last_offset: Offset(8),
            log_append_time: Timestamp(5),
            log_start_offset: Offset(2),
            leader_epoch: LeaderEpoch(0),
        };
        let told = |appended| {
            let result = Err(Rejection::new(ErrorCode::RequestTimedOut, ""));
            let told = answer(Tried { index: 1, partition: None, result, appended });
            assert_eq!((told.index, told.error_code), (1, ErrorCode::RequestTimedOut.code()));
            (told.base_offset, told.log_append_time_ms, told.log_start_offset)
        };
        assert_eq!(told(Some(appended)), (7, 5, 2));
        assert_eq!(told(None), (-1, -1, -1));
    }
}
