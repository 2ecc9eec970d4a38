//! AlterReplicaLogDirs (key 34, versions 1-2): moves replicas between the log directories of this broker (KIP-113).
//!
//! - A directory is named by its absolute path; one that is not of this broker is LOG_DIR_NOT_FOUND, one that is offline
//!   KAFKA_STORAGE_ERROR, one that is cordoned INVALID_REPLICA_ASSIGNMENT (KIP-1066).
//! - A replica that is in the directory stays, and a move of it that is under way ends.
//! - A replica that is not here is REPLICA_NOT_AVAILABLE; it goes to the directory when it comes.
//! - While any directory is offline no move begins: KAFKA_STORAGE_ERROR.
//! - The answer does not wait for the move, which DescribeLogDirs shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytestring::ByteString;
use milena_protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use milena_protocol::{ErrorCode, PartitionIndex};

use crate::broker::{Broker, RequestContext};
use crate::dispatch::Answer;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterReplicaLogDirsRequest,
) -> Answer<AlterReplicaLogDirsResponse> {
    let broker = broker.clone();
    let altered = crate::task::spawn_blocking(move || alter(&broker, request)).await;
    let Ok(results) = altered else { return Answer::Close("AlterReplicaLogDirs did not end".to_owned()) };
    Answer::Send(AlterReplicaLogDirsResponse { results, ..AlterReplicaLogDirsResponse::default() })
}

fn alter(broker: &Broker, request: AlterReplicaLogDirsRequest) -> Vec<AlterReplicaLogDirTopicResult> {
    let mut by_topic = BTreeMap::<ByteString, Vec<AlterReplicaLogDirPartitionResult>>::new();
    for dir in request.dirs {
        for topic in dir.topics {
            for partition_index in topic.partitions {
                let index = PartitionIndex(partition_index);
                let moved = broker.partitions.move_replica(&topic.name, index, &dir.path);
                let error_code = moved.err().map_or(0, ErrorCode::code);
                let result = AlterReplicaLogDirPartitionResult { partition_index, error_code };
                by_topic.entry(topic.name.clone()).or_default().push(result);
            }
        }
    }
    let result = |(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions };
    by_topic.into_iter().map(result).collect()
}
