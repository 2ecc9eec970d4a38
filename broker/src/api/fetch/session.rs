//! The session side of a Fetch request: its fields as `core` wants them, under a lock that no await sees.

use std::sync::{MutexGuard, PoisonError};

use bytestring::ByteString;
use milena_core::session::{Finished, Outcome, PartitionKey, SessionRequest, Sessions, Turn};
use milena_protocol::messages::fetch::{FetchRequest, FetchTopic};
use milena_protocol::{ErrorCode, Offset, PartitionIndex, TopicId, Uuid};

use crate::broker::{Broker, RequestContext};
use crate::partition::{Read, now};

/// Topics are named by id from this version on.
const VERSION_TOPIC_IDS: i16 = 13;
/// The replica id moved into the replica state.
const VERSION_REPLICA_STATE: i16 = 15;

/// What to read for a request, or the error of its session.
pub(super) fn begin(
    broker: &Broker,
    context: &RequestContext,
    request: &FetchRequest,
) -> Result<Turn, ErrorCode> {
    let request = session_request(context.version, request);
    let image = broker.image();
    let name_of = |id| image.topic_by_id(id).map(|topic| topic.name.clone());
    sessions(broker).begin(now(), request, name_of)
}

/// Which of what was read the answer tells.
pub(super) fn finish(broker: &Broker, turn: &Turn, results: &[Result<Read, ErrorCode>]) -> Finished {
    let outcomes: Vec<Outcome> = results.iter().map(outcome).collect();
    sessions(broker).finish(now(), rand::random(), turn, &outcomes)
}

fn sessions(broker: &Broker) -> MutexGuard<'_, Sessions> {
    broker.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The broker that replicates; -1 for a consumer, -2 for a debugger.
pub(super) fn replica_id(version: i16, request: &FetchRequest) -> i32 {
    match version {
        VERSION_REPLICA_STATE.. => request.replica_state.replica_id,
        _ => request.replica_id,
    }
}

fn session_request(version: i16, request: &FetchRequest) -> SessionRequest {
    let replica_id = replica_id(version, request);
    let asked = |topic: &FetchTopic| {
        let (name, id) = (owned(&topic.topic), topic.topic_id);
        let asked = topic.partitions.iter().cloned();
        asked.map(|asked| (key(&name, id, asked.partition), asked)).collect::<Vec<_>>()
    };
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| key(&topic.topic, topic.topic_id, *partition))
    });
    SessionRequest {
        session_id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids: version >= VERSION_TOPIC_IDS,
        is_follower: replica_id >= 0,
        partitions: request.topics.iter().flat_map(asked).collect(),
        forgotten: forgotten.collect(),
    }
}

/// A copy, because a session outlives the frame that the name is a slice of.
fn owned(name: &ByteString) -> ByteString {
    ByteString::from(&**name)
}

fn key(topic: &ByteString, topic_id: Uuid, partition: i32) -> PartitionKey {
    PartitionKey { topic: topic.clone(), topic_id: TopicId(topic_id), partition: PartitionIndex(partition) }
}

fn outcome(result: &Result<Read, ErrorCode>) -> Outcome {
    match result {
        Ok(read) => Outcome {
            records_bytes: read.records.len(),
            high_watermark: read.high_watermark,
            log_start_offset: read.log_start_offset,
            error: ErrorCode::None,
            is_redirected: read.diverged.is_some() || read.preferred.is_some(),
        },
        Err(error) => Outcome {
            records_bytes: 0,
            high_watermark: Offset::NONE,
            log_start_offset: Offset::NONE,
            error: *error,
            is_redirected: false,
        },
    }
}
