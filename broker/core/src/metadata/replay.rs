//! Replay: one record of the metadata log into the image. Nothing else changes an image.

use bytestring::ByteString;
use milena_protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionChangeRecord,
    PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use milena_protocol::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, Uuid};

use super::directory::MIGRATING;
use super::features::KRAFT_VERSION;
use super::image::{
    BrokerImage, ConfigResource, Endpoint, MetadataImage, PartitionImage, ResourceType, TopicImage,
};

/// The leader of a PartitionChangeRecord that does not change the leader.
const NO_LEADER_CHANGE: i32 = -2;

/// A record that does not fit what came before it: the log is not one this cluster wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metadata record {record} at offset {offset}: {reason}")]
pub struct ReplayError {
    /// The record's type.
    pub record: &'static str,
    /// Where it stands.
    pub offset: Offset,
    /// What does not fit.
    pub reason: String,
}

impl MetadataImage {
    /// Replays the record at `offset`. On an error the image is as it was.
    pub fn replay(&mut self, offset: Offset, record: &MetadataRecord) -> Result<(), ReplayError> {
        self.apply(offset, record).map_err(|reason| ReplayError { record: record.name(), offset, reason })?;
        self.next_offset = Offset(offset.0 + 1);
        Ok(())
    }

    /// Moves over a batch that holds no metadata record, such as a control batch.
    pub fn skip_to(&mut self, next_offset: Offset) {
        self.next_offset = next_offset;
    }

