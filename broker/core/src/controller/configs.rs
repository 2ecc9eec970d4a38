//! Configurations: incremental changes and whole replacements, validated as the whole they lead to.
//!
//! Deliberate difference from Apache Kafka, which stores every name it does not know on a broker for the sake of
//! plugged-in classes: there are none here, so an unknown broker key is refused.

use std::collections::BTreeSet;

use bytestring::ByteString;
use milena_protocol::ErrorCode;
use milena_protocol::messages::alter_configs::{self, AlterableConfig as Replacement};
use milena_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_protocol::messages::metadata_records::{ClearElrRecord, ConfigRecord, MetadataRecord};

use super::{Controller, ControllerReply, Decision, Refusal};
use crate::config::effective::Values;
use crate::config::{Key, Type, Update, broker, client_metrics, group, list, topic};
use crate::metadata::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use crate::metadata::{ConfigResource, ResourceType, topic_name};

/// Longest value, in UTF-16 code units as Kafka counts them.
const VALUE_CHARS_MAX: usize = i16::MAX as usize;

/// What to do with a value, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_code(code: i8) -> Option<Self> {
        [Self::Set, Self::Delete, Self::Append, Self::Subtract].get(usize::try_from(code).ok()?).copied()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

impl Controller {
    /// Changes single values.
    pub(super) fn alter_configs(
        &mut self,
        resources: &[AlterConfigsResource],
        validate_only: bool,
    ) -> Decision {
        let id = |wanted: &AlterConfigsResource| (wanted.resource_type, wanted.resource_name.clone());
        self.cleared(decide(resources, validate_only, id, |wanted| self.alter(wanted)))
    }

    /// Replaces all values of a resource.
    pub(super) fn replace_configs(
        &mut self,
        resources: &[alter_configs::AlterConfigsResource],
        validate_only: bool,
    ) -> Decision {
        let id = |wanted: &alter_configs::AlterConfigsResource| {
            (wanted.resource_type, wanted.resource_name.clone())
        };
        self.cleared(decide(resources, validate_only, id, |wanted| self.replace(wanted)))
    }

    /// Who is eligible was judged by the former `min.insync.replicas`: a change of it clears eligible leader replicas.
    fn cleared(&self, (mut records, reply): Decision) -> Decision {
        if self.view().has_elr() {
            let cleared: Vec<MetadataRecord> = records.iter().filter_map(clears).map(Into::into).collect();
            records.extend(cleared);
        }
        (records, reply)
    }

    fn replace(&self, wanted: &alter_configs::AlterConfigsResource) -> Result<Vec<MetadataRecord>, Refusal> {
        let kind = wanted.resource_type;
        if ResourceType::from_code(kind).is_none_or(|kind| kind == ResourceType::BrokerLogger) {
            let message = format!("Unknown resource type {kind}");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        let resource = self.check_resource(kind, &wanted.resource_name, "")?;
        check_names(wanted.configs.iter().map(|config| &config.name))?;
        check_values(
            wanted.configs.iter().filter(|config| config.value.is_none()).map(|config| &config.name),
        )?;
        let before = self.image.config(&resource).cloned().unwrap_or_default();
        let value = |config: &Replacement| Some((config.name.clone(), config.value.clone()?));
        let after: Values = wanted.configs.iter().filter_map(value).collect();
        check_sizes(after.values())?;
        validate(&resource, &after, &after.keys().collect())?;
        self.check_min_isr(&resource, &before, &after)?;
        self.check_existence(&resource)?;
        Ok(changes(&resource, &before, &after))
    }

    fn alter(&self, wanted: &AlterConfigsResource) -> Result<Vec<MetadataRecord>, Refusal> {
        let logger = wanted.configs.first().map_or("", |config| &config.name);
        let resource = self.check_resource(wanted.resource_type, &wanted.resource_name, logger)?;
        check_shape(&wanted.configs)?;
        let before = self.image.config(&resource).cloned().unwrap_or_default();
        let mut after = before.clone();
        for config in &wanted.configs {
            apply(&resource, config, &mut after)?;
        }
        let touched: BTreeSet<&ByteString> = wanted.configs.iter().map(|config| &config.name).collect();
        check_sizes(touched.iter().filter_map(|name| after.get(*name)))?;
        validate(&resource, &after, &touched)?;
        self.check_min_isr(&resource, &before, &after)?;
        self.check_existence(&resource)?;
        Ok(changes(&resource, &before, &after))
    }

    fn check_resource(&self, kind: i8, name: &ByteString, logger: &str) -> Result<ConfigResource, Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        let Some(kind) = ResourceType::from_code(kind) else {
            return invalid(format!("Unsupported resource type {kind}"));
        };
        match kind {
            ResourceType::Topic if name.is_empty() => {
                invalid("Default topic resources are not allowed.".to_owned())
            }
            ResourceType::Group if name.is_empty() => {
                invalid("Default group resources are not allowed.".to_owned())
            }
            ResourceType::ClientMetrics if name.is_empty() => {
                invalid("Default client metrics resources are not allowed.".to_owned())
            }
            ResourceType::Broker if !name.is_empty() && name.parse::<u32>().is_err() => {
                invalid(format!("Node id must be an integer, but it is: {name}"))
            }
            ResourceType::BrokerLogger => {
                Err(Refusal::new(ErrorCode::InvalidConfig, format!("Logger {logger} does not exist!")))
            }
            _ => Ok(ConfigResource::new(kind, name.clone())),
        }
    }

