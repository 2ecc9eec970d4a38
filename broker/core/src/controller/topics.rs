//! Creating and deleting topics.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, RemoveTopicRecord, TopicRecord,
};
use milena_protocol::{ErrorCode, NodeId, PartitionIndex, TopicId, Uuid};

use super::configs::check_sizes;
use super::partitions::{check_manual, new_partition};
use super::{
    Controller, ControllerReply, CreatedTopic, Decision, DeletedTopic, RECORDS_PER_REQUEST_MAX, Refusal,
    TopicReference,
};
use crate::config::topic;
use crate::metadata::{ConfigResource, MetadataImage, ResourceType, topic_name};

impl Controller {
    pub(super) fn create_topics(&mut self, topics: &[CreatableTopic], validate_only: bool) -> Decision {
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(topics.len());
        let mut alike: InMetrics = self.image.topics().filter_map(|topic| in_metrics(&topic.name)).collect();
        let twice = repeated(topics.iter().map(|topic| &topic.name));
        let once = topics.iter().filter(|topic| !twice.contains(&topic.name));
        if once.map(|topic| self.partitions_asked(topic)).sum::<usize>() > RECORDS_PER_REQUEST_MAX {
            return too_many(topics);
        }
        let mut named = BTreeSet::new();
        // What is named twice is refused once.
        for topic in topics.iter().filter(|topic| named.insert(&topic.name)) {
            let result = if twice.contains(&topic.name) {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                check_name(&self.image, &topic.name, &alike).and_then(|()| self.create_topic(topic))
            };
            results.push((
                topic.name.clone(),
                result.map(|(created, new)| {
                    records.extend(new);
                    alike.extend(in_metrics(&topic.name));
                    created
                }),
            ));
        }
        if records.len() > RECORDS_PER_REQUEST_MAX {
            return too_many(topics);
        }
        if validate_only {
            records.clear();
        }
        (records, ControllerReply::TopicsCreated(results))
    }

    /// How many partitions a topic would have, were all else right.
    fn partitions_asked(&self, topic: &CreatableTopic) -> usize {
        match (topic.assignments.len(), topic.num_partitions) {
            (0, -1) => self.settings.num_partitions().try_into().unwrap_or(0),
            (0, partitions) => partitions.try_into().unwrap_or(0),
            (assigned, _) => assigned,
        }
    }

    fn create_topic(
        &mut self,
        topic: &CreatableTopic,
    ) -> Result<(CreatedTopic, Vec<MetadataRecord>), Refusal> {
        let configs = check_configs(topic)?;
        let replicas = self.replicas_of(topic)?;
        let id = self.new_topic_id();
        let created = CreatedTopic {
            id,
            partitions: i32::try_from(replicas.len()).unwrap_or(i32::MAX),
            replication_factor: replicas
                .first()
                .and_then(|first| i16::try_from(first.len()).ok())
                .unwrap_or(-1),
        };
        let mut records = vec![TopicRecord { name: topic.name.clone(), topic_id: id.0 }.into()];
        records.extend(configs);
        for (index, replicas) in (0..).map(PartitionIndex).zip(replicas) {
            records.push(new_partition(&self.image, id, index, replicas)?.into());
        }
        Ok((created, records))
    }

    fn new_topic_id(&mut self) -> TopicId {
        loop {
            let id = self.random.topic_id();
            if self.image.topic_by_id(id).is_none() {
                return id;
            }
        }
    }

    /// The replicas of each partition, as the request says or as they are placed.
    fn replicas_of(&mut self, topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if !topic.assignments.is_empty() {
            return manual_replicas(&self.image, topic);
        }
        let partitions = match topic.num_partitions {
            -1 => self.settings.num_partitions(),
            partitions @ 1.. => partitions,
            _ => {
                let message = "Number of partitions was set to an invalid non-positive value.";
                return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
            }
        };
        let replicas = match topic.replication_factor {
            -1 => self.settings.default_replication_factor(),
            replicas @ 1.. => replicas,
            _ => {
                let message = "Replication factor must be larger than 0, or -1 to use the default value.";
                return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
            }
        };
        self.place(partitions.unsigned_abs() as usize, usize::from(replicas.unsigned_abs()))
    }

    pub(super) fn delete_topics(&mut self, topics: Vec<TopicReference>) -> Decision {
        let mut records = Vec::new();
        let mut deleted: BTreeSet<Uuid> = BTreeSet::new();
        let mut results = Vec::with_capacity(topics.len());
        for reference in topics {
            let found = match &reference {
                TopicReference::Name(name) => self.image.topic(name),
                TopicReference::Id(id) => self.image.topic_by_id(*id),
            };
            let found = found.map(|topic| (topic.name.clone(), topic.id));
            let result = self.check_delete(&reference, found.as_ref(), &deleted);
            if let (Ok(()), Some((_, id))) = (&result, &found) {
                deleted.insert(id.0);
                records.push(RemoveTopicRecord { topic_id: id.0 }.into());
            }
            results.push(DeletedTopic { reference, found, result });
        }
        (records, ControllerReply::TopicsDeleted(results))
    }

