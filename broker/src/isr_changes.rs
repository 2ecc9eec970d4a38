//! Changes of in-sync replicas on their way to the active controller: the AlterPartition exchange of this broker.
//!
//! Leaders propose ([`milena_core::partition::isr`]), one change per partition at a time; all that wait go in one request,
//! and one request is under way at a time. What became of each goes back to its partition. A controller that does not
//! answer, or not to this, is asked again after [`RETRY_PAUSE`] as long as the partition still wants it. A timer looks for
//! followers that are behind for too long, at half the time that they have.
//!
//! Source: `AlterPartitionManager` of Apache Kafka, KIP-497.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_client::ClientError;
use milena_core::partition::{IsrAnswer, IsrProposal};
use milena_protocol::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, BrokerState, RequestPartitionData, RequestTopicData,
    ResponsePartitionData,
};
use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, PartitionIndex, TopicId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::partition::Partition;
use crate::partitions::Partitions;

/// Pause before what was not answered is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Changes in one request.
const CHANGES_MAX: usize = 10_000;
/// The in-sync replicas are complete: no leader recovers from an unclean election.
const RECOVERED: i8 = 0;

/// The exchange; clones share it. No more changes wait than there are partitions.
#[derive(Clone, Default)]
pub(crate) struct IsrChanges(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<VecDeque<Change>>,
    arrived: Notify,
}

struct Change {
    partition: Arc<Partition>,
    proposal: IsrProposal,
}

type Key = (TopicId, PartitionIndex);

impl IsrChanges {
    /// Asks the controller for an ISR, in the background.
    pub(crate) fn submit(&self, partition: Arc<Partition>, proposal: IsrProposal) {
        self.waiting().push_back(Change { partition, proposal });
        self.0.arrived.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for followers that are behind, every half of `lag`, until `stop`.
    pub(crate) async fn shrink(self, partitions: Partitions, lag: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval((lag / 2).max(Duration::from_millis(1)));
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            for partition in partitions.all() {
                if let Some(proposal) = partition.shrink_isr() {
                    self.submit(partition, proposal);
                }
            }
        }
    }

    /// Exchanges changes with the controller by `ask`, until `stop`. `broker` is this one and the epoch of its registration.
    pub(crate) async fn run<F>(
        self,
        ask: impl Fn(AlterPartitionRequest) -> F,
        broker: impl Fn() -> (NodeId, i64),
        stop: CancellationToken,
    ) where
        F: Future<Output = Result<AlterPartitionResponse, ClientError>>,
    {
        while stop.run_until_cancelled(self.0.arrived.notified()).await.is_some() {
            while let Some(changes) = self.take() {
                let exchange = ask(request(broker(), &changes));
                let Some(answer) = stop.run_until_cancelled(exchange).await else { return };
                let again = settle(changes, answer);
                if !again.is_empty() {
                    self.waiting().extend(again);
                    if stop.run_until_cancelled(tokio::time::sleep(RETRY_PAUSE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    fn take(&self) -> Option<BTreeMap<Key, Change>> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(CHANGES_MAX);
        let changes = waiting.drain(..count);
        // The last of a partition is the one that it still wants.
        let changes: BTreeMap<_, _> =
            changes.map(|change| ((change.partition.topic_id, change.partition.index), change)).collect();
        (!changes.is_empty()).then_some(changes)
    }
}

fn request(
    (NodeId(broker_id), broker_epoch): (NodeId, i64),
    changes: &BTreeMap<Key, Change>,
) -> AlterPartitionRequest {
    let mut topics: Vec<RequestTopicData> = Vec::new();
    for ((TopicId(topic_id), index), Change { proposal, .. }) in changes {
        let state = |(node, epoch): &(NodeId, i64)| BrokerState {
            broker_id: node.0,
            broker_epoch: if node.0 == broker_id { broker_epoch } else { *epoch },
        };
        let partition = RequestPartitionData {
            partition_index: index.0,
            leader_epoch: proposal.leader_epoch.0,
            new_isr: Vec::new(),
            new_isr_with_epochs: proposal.isr.iter().map(state).collect(),
            leader_recovery_state: RECOVERED,
            partition_epoch: proposal.partition_epoch,
        };
        match topics.last_mut() {
            Some(last) if last.topic_id == *topic_id => last.partitions.push(partition),
            _ => topics.push(RequestTopicData { topic_id: *topic_id, partitions: vec![partition] }),
        }
    }
    AlterPartitionRequest { broker_id, broker_epoch, topics }
}

/// Tells the partitions; yields what is to be asked again.
fn settle(
    changes: BTreeMap<Key, Change>,
    answer: Result<AlterPartitionResponse, ClientError>,
) -> Vec<Change> {
    let answers = match answer {
        Ok(response) if response.error_code == ErrorCode::None.code() => by_partition(response),
        Ok(response) => {
            let code = ErrorCode::from(response.error_code);
            tracing::warn!(%code, "the controller refused changes of in-sync replicas, asking again");
            BTreeMap::new()
        }
        Err(error) => {
            tracing::warn!(%error, "no controller took changes of in-sync replicas, asking again");
            BTreeMap::new()
        }
    };
    let is_again = |(key, change): &(Key, Change)| {
        // Nothing is known of what was not answered.
        let answer = answers.get(key).cloned().unwrap_or(Err(ErrorCode::RequestTimedOut));
        if let Err(code) = &answer {
            let (topic, partition) = (&change.partition.topic, change.partition.index.0);
            tracing::debug!(%topic, partition, %code, "in-sync replicas stay");
        }
        change.partition.on_isr_answer(&change.proposal, answer)
    };
    changes.into_iter().filter(is_again).map(|(_, change)| change).collect()
}

fn by_partition(response: AlterPartitionResponse) -> BTreeMap<Key, Result<IsrAnswer, ErrorCode>> {
    let answer = |partition: ResponsePartitionData| match ErrorCode::from(partition.error_code) {
        ErrorCode::None => Ok(IsrAnswer {
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            partition_epoch: partition.partition_epoch,
            isr: partition.isr.into_iter().map(NodeId).collect(),
        }),
        code => Err(code),
    };
    let topics = response.topics.into_iter().flat_map(|topic| {
        let of_topic = move |partition: ResponsePartitionData| {
            ((TopicId(topic.topic_id), PartitionIndex(partition.partition_index)), answer(partition))
        };
        topic.partitions.into_iter().map(of_topic)
    });
    topics.collect()
}
