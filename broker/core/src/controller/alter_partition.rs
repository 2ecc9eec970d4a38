//! AlterPartition: a leader changes its ISR, and says that it has recovered.
//!
//! | refused | because |
//! |---|---|
//! | NOT_CONTROLLER | the leader knows a later epoch: it is this controller that is behind |
//! | FENCED_LEADER_EPOCH | somebody was elected since |
//! | INVALID_REQUEST | who asks does not lead, or the ISR is none of this partition |
//! | INVALID_UPDATE_VERSION | the partition has changed since; the leader asks again with what it learns |
//! | INELIGIBLE_REPLICA | a replica is fenced, shuts down, or has another epoch than the leader has seen |
//! | NEW_LEADER_ELECTED | the change was made; it ended a reassignment, and another leads now |
//!
//! Source: KIP-497, KIP-704, KIP-841, KIP-903; `ReplicationControlManager` of Apache Kafka.

use std::collections::BTreeSet;

use milena_protocol::messages::alter_partition::{
    AlterPartitionRequest, BrokerState, RequestPartitionData, RequestTopicData,
};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId};

use super::change::{Change, RECOVERED, RECOVERING};
use super::{Controller, ControllerReply, Decision, OfTopicId};
use crate::metadata::{PartitionImage, TopicImage};

impl Controller {
    pub(super) fn alter_partitions(&mut self, request: &AlterPartitionRequest) -> Decision {
        let broker = NodeId(request.broker_id);
        if let Err(refusal) = self.check_epoch(broker, request.broker_epoch) {
            return (Vec::new(), ControllerReply::PartitionsAltered(Err(refusal)));
        }
        let mut records = Vec::new();
        let topics = request.topics.iter().map(|topic| self.alter_topic(broker, topic, &mut records));
        let topics = topics.collect();
        (records, ControllerReply::PartitionsAltered(Ok(topics)))
    }

    fn alter_topic(
        &self,
        broker: NodeId,
        wanted: &RequestTopicData,
        records: &mut Vec<MetadataRecord>,
    ) -> OfTopicId<PartitionImage, ErrorCode> {
        let id = TopicId(wanted.topic_id);
        let topic = self.image.topic_by_id(id);
        let alter = |wanted: &RequestPartitionData| {
            let result = match topic {
                Some(topic) => self.alter_partition(broker, topic, wanted, records),
                None => Err(ErrorCode::UnknownTopicId),
            };
            (PartitionIndex(wanted.partition_index), result)
        };
        (id, wanted.partitions.iter().map(alter).collect())
    }

    fn alter_partition(
        &self,
        broker: NodeId,
        topic: &TopicImage,
        wanted: &RequestPartitionData,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<PartitionImage, ErrorCode> {
        let index = PartitionIndex(wanted.partition_index);
        let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        check(broker, partition, wanted)?;
        if !wanted.new_isr_with_epochs.iter().all(|replica| self.is_eligible(replica)) {
            return Err(ErrorCode::IneligibleReplica);
        }
        let view = self.view();
        let rules = view.rules(topic);
        let mut change = Change::new(view, (topic.id, index), partition, rules);
        change.election = rules.election();
        change.isr = isr(wanted);
        change.recovery = wanted.leader_recovery_state;
        let mut after = partition.clone();
        if let Some(record) = change.build() {
            after.change(&record);
            records.push(record.into());
        }
        if after.leader == broker { Ok(after) } else { Err(ErrorCode::NewLeaderElected) }
    }

    /// Whether a replica may be in the ISR: it lives, and it is the incarnation that the leader has seen.
    fn is_eligible(&self, replica: &BrokerState) -> bool {
        let broker = self.image.broker(NodeId(replica.broker_id)).filter(|broker| broker.is_active());
        broker.is_some_and(|broker| [-1, broker.epoch].contains(&replica.broker_epoch))
    }
}

fn isr(wanted: &RequestPartitionData) -> Vec<NodeId> {
    wanted.new_isr_with_epochs.iter().map(|replica| NodeId(replica.broker_id)).collect()
}

/// Checks what a leader asks against the partition as it is.
fn check(broker: NodeId, partition: &PartitionImage, wanted: &RequestPartitionData) -> Result<(), ErrorCode> {
    let isr = isr(wanted);
    let once: BTreeSet<NodeId> = isr.iter().copied().collect();
    let is_isr = once.len() == isr.len() && isr.iter().all(|node| partition.replicas.contains(node));
    let recovery = wanted.leader_recovery_state;
    let is_recovery = match recovery {
        RECOVERED => true,
        RECOVERING => partition.leader_recovery_state == RECOVERING && isr.len() <= 1,
        _ => false,
    };
    let is_ahead =
        wanted.leader_epoch > partition.leader_epoch.0 || wanted.partition_epoch > partition.partition_epoch;
    match () {
        () if is_ahead => Err(ErrorCode::NotController),
        () if wanted.leader_epoch < partition.leader_epoch.0 => Err(ErrorCode::FencedLeaderEpoch),
        () if partition.leader != broker => Err(ErrorCode::InvalidRequest),
        () if wanted.partition_epoch < partition.partition_epoch => Err(ErrorCode::InvalidUpdateVersion),
        () if !is_isr || !isr.contains(&broker) || !is_recovery => Err(ErrorCode::InvalidRequest),
        () => Ok(()),
    }
}