    fn check_delete(
        &self,
        reference: &TopicReference,
        found: Option<&(ByteString, TopicId)>,
        deleted: &BTreeSet<Uuid>,
    ) -> Result<(), Refusal> {
        match (found, reference) {
            _ if !self.settings.delete_topic_enable() => Err(ErrorCode::TopicDeletionDisabled.into()),
            (Some((_, id)), _) if deleted.contains(&id.0) => {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name or id."))
            }
            (Some(_), _) => Ok(()),
            (None, TopicReference::Name(_)) => Err(ErrorCode::UnknownTopicOrPartition.into()),
            (None, TopicReference::Id(_)) => Err(ErrorCode::UnknownTopicId.into()),
        }
    }
}

/// A request that asks for too much is refused before its topics are looked at.
fn too_many(topics: &[CreatableTopic]) -> Decision {
    let refusal =
        Refusal::new(ErrorCode::PolicyViolation, "Excessively large number of partitions per request.");
    let refused = topics.iter().map(|topic| (topic.name.clone(), Err(refusal.clone())));
    (Vec::new(), ControllerReply::TopicsCreated(refused.collect()))
}

pub(super) fn repeated<'a>(names: impl Iterator<Item = &'a ByteString>) -> BTreeSet<&'a ByteString> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

/// Topics by what metrics make of their names: two that look alike there must not exist side by side.
type InMetrics = BTreeMap<String, ByteString>;

fn in_metrics(name: &ByteString) -> Option<(String, ByteString)> {
    Some((topic_name::in_metrics(name)?, name.clone()))
}

fn check_name(image: &MetadataImage, name: &ByteString, alike: &InMetrics) -> Result<(), Refusal> {
    if *name == topic_name::CLUSTER_METADATA {
        let message = format!("Creation of internal topic {name} is prohibited.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    topic_name::validate(name).map_err(|message| Refusal::new(ErrorCode::InvalidTopicException, message))?;
    if image.topic(name).is_some() {
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
    }
    match topic_name::in_metrics(name).and_then(|name| alike.get(&name)) {
        None => Ok(()),
        Some(other) => {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            Err(Refusal::new(ErrorCode::InvalidTopicException, message))
        }
    }
}

/// Validates the configuration of a new topic and yields its records.
fn check_configs(topic: &CreatableTopic) -> Result<Vec<MetadataRecord>, Refusal> {
    let invalid = |message: String| Refusal::new(ErrorCode::InvalidConfig, message);
    let null: Vec<&str> = topic.configs.iter().filter(|c| c.value.is_none()).map(|c| &*c.name).collect();
    if !null.is_empty() {
        return Err(invalid(format!("Null value not supported for topic configs: {}", null.join(", "))));
    }
    if !repeated(topic.configs.iter().map(|config| &config.name)).is_empty() {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "Error due to duplicate config keys"));
    }
    check_sizes(topic.configs.iter().filter_map(|config| config.value.as_ref()))?;
    let values = topic.configs.iter().filter_map(|config| Some((&*config.name, &**config.value.as_ref()?)));
    topic::validate(values).map_err(|error| invalid(error.0))?;
    let resource = ConfigResource::new(ResourceType::Topic, topic.name.clone());
    let record = |config: &milena_protocol::messages::create_topics::CreatableTopicConfig| ConfigRecord {
        resource_type: resource.resource_type as i8,
        resource_name: resource.name.clone(),
        name: config.name.clone(),
        value: config.value.clone(),
    };
    Ok(topic.configs.iter().map(|config| record(config).into()).collect())
}

fn manual_replicas(image: &MetadataImage, topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let request = |message: String| Refusal::new(ErrorCode::InvalidRequest, message);
    for (field, value) in
        [("numPartitions", topic.num_partitions), ("replicationFactor", i32::from(topic.replication_factor))]
    {
        if value != -1 {
            let message =
                format!("A manual partition assignment was specified, but {field} was not set to -1.");
            return Err(request(message));
        }
    }
    let mut assignments: Vec<_> = topic.assignments.iter().collect();
    assignments.sort_by_key(|assignment| assignment.partition_index);
    let mut placed: Vec<Vec<NodeId>> = Vec::with_capacity(assignments.len());
    for (expected, assignment) in (0..).zip(assignments) {
        let index = assignment.partition_index;
        if index >= 0 && index < expected {
            let message = format!("Found multiple manual partition assignments for partition {index}");
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        if index != expected {
            let message = "partitions should be a consecutive 0-based integer sequence";
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        let replicas: Vec<NodeId> = assignment.broker_ids.iter().copied().map(NodeId).collect();
        check_manual(image, &replicas, placed.first().map(Vec::len))?;
        placed.push(replicas);
    }
    Ok(placed)
}
