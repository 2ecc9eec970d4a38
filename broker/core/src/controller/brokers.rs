//! Brokers come and go: registration, fencing, the leaders that follow from it, producer ids.

use milena_protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord, ProducerIdsRecord,
    RegisterBrokerRecord,
};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, ProducerId, TopicId};

use super::{Controller, ControllerReply, Decision, PRODUCER_ID_BLOCK, Refusal};
use crate::metadata::{MetadataImage, PartitionImage};

/// The leader of a partition without one.
const NO_LEADER: i32 = -1;
/// The `fenced` of a change that unfences.
const UNFENCE: i8 = -1;

impl Controller {
    /// Registers a broker, fenced. What its former incarnation led is led by others, or by nobody, until it is
    /// unfenced.
    pub(super) fn register_broker(&mut self, record: RegisterBrokerRecord) -> Decision {
        let id = NodeId(record.broker_id);
        let mut records = self.leave(id);
        let own_offset = self.image.next_offset().0 + i64::try_from(records.len()).unwrap_or_default();
        let record = RegisterBrokerRecord {
            broker_epoch: own_offset,
            fenced: true,
            in_controlled_shutdown: false,
            ..record
        };
        records.push(record.into());
        (records, ControllerReply::BrokerRegistered(own_offset))
    }

    /// Unfences a broker and gives it what nobody leads and it may.
    pub(super) fn unfence_broker(&mut self, id: NodeId, epoch: i64) -> Decision {
        if let Err(refusal) = check_epoch(&self.image, id, epoch) {
            return (Vec::new(), ControllerReply::Done(Err(refusal)));
        }
        let mut records = Vec::new();
        if self.image.broker(id).is_some_and(|broker| broker.fenced) {
            let change = BrokerRegistrationChangeRecord {
                broker_id: id.0,
                broker_epoch: epoch,
                fenced: UNFENCE,
                ..Default::default()
            };
            records.push(change.into());
            records.extend(self.lead(id));
        }
        (records, ControllerReply::Done(Ok(())))
    }

    pub(super) fn allocate_producer_ids(&mut self, broker: NodeId, epoch: i64) -> Decision {
        if let Err(refusal) = check_epoch(&self.image, broker, epoch) {
            return (Vec::new(), ControllerReply::ProducerIds(Err(refusal)));
        }
        let first = self.image.next_producer_id();
        let Some(next_producer_id) = first.checked_add(PRODUCER_ID_BLOCK) else {
            return (Vec::new(), ControllerReply::ProducerIds(Err(ErrorCode::UnknownServerError.into())));
        };
        let record = ProducerIdsRecord { broker_id: broker.0, broker_epoch: epoch, next_producer_id };
        (vec![record.into()], ControllerReply::ProducerIds(Ok(ProducerId(first))))
    }

    /// The changes that take every leadership from `id` and put it out of the ISR where others remain.
    fn leave(&self, id: NodeId) -> Vec<MetadataRecord> {
        partitions_of(&self.image)
            .filter(|(_, _, partition)| {
                partition.leader == id || (partition.isr.contains(&id) && partition.isr.len() > 1)
            })
            .map(|(topic, index, partition)| {
                let rest: Vec<NodeId> = partition.isr.iter().copied().filter(|node| *node != id).collect();
                let leader =
                    partition.replicas.iter().find(|node| rest.contains(node) && alive(&self.image, **node));
                PartitionChangeRecord {
                    // The last member stays: nobody else has what it has.
                    isr: (!rest.is_empty() && partition.isr.contains(&id)).then(|| numbers(&rest)),
                    leader: if partition.leader == id {
                        leader.map_or(NO_LEADER, |node| node.0)
                    } else {
                        UNCHANGED
                    },
                    ..change(topic, index)
                }
                .into()
            })
            .collect()
    }

    /// The changes that make `id` the leader of what nobody leads and it may lead.
    fn lead(&self, id: NodeId) -> Vec<MetadataRecord> {
        partitions_of(&self.image)
            .filter(|(_, _, partition)| partition.leader.0 == NO_LEADER)
            .filter_map(|(topic, index, partition)| {
                let led = PartitionChangeRecord { leader: id.0, ..change(topic, index) };
                Some(
                    if partition.isr.contains(&id) { led } else { return_to_isr(led, id, partition)? }.into(),
                )
            })
            .collect()
    }
}

/// Of a partition whose ISR Apache Kafka left empty (KIP-966): an eligible replica leads again, or the last that is known
/// to have been one.
fn return_to_isr(
    led: PartitionChangeRecord,
    id: NodeId,
    partition: &PartitionImage,
) -> Option<PartitionChangeRecord> {
    let (eligible, last_known) = (&partition.eligible_leader_replicas, &partition.last_known_elr);
    let may_lead = eligible.contains(&id) || eligible.is_empty() && **last_known == [id];
    let rest: Vec<NodeId> = eligible.iter().copied().filter(|node| *node != id).collect();
    (partition.isr.is_empty() && may_lead).then(|| PartitionChangeRecord {
        isr: Some(vec![id.0]),
        eligible_leader_replicas: (rest != *eligible).then(|| numbers(&rest)),
        last_known_elr: (!last_known.is_empty()).then(Vec::new),
        ..led
    })
}

/// The `leader` of a change that leaves it.
const UNCHANGED: i32 = -2;

fn change(topic: TopicId, index: PartitionIndex) -> PartitionChangeRecord {
    PartitionChangeRecord { partition_id: index.0, topic_id: topic.0, ..Default::default() }
}

fn partitions_of(image: &MetadataImage) -> impl Iterator<Item = (TopicId, PartitionIndex, &PartitionImage)> {
    image.topics().flat_map(|topic| topic.partitions().map(|(index, partition)| (topic.id, index, partition)))
}

fn alive(image: &MetadataImage, node: NodeId) -> bool {
    image.broker(node).is_some_and(|broker| !broker.fenced && !broker.in_controlled_shutdown)
}

fn check_epoch(image: &MetadataImage, id: NodeId, epoch: i64) -> Result<(), Refusal> {
    match image.broker(id) {
        None => Err(ErrorCode::BrokerIdNotRegistered.into()),
        Some(broker) if broker.epoch != epoch => Err(ErrorCode::StaleBrokerEpoch.into()),
        Some(_) => Ok(()),
    }
}

fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}
