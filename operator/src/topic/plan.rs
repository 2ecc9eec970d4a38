//! What has to be done to a topic: wanted and observed -> actions, or the reason why not. Pure.

use std::collections::BTreeMap;

use milena_client::admin::{ConfigChange, NewTopic};

use super::validate::{Refusal, ValidatedTopic};

/// A topic as Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ObservedTopic {
    pub(crate) id: String,
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i32,
    /// The keys that are set on the topic itself.
    pub(crate) config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Create(NewTopic),
    /// To this many partitions.
    Grow(i32),
    Configure(BTreeMap<String, ConfigChange>),
}

/// `applied` are the keys that the resource has set before: those that left its spec are taken back.
pub(crate) fn plan(
    wanted: &ValidatedTopic,
    observed: Option<&ObservedTopic>,
    applied: &[String],
) -> Result<Vec<Action>, Refusal> {
    let Some(observed) = observed else {
        return Ok(vec![Action::Create(create(wanted))]);
    };
    if observed.partitions > wanted.partitions {
        return Err(Refusal::PartitionDecrease { has: observed.partitions, wants: wanted.partitions });
    }
    let has = observed.replication_factor;
    if let Some(wants) = wanted.replication_factor.filter(|wants| *wants != has) {
        return Err(Refusal::ReplicationFactorChange { has, wants });
    }
    let mut actions = Vec::new();
    if observed.partitions < wanted.partitions {
        actions.push(Action::Grow(wanted.partitions));
    }
    let changes = config_changes(wanted, observed, applied);
    if !changes.is_empty() {
        actions.push(Action::Configure(changes));
    }
    Ok(actions)
}

fn create(wanted: &ValidatedTopic) -> NewTopic {
    NewTopic {
        name: wanted.name.clone(),
        partitions: Some(wanted.partitions),
        replication_factor: i16::try_from(wanted.initial_replication_factor).ok(),
        configs: wanted.config.clone(),
    }
}

fn config_changes(
    wanted: &ValidatedTopic,
    observed: &ObservedTopic,
    applied: &[String],
) -> BTreeMap<String, ConfigChange> {
    let set = wanted.config.iter().filter(|(key, value)| {
        observed.config.get(*key).is_none_or(|present| normalised(present) != normalised(value))
    });
    let set = set.map(|(key, value)| (key.clone(), ConfigChange::Set(value.clone())));
    let left = |key: &&String| !wanted.config.contains_key(*key) && observed.config.contains_key(*key);
    let taken_back = applied.iter().filter(left).map(|key| (key.clone(), ConfigChange::Delete));
    set.chain(taken_back).collect()
}

/// Kafka answers `compact,delete` to `compact, delete` and `true` to `True`.
fn normalised(value: &str) -> String {
    let flag = value.trim().to_ascii_lowercase();
    if flag == "true" || flag == "false" {
        return flag;
    }
    value.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
