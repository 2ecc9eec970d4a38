//! DeleteRecords (key 21, versions 0-2): moves the log start of partitions forward (KIP-107).
//!
//! - Offset -1 is the high watermark; beyond it, or another negative one, is OFFSET_OUT_OF_RANGE. An offset below the
//!   log start changes nothing and is no error.
//! - A topic that is compacted only is POLICY_VIOLATION, an internal one INVALID_TOPIC_EXCEPTION.
//! - Answers the low watermark, -1 with an error: where the first of the logs starts, this leader's and those of its live
//!   followers, who take the leader's start over as they fetch.
//! - `timeout_ms` is for the wait for followers, REQUEST_TIMED_OUT its end; what this leader does itself is done when it
//!   answers.
//! - Segments below the log start go at once. Deliberate difference: the log start is on disk before the answer, where
//!   Apache Kafka writes it within a minute and records may come back after a crash.

use std::sync::Arc;
use std::time::Duration;

use milena_core::metadata::topic_name;
use milena_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopic, DeleteRecordsTopicResult,
};
use milena_protocol::{ErrorCode, Offset, PartitionIndex};
use tokio::time::{Instant, timeout_at};

use crate::broker::{Broker, RequestContext};
use crate::dispatch::Answer;
use crate::partitions::NewStart;
use crate::task;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DeleteRecordsRequest,
) -> Answer<DeleteRecordsResponse> {
    // Records that are produced after this request are not its business.
    let wanted: Vec<_> = request.topics.into_iter().filter(|topic| !topic.partitions.is_empty()).collect();
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let plans: Vec<_> = wanted.iter().flat_map(|topic| plan_topic(broker, topic)).collect();
    let planned: Vec<_> = plans.iter().map(|plan| plan.as_ref().ok().cloned()).collect();
    let partitions = broker.partitions.clone();
    let moved = task::spawn_blocking(move || partitions.move_starts(plans)).await;
    let Ok(moved) = moved else { return Answer::Close("DeleteRecords did not end".to_owned()) };
    let mut everywhere = Vec::with_capacity(moved.len());
    for (planned, moved) in planned.into_iter().zip(moved) {
        everywhere.push(match (planned, moved) {
            (Some(new), Ok(_)) => gone_everywhere(&new, deadline).await,
            (_, moved) => moved,
        });
    }
    let mut moved = everywhere.into_iter();
    let topics = wanted.into_iter().map(|topic| DeleteRecordsTopicResult {
        name: topic.name,
        partitions: topic.partitions.iter().zip(&mut moved).map(answer).collect(),
    });
    Answer::Send(DeleteRecordsResponse { topics: topics.collect(), ..DeleteRecordsResponse::default() })
}

async fn gone_everywhere(new: &NewStart, deadline: Instant) -> Result<Offset, ErrorCode> {
    let gone = timeout_at(deadline, new.partition.deleted_below(new.offset)).await;
    gone.unwrap_or(Err(ErrorCode::RequestTimedOut))
}

fn plan_topic(
    broker: &Broker,
    topic: &DeleteRecordsTopic,
) -> impl Iterator<Item = Result<NewStart, ErrorCode>> {
    topic.partitions.iter().map(|partition| plan(broker, &topic.name, partition))
}

fn plan(broker: &Broker, topic: &str, request: &DeleteRecordsPartition) -> Result<NewStart, ErrorCode> {
    let index = PartitionIndex(request.partition_index);
    if topic_name::is_internal(topic) && broker.image().partition(topic, index).is_some() {
        return Err(ErrorCode::InvalidTopicException);
    }
    let partition = broker.partitions.of(topic, index)?;
    let offset = partition.plan_new_start(Offset(request.offset))?;
    Ok(NewStart { partition, offset })
}

fn answer(
    (request, moved): (&DeleteRecordsPartition, Result<Offset, ErrorCode>),
) -> DeleteRecordsPartitionResult {
    let (low_watermark, error_code) = match moved {
        Ok(offset) => (offset, ErrorCode::None),
        Err(code) => (Offset::NONE, code),
    };
    DeleteRecordsPartitionResult {
        partition_index: request.partition_index,
        low_watermark: low_watermark.0,
        error_code: error_code.code(),
    }
}