    /// Where Apache Kafka tracks eligible leaders (KIP-966) every broker must have one minimum of in-sync replicas.
    fn check_min_isr(
        &self,
        resource: &ConfigResource,
        before: &Values,
        after: &Values,
    ) -> Result<(), Refusal> {
        let has_elr = self.image.features().contains_key(ELIGIBLE_LEADER_REPLICAS_VERSION);
        let key = topic::MIN_INSYNC_REPLICAS.name;
        if !has_elr || resource.resource_type != ResourceType::Broker || before.get(key) == after.get(key) {
            return Ok(());
        }
        let refused = |message: String| Err(Refusal::new(ErrorCode::InvalidConfig, message));
        match after.get(key) {
            _ if !resource.name.is_empty() => {
                refused(format!("Broker-level {key} cannot be altered while ELR is enabled."))
            }
            None => refused(format!("Cluster-level {key} cannot be removed while ELR is enabled.")),
            Some(_) => Ok(()),
        }
    }

    /// Values are judged before the topic is looked for.
    fn check_existence(&self, resource: &ConfigResource) -> Result<(), Refusal> {
        if resource.resource_type != ResourceType::Topic || self.image.topic(&resource.name).is_some() {
            return Ok(());
        }
        let message = format!("The topic '{}' does not exist.", resource.name);
        Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message))
    }
}

fn clears(record: &MetadataRecord) -> Option<ClearElrRecord> {
    match record {
        MetadataRecord::ConfigRecord(config) if *config.name == *topic::MIN_INSYNC_REPLICAS.name => {
            let is_of_topic = config.resource_type == ResourceType::Topic as i8;
            let topic_name = if is_of_topic { config.resource_name.clone() } else { ByteString::new() };
            Some(ClearElrRecord { topic_name })
        }
        _ => None,
    }
}

/// Each resource by itself; one that is named twice is refused.
fn decide<R>(
    resources: &[R],
    validate_only: bool,
    id: impl Fn(&R) -> (i8, ByteString),
    alter: impl Fn(&R) -> Result<Vec<MetadataRecord>, Refusal>,
) -> Decision {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = resources.iter().map(&id).filter(|id| !seen.insert(id.clone())).collect();
    let mut records = Vec::new();
    let mut results = Vec::with_capacity(resources.len());
    for resource in resources {
        let id = id(resource);
        let result = if twice.contains(&id) {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
        } else {
            alter(resource)
        };
        results.push((id.0, id.1, result.map(|new| records.extend(new))));
    }
    if validate_only {
        records.clear();
    }
    (records, ControllerReply::ConfigsAltered(results))
}

/// Names once each, and a value where the operation needs one.
fn check_shape(configs: &[AlterableConfig]) -> Result<(), Refusal> {
    check_names(configs.iter().map(|config| &config.name))?;
    let null = |c: &&AlterableConfig| {
        Operation::from_code(c.config_operation) != Some(Operation::Delete) && c.value.is_none()
    };
    check_values(configs.iter().filter(null).map(|config| &config.name))?;
    match configs.iter().find(|config| Operation::from_code(config.config_operation).is_none()) {
        Some(unknown) => {
            let message = format!("Unknown operation type {}", unknown.config_operation);
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        None => Ok(()),
    }
}

fn check_names<'a>(mut names: impl Iterator<Item = &'a ByteString>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    if names.all(|name| seen.insert(name)) {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidRequest, "Error due to duplicate config keys"))
}

/// Refuses the names that lack a value.
fn check_values<'a>(lacking: impl Iterator<Item = &'a ByteString>) -> Result<(), Refusal> {
    let names: Vec<&str> = lacking.map(|name| &**name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!("Null value not supported for : {}", names.join(", "));
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}

/// Refuses values that would be too long for a record.
pub(super) fn check_sizes<'a>(mut values: impl Iterator<Item = &'a ByteString>) -> Result<(), Refusal> {
    if values.all(|value| value.encode_utf16().count() <= VALUE_CHARS_MAX) {
        return Ok(());
    }
    let message = format!(
        "The configuration value cannot be added because it exceeds the maximum value size of {VALUE_CHARS_MAX} bytes."
    );
    Err(Refusal::new(ErrorCode::InvalidConfig, message))
}

