//! Where logs are, told to the active controller: the AssignReplicasToDirs exchange of this broker (KIP-858).
//!
//! The last directory of a partition that waits is the one that is told; all that wait go in one request, one request is
//! under way at a time, and what was not taken is told again after [`RETRY_PAUSE`]. Who is no replica any more has
//! nothing to tell.
//!
//! Source: `AssignmentsManager` of Apache Kafka.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_client::ClientError;
use milena_protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, RequestDirectoryData, RequestPartitionData,
    RequestTopicData,
};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId, Uuid};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Pause before what was not taken is told again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Partitions in one request; Apache Kafka's controller takes no more.
const ASSIGNMENTS_MAX: usize = 2_250;

type Key = (TopicId, PartitionIndex);

/// The exchange; clones share it. No more wait than there are partitions.
#[derive(Clone, Default)]
pub(crate) struct Assignments(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<BTreeMap<Key, Uuid>>,
    arrived: Notify,
}

impl Assignments {
    /// Tells the controller, in the background, that the log is in the directory `id`.
    pub(super) fn submit(&self, key: Key, id: Uuid) {
        self.waiting().insert(key, id);
        self.0.arrived.notify_one();
    }

    #[cfg(test)]
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting().len()
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, BTreeMap<Key, Uuid>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the controller by `ask`, until `stop`. `broker` is this one and the epoch of its registration.
    pub(crate) async fn run<F>(
        self,
        ask: impl Fn(AssignReplicasToDirsRequest) -> F,
        broker: impl Fn() -> (NodeId, i64),
        stop: CancellationToken,
    ) where
        F: Future<Output = Result<AssignReplicasToDirsResponse, ClientError>>,
    {
        while stop.run_until_cancelled(self.0.arrived.notified()).await.is_some() {
            while let Some(told) = self.take() {
                let exchange = ask(request(broker(), &told));
                let Some(answer) = stop.run_until_cancelled(exchange).await else { return };
                let again = refused(told, answer);
                if !again.is_empty() {
                    self.put_back(again);
                    if stop.run_until_cancelled(tokio::time::sleep(RETRY_PAUSE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    fn put_back(&self, again: BTreeMap<Key, Uuid>) {
        let mut waiting = self.waiting();
        for (key, id) in again {
            waiting.entry(key).or_insert(id);
        }
    }

    fn take(&self) -> Option<BTreeMap<Key, Uuid>> {
        let mut waiting = self.waiting();
        let rest = waiting.keys().nth(ASSIGNMENTS_MAX).copied();
        let rest = rest.map(|first| waiting.split_off(&first)).unwrap_or_default();
        let told = std::mem::replace(&mut *waiting, rest);
        (!told.is_empty()).then_some(told)
    }
}

fn request(
    (NodeId(broker_id), broker_epoch): (NodeId, i64),
    told: &BTreeMap<Key, Uuid>,
) -> AssignReplicasToDirsRequest {
    let mut directories = BTreeMap::<Uuid, Vec<RequestTopicData>>::new();
    for ((TopicId(topic_id), PartitionIndex(partition_index)), id) in told {
        let topics = directories.entry(*id).or_default();
        let partition = RequestPartitionData { partition_index: *partition_index };
        match topics.last_mut() {
            Some(last) if last.topic_id == *topic_id => last.partitions.push(partition),
            _ => topics.push(RequestTopicData { topic_id: *topic_id, partitions: vec![partition] }),
        }
    }
    let directory = |(id, topics)| RequestDirectoryData { id, topics };
    AssignReplicasToDirsRequest {
        broker_id,
        broker_epoch,
        directories: directories.into_iter().map(directory).collect(),
    }
}

/// What is to be told again: what was not answered, and what was refused for a reason that may pass.
fn refused(
    mut told: BTreeMap<Key, Uuid>,
    answer: Result<AssignReplicasToDirsResponse, ClientError>,
) -> BTreeMap<Key, Uuid> {
    let response = match answer {
        Ok(response) if response.error_code == ErrorCode::None.code() => response,
        Ok(response) => {
            let code = ErrorCode::from(response.error_code);
            tracing::warn!(%code, "the controller refused the directories of logs, telling it again");
            return told;
        }
        Err(error) => {
            tracing::warn!(%error, "no controller took the directories of logs, telling it again");
            return told;
        }
    };
    for topic in response.directories.into_iter().flat_map(|directory| directory.topics) {
        for partition in topic.partitions {
            let code = ErrorCode::from(partition.error_code);
            let is_settled = matches!(
                code,
                ErrorCode::None
                    | ErrorCode::NotLeaderOrFollower
                    | ErrorCode::UnknownTopicId
                    | ErrorCode::UnknownTopicOrPartition
            );
            if is_settled {
                told.remove(&(TopicId(topic.topic_id), PartitionIndex(partition.partition_index)));
            }
        }
    }
    told
}

#[cfg(test)]
mod tests;
