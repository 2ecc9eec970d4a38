//! The image as records: what a snapshot of it holds. Replaying them into an empty image gives the image again.

use milena_protocol::messages::metadata_records::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, ProducerIdsRecord,
    RegisterBrokerRecord, TopicRecord,
    register_broker_record::{BrokerEndpoint, BrokerFeature},
};
use milena_protocol::{NodeId, PartitionIndex, TopicId};

use super::{BrokerImage, MetadataImage, PartitionImage, features::METADATA_VERSION};

impl MetadataImage {
    /// The records of a snapshot, `metadata.version` first as Kafka wants it.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        let level = |(name, level): (&bytestring::ByteString, &i16)| {
            FeatureLevelRecord { name: name.clone(), feature_level: *level }.into()
        };
        let is_version = |name: &str| name == METADATA_VERSION;
        records.extend(self.features.iter().filter(|(name, _)| is_version(name)).map(level));
        records.extend(self.features.iter().filter(|(name, _)| !is_version(name)).map(level));
        records.extend(self.brokers.values().map(broker_record));
        records.extend(self.controllers.values().cloned().map(MetadataRecord::from));
        for topic in self.topics.values() {
            records.push(TopicRecord { name: topic.name.clone(), topic_id: topic.id.0 }.into());
            records.extend(
                topic
                    .partitions()
                    .map(|(index, partition)| partition_record(topic.id, index, partition).into()),
            );
        }
        for (resource, values) in &self.configs {
            records.extend(values.iter().map(|(name, value)| {
                ConfigRecord {
                    resource_type: resource.resource_type as i8,
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                }
                .into()
            }));
        }
        records.extend(self.kept.records().cloned());
        if self.next_producer_id > 0 {
            let next_producer_id = self.next_producer_id;
            records.push(ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id }.into());
        }
        records
    }
}

fn broker_record(broker: &BrokerImage) -> MetadataRecord {
    let end_points = broker.endpoints.iter().map(|endpoint| BrokerEndpoint {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let features = broker.features.iter().map(|(name, min, max)| BrokerFeature {
        name: name.clone(),
        min_supported_version: *min,
        max_supported_version: *max,
    });
    RegisterBrokerRecord {
        broker_id: broker.id.0,
        is_migrating_zk_broker: false,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.log_dirs.clone(),
        cordoned_log_dirs: broker.cordoned_log_dirs.clone(),
    }
    .into()
}

/// The record that sets a partition to `partition`.
pub(crate) fn partition_record(
    topic: TopicId,
    index: PartitionIndex,
    partition: &PartitionImage,
) -> PartitionRecord {
    let optional = |nodes: &[NodeId]| (!nodes.is_empty()).then(|| numbers(nodes));
    PartitionRecord {
        partition_id: index.0,
        topic_id: topic.0,
        replicas: numbers(&partition.replicas),
        isr: numbers(&partition.isr),
        removing_replicas: numbers(&partition.removing_replicas),
        adding_replicas: numbers(&partition.adding_replicas),
        leader: partition.leader.0,
        leader_recovery_state: partition.leader_recovery_state,
        leader_epoch: partition.leader_epoch.0,
        partition_epoch: partition.partition_epoch,
        directories: partition.directories.clone(),
        eligible_leader_replicas: optional(&partition.eligible_leader_replicas),
        last_known_elr: optional(&partition.last_known_elr),
    }
}

fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}