fn key(resource: &ConfigResource, name: &str) -> Option<&'static Key> {
    match resource.resource_type {
        ResourceType::Topic => topic::key(name),
        ResourceType::Broker => broker::key(name),
        ResourceType::Group => group::key(name),
        ResourceType::ClientMetrics => client_metrics::key(name),
        ResourceType::BrokerLogger => None,
    }
}

fn apply(resource: &ConfigResource, config: &AlterableConfig, values: &mut Values) -> Result<(), Refusal> {
    let name = &config.name;
    let value = config.value.clone().unwrap_or_default();
    match Operation::from_code(config.config_operation) {
        Some(Operation::Set) => values.insert(name.clone(), value),
        Some(Operation::Delete) => values.remove(name),
        Some(operation @ (Operation::Append | Operation::Subtract)) => {
            let key = key(resource, name).filter(|key| is_splittable(resource, key)).ok_or_else(|| {
                let message =
                    format!("Can't {} to key {name} because its type is not LIST.", operation.name());
                Refusal::new(ErrorCode::InvalidConfig, message)
            })?;
            let current = values.get(name).map_or(key.default.unwrap_or_default(), |value| value);
            values.insert(name.clone(), combined(current, &value, operation).into())
        }
        None => None,
    };
    Ok(())
}

/// Only lists of topics and brokers grow and shrink by entries, as in Apache Kafka.
fn is_splittable(resource: &ConfigResource, key: &Key) -> bool {
    matches!(resource.resource_type, ResourceType::Topic | ResourceType::Broker)
        && key.value_type == Type::List
}

fn combined(current: &str, change: &str, operation: Operation) -> String {
    let mut entries: Vec<&str> = list(current).collect();
    if operation == Operation::Append {
        let mut known: BTreeSet<&str> = entries.iter().copied().collect();
        entries.extend(list(change).filter(|entry| known.insert(entry)));
    } else {
        let removed: BTreeSet<&str> = list(change).collect();
        entries.retain(|entry| !removed.contains(entry));
    }
    entries.join(",")
}

fn validate(
    resource: &ConfigResource,
    values: &Values,
    touched: &BTreeSet<&ByteString>,
) -> Result<(), Refusal> {
    let invalid = |code: ErrorCode| move |error: crate::config::ConfigError| Refusal::new(code, error.0);
    let pairs = values.iter().map(|(name, value)| (&**name, &**value));
    match resource.resource_type {
        ResourceType::Topic => {
            let name = topic_name::validate(&resource.name);
            name.map_err(|message| Refusal::new(ErrorCode::InvalidTopicException, message))?;
            topic::validate(pairs).map_err(invalid(ErrorCode::InvalidConfig))
        }
        ResourceType::Group => group::validate(pairs).map_err(invalid(ErrorCode::InvalidConfig)),
        ResourceType::ClientMetrics => {
            client_metrics::validate(pairs).map_err(|(code, error)| Refusal::new(code, error.0))
        }
        ResourceType::Broker => {
            let touched = values.iter().filter(|(name, _)| touched.contains(name));
            validate_broker(touched.map(|(name, value)| (&**name, &**value)), resource.name.is_empty())
        }
        ResourceType::BrokerLogger => Ok(()),
    }
}

fn validate_broker<'a>(
    values: impl Iterator<Item = (&'a str, &'a str)>,
    is_default: bool,
) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    for (name, value) in values {
        let Some(key) = broker::key(name).or_else(|| broker::listener_key(name).map(|(_, key)| key)) else {
            return invalid(format!("Unknown broker config name: {name}"));
        };
        match key.update {
            Update::ReadOnly => return invalid(format!("Cannot update these configs dynamically: [{name}]")),
            Update::PerBroker if is_default => {
                return invalid(format!(
                    "Cannot update these configs at default cluster level, broker id must be specified: [{name}]"
                ));
            }
            // Listeners, TLS and SASL: accepting what is not obeyed would be worse.
            Update::PerBroker => {
                return invalid(format!("Changing {name} while a broker runs is not built yet"));
            }
            Update::ClusterWide => {}
        }
        key.parse(value).map_err(|error| Refusal::new(ErrorCode::InvalidRequest, error.0))?;
    }
    Ok(())
}

fn changes(resource: &ConfigResource, before: &Values, after: &Values) -> Vec<MetadataRecord> {
    let record = |name: &ByteString, value: Option<&ByteString>| {
        ConfigRecord {
            resource_type: resource.resource_type as i8,
            resource_name: resource.name.clone(),
            name: name.clone(),
            value: value.cloned(),
        }
        .into()
    };
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    set.map(|(name, value)| record(name, Some(value))).chain(removed.map(|name| record(name, None))).collect()
}