    fn apply(&mut self, offset: Offset, record: &MetadataRecord) -> Result<(), String> {
        match record {
            MetadataRecord::RegisterBrokerRecord(record) => self.register_broker(record),
            MetadataRecord::UnregisterBrokerRecord(record) => {
                self.brokers
                    .remove(&NodeId(record.broker_id))
                    .map(drop)
                    .ok_or_else(|| unknown_broker(record.broker_id))?;
            }
            MetadataRecord::FenceBrokerRecord(record) => {
                self.change_broker(record.id, record.epoch)?.fenced = true
            }
            MetadataRecord::UnfenceBrokerRecord(record) => {
                self.change_broker(record.id, record.epoch)?.fenced = false
            }
            MetadataRecord::BrokerRegistrationChangeRecord(record) => self.change_registration(record)?,
            MetadataRecord::RegisterControllerRecord(record) => {
                self.controllers.insert(NodeId(record.controller_id), record.clone());
            }
            MetadataRecord::TopicRecord(record) => self.create_topic(record)?,
            MetadataRecord::PartitionRecord(record) => self.set_partition(record)?,
            MetadataRecord::PartitionChangeRecord(record) => self.change_partition(record)?,
            MetadataRecord::RemoveTopicRecord(record) => self.remove_topic(record)?,
            MetadataRecord::ClearElrRecord(record) => self.clear_elr(&record.topic_name),
            MetadataRecord::ConfigRecord(record) => self.set_config(record)?,
            MetadataRecord::FeatureLevelRecord(record) => self.set_feature(offset, record),
            MetadataRecord::ProducerIdsRecord(record) => self.next_producer_id = record.next_producer_id,
            MetadataRecord::NoOpRecord(_)
            | MetadataRecord::BeginTransactionRecord(_)
            | MetadataRecord::EndTransactionRecord(_)
            | MetadataRecord::AbortTransactionRecord(_) => {}
            kept => self.kept.replay(kept),
        }
        Ok(())
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord) {
        let id = NodeId(record.broker_id);
        let endpoints = record.end_points.iter().map(|endpoint| Endpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let features = record.features.iter();
        let broker = BrokerImage {
            id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints.collect(),
            features: features
                .map(|f| (f.name.clone(), f.min_supported_version, f.max_supported_version))
                .collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        };
        self.brokers.insert(id, broker);
    }

    fn change_broker(&mut self, id: i32, epoch: i64) -> Result<&mut BrokerImage, String> {
        let broker = self.brokers.get_mut(&NodeId(id)).ok_or_else(|| unknown_broker(id))?;
        if broker.epoch != epoch {
            return Err(format!("broker {id} has epoch {}, the record names {epoch}", broker.epoch));
        }
        Ok(broker)
    }

    fn change_registration(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), String> {
        let broker = self.change_broker(record.broker_id, record.broker_epoch)?;
        // -1 unfences, 1 fences, 0 leaves it.
        match record.fenced {
            0 => {}
            change => broker.fenced = change > 0,
        }
        if record.in_controlled_shutdown > 0 {
            broker.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
        }
        if record.cordoned_log_dirs.is_some() {
            broker.cordoned_log_dirs.clone_from(&record.cordoned_log_dirs);
        }
        Ok(())
    }

    fn create_topic(&mut self, record: &TopicRecord) -> Result<(), String> {
        if self.topics.contains_key(&record.name) {
            return Err(format!("topic {} exists", record.name));
        }
        if let Some(name) = self.topic_names.get(&TopicId(record.topic_id)) {
            return Err(format!("topic {name} has the id of topic {}", record.name));
        }
        let topic = TopicImage {
            name: owned(&record.name),
            id: TopicId(record.topic_id),
            partitions: imbl::OrdMap::new(),
        };
        self.topic_names.insert(topic.id, topic.name.clone());
        self.topics.insert(topic.name.clone(), topic);
        Ok(())
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut TopicImage, String> {
        let name = self.topic_names.get(&TopicId(id)).ok_or_else(|| unknown_topic(id))?;
        self.topics.get_mut(name).ok_or_else(|| unknown_topic(id))
    }

    fn set_partition(&mut self, record: &PartitionRecord) -> Result<(), String> {
        let partition = PartitionImage {
            replicas: nodes(&record.replicas),
            isr: nodes(&record.isr),
            removing_replicas: nodes(&record.removing_replicas),
            adding_replicas: nodes(&record.adding_replicas),
            eligible_leader_replicas: nodes(record.eligible_leader_replicas.as_deref().unwrap_or_default()),
            last_known_elr: nodes(record.last_known_elr.as_deref().unwrap_or_default()),
            directories: placed(record.directories.clone(), record.replicas.len()),
            leader: NodeId(record.leader),
            leader_recovery_state: record.leader_recovery_state,
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: record.partition_epoch,
        };
        self.topic_mut(record.topic_id)?.partitions.insert(PartitionIndex(record.partition_id), partition);
        Ok(())
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), String> {
        let index = PartitionIndex(record.partition_id);
        let topic = self.topic_mut(record.topic_id)?;
        let partition = topic
            .partitions
            .get_mut(&index)
            .ok_or_else(|| format!("topic {} has no partition {index}", topic.name))?;
        partition.change(record);
        Ok(())
    }

    fn remove_topic(&mut self, record: &RemoveTopicRecord) -> Result<(), String> {
        let id = record.topic_id;
        let name = self.topic_names.remove(&TopicId(id)).ok_or_else(|| unknown_topic(id))?;
        self.topics.remove(&name);
        self.configs.remove(&ConfigResource::new(ResourceType::Topic, name));
        Ok(())
    }

    fn clear_elr(&mut self, name: &ByteString) {
        let named = |topic: &&ByteString| name.is_empty() || *topic == name;
        let names: Vec<_> = self.topics.keys().filter(named).cloned().collect();
        for topic in names {
            let Some(topic) = self.topics.get_mut(&topic) else { continue };
            let holds = |partition: &PartitionImage| {
                !partition.eligible_leader_replicas.is_empty() || !partition.last_known_elr.is_empty()
            };
            let indexes: Vec<_> =
                topic.partitions.iter().filter(|(_, p)| holds(p)).map(|(index, _)| *index).collect();
            for index in indexes {
                if let Some(partition) = topic.partitions.get_mut(&index) {
                    partition.eligible_leader_replicas.clear();
                    partition.last_known_elr.clear();
                    partition.partition_epoch = partition.partition_epoch.wrapping_add(1);
                }
            }
        }
    }

    fn set_config(&mut self, record: &ConfigRecord) -> Result<(), String> {
        let kind = ResourceType::from_code(record.resource_type)
            .ok_or_else(|| format!("resource type {} is not known", record.resource_type))?;
        let resource = ConfigResource::new(kind, owned(&record.resource_name));
        let mut values = self.configs.get(&resource).cloned().unwrap_or_default();
        match &record.value {
            Some(value) => values.insert(owned(&record.name), owned(value)),
            None => values.remove(&record.name),
        };
        if values.is_empty() {
            self.configs.remove(&resource);
        } else {
            self.configs.insert(resource, values);
        }
        Ok(())
    }

    fn set_feature(&mut self, offset: Offset, record: &FeatureLevelRecord) {
        self.features_epoch = offset.0;
        // Apache Kafka once wrote that level by mistake; the one that counts is in a control record.
        if *record.name == *KRAFT_VERSION {
            return;
        }
        if record.feature_level == 0 {
            self.features.remove(&record.name);
        } else {
            self.features.insert(record.name.clone(), record.feature_level);
        }
    }
}

impl PartitionImage {
    /// Makes the change of `record`.
    pub(crate) fn change(&mut self, record: &PartitionChangeRecord) {
        for (field, change) in [
            (&mut self.isr, &record.isr),
            (&mut self.replicas, &record.replicas),
            (&mut self.removing_replicas, &record.removing_replicas),
            (&mut self.adding_replicas, &record.adding_replicas),
            (&mut self.eligible_leader_replicas, &record.eligible_leader_replicas),
            (&mut self.last_known_elr, &record.last_known_elr),
        ] {
            if let Some(change) = change {
                *field = nodes(change);
            }
        }
        if let Some(directories) = &record.directories {
            self.directories.clone_from(directories);
        }
        self.directories = placed(std::mem::take(&mut self.directories), self.replicas.len());
        if record.leader_recovery_state >= 0 {
            self.leader_recovery_state = record.leader_recovery_state;
        }
        if record.leader != NO_LEADER_CHANGE {
            self.leader = NodeId(record.leader);
            // Java's integers wrap, and every node must come to the same epoch.
            self.leader_epoch.0 = self.leader_epoch.0.wrapping_add(1);
        }
        self.partition_epoch = self.partition_epoch.wrapping_add(1);
    }
}

/// A copy: the image outlives the request, or the read of the log, that a name would be a slice of.
fn owned(text: &ByteString) -> ByteString {
    ByteString::from(&**text)
}

/// Records older than KIP-858 say nothing of directories.
fn placed(directories: Vec<Uuid>, replicas: usize) -> Vec<Uuid> {
    if directories.iter().all(|directory| *directory == MIGRATING) {
        return vec![MIGRATING; replicas];
    }
    directories
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn unknown_broker(id: i32) -> String {
    format!("broker {id} is not registered")
}

fn unknown_topic(id: Uuid) -> String {
    format!("no topic has the id {id}")
}
