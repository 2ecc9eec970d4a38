//! AssignReplicasToDirs: a broker says in which of its log directories replicas are.
//!
//! - Who is not a replica of the partition is NOT_LEADER_OR_FOLLOWER.
//! - A replica in a directory that is not online leaves the ISR, and its broker leads the partition no more.
//!
//! Source: KIP-858; `ReplicationControlManager` of Apache Kafka.

use milena_protocol::messages::assign_replicas_to_dirs::{AssignReplicasToDirsRequest, RequestTopicData};
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId, Uuid};

use super::change::Change;
use super::view::Turnover;
use super::{Controller, ControllerReply, Decision, OfTopicId};
use crate::metadata::PartitionImage;

impl Controller {
    pub(super) fn assign_replicas(&mut self, request: &AssignReplicasToDirsRequest) -> Decision {
        let id = NodeId(request.broker_id);
        if let Err(refusal) = self.check_epoch(id, request.broker_epoch) {
            return (Vec::new(), ControllerReply::ReplicasAssigned(Err(refusal)));
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(request.directories.len());
        for directory in &request.directories {
            let assign = |topic| self.assign_topic(id, directory.id, topic, &mut records);
            results.push((directory.id, directory.topics.iter().map(assign).collect()));
        }
        let is_lost = |directory| !self.image.broker(id).is_some_and(|broker| broker.has_online(directory));
        if request.directories.iter().any(|directory| is_lost(directory.id)) {
            let after = self.image_after(&records);
            let is_hit = |partition: &PartitionImage| {
                partition.isr.contains(&id) && partition.directory(id).is_some_and(is_lost)
            };
            records.extend(self.view_of(&after).turn_over(Turnover::Leaves(id), is_hit));
        }
        (records, ControllerReply::ReplicasAssigned(Ok(results)))
    }

    fn assign_topic(
        &self,
        id: NodeId,
        directory: Uuid,
        wanted: &RequestTopicData,
        records: &mut Vec<MetadataRecord>,
    ) -> OfTopicId<(), ErrorCode> {
        let topic = TopicId(wanted.topic_id);
        let mut assign = |index| {
            let record = self.assign_replica(id, directory, (topic, index))?;
            records.extend(record);
            Ok(())
        };
        let indexes = wanted.partitions.iter().map(|partition| PartitionIndex(partition.partition_index));
        (topic, indexes.map(|index| (index, assign(index))).collect())
    }

    fn assign_replica(
        &self,
        id: NodeId,
        directory: Uuid,
        (topic, index): (TopicId, PartitionIndex),
    ) -> Result<Option<MetadataRecord>, ErrorCode> {
        let topic = self.image.topic_by_id(topic).ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&id) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let view = self.view();
        let mut change = Change::new(view, (topic.id, index), partition, view.rules(topic));
        change.placed = Some((id, directory));
        Ok(change.build().map(MetadataRecord::from))
    }
}
