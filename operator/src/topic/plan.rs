//! What has to be done to a topic: wanted and observed -> actions, or the reason why not. Pure.

use std::collections::BTreeMap;

use milena_client::admin::{ConfigChange, NewTopic};

use super::validate::{Refusal, ValidatedTopic};
use crate::cluster::view::PartitionView;
use crate::replicas::{Assignments, Spread};

/// A topic as Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ObservedTopic {
    pub(crate) id: String,
    /// By index.
    pub(crate) partitions: Vec<PartitionView>,
    /// How many replicas must be in sync, wherever that is set; `None` where it was not asked for.
    pub(crate) min_in_sync: Option<usize>,
    /// The keys that are set on the topic itself.
    pub(crate) config: BTreeMap<String, String>,
}

impl ObservedTopic {
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// How many replicas every partition has, those that are still being made not counted.
    pub(crate) fn replication_factor(&self) -> i32 {
        let fewest = self.partitions.iter().map(PartitionView::replication_factor).min();
        i32::try_from(fewest.unwrap_or(0)).unwrap_or(i32::MAX)
    }

    /// Partitions that have `wanted` replicas and keep as many, even if these move from broker to broker.
    pub(crate) fn settled(&self, wanted: usize) -> usize {
        let is_settled =
            |it: &&PartitionView| it.replication_factor() == wanted && it.target().len() == wanted;
        self.partitions.iter().filter(is_settled).count()
    }

    pub(crate) fn moving(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.is_moving()).count()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Create(NewTopic),
    /// To this many partitions.
    Grow(i32),
    Configure(BTreeMap<String, ConfigChange>),
    /// To these replicas.
    Move(Assignments),
}

/// `applied` are the keys that the resource has set before: those that left its spec are taken back. `spread` is how
/// replicas lie on the brokers that take part; there is none in a cluster of one broker.
pub(crate) fn plan(
    wanted: &ValidatedTopic,
    observed: Option<&ObservedTopic>,
    applied: &[String],
    spread: Option<&mut Spread>,
) -> Result<Vec<Action>, Refusal> {
    let Some(observed) = observed else {
        check_brokers(wanted.initial_replication_factor, spread.as_deref())?;
        return Ok(vec![Action::Create(create(wanted))]);
    };
    let has = observed.partition_count();
    if has > wanted.partitions {
        return Err(Refusal::PartitionDecrease { has, wants: wanted.partitions });
    }
    let moves = match wanted.replication_factor {
        Some(wants) => resize(wants, observed, spread)?,
        None => Assignments::new(),
    };
    let mut actions = Vec::new();
    if has < wanted.partitions {
        actions.push(Action::Grow(wanted.partitions));
    }
    let changes = config_changes(wanted, observed, applied);
    if !changes.is_empty() {
        actions.push(Action::Configure(changes));
    }
    if !moves.is_empty() {
        actions.push(Action::Move(moves));
    }
    Ok(actions)
}

/// The partitions that have another number of replicas, with that many. What moves already is let finish first.
fn resize(wants: i32, observed: &ObservedTopic, spread: Option<&mut Spread>) -> Result<Assignments, Refusal> {
    let count = usize::try_from(wants).unwrap_or(1);
    let differs = |it: &&PartitionView| !it.is_moving() && it.replicas.len() != count;
    let different: Vec<_> = observed.partitions.iter().filter(differs).collect();
    if different.is_empty() {
        return Ok(Assignments::new());
    }
    let Some(spread) = spread else {
        return Err(Refusal::ReplicationFactorChange { has: observed.replication_factor(), wants });
    };
    let away = Refusal::BrokersAway { wants, active: spread.brokers() };
    let resized = different.into_iter().map(|it| Some((it.key(), spread.resize(it, count)?)));
    resized.collect::<Option<_>>().ok_or(away)
}

fn check_brokers(wants: i32, spread: Option<&Spread>) -> Result<(), Refusal> {
    match spread.map(Spread::brokers) {
        Some(active) if i32::try_from(active).is_ok_and(|active| active < wants) => {
            Err(Refusal::BrokersAway { wants, active })
        }
        _ => Ok(()),
    }
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
