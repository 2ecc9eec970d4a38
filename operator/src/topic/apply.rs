//! Carries out what was planned: one request for all topics of a cluster that need the same kind of change.

use std::collections::BTreeMap;

use milena_client::admin::{ConfigChange, ConfigResource, NewTopic};
use milena_client::{Admin, ClientError, Refused};
use milena_protocol::ErrorCode;

use super::plan::Action;
use crate::replicas::Assignments;

/// What shall be done to the topics of a cluster, sorted by kind of change.
#[derive(Debug, Default)]
pub(super) struct Batch {
    delete: Vec<String>,
    create: Vec<NewTopic>,
    grow: BTreeMap<String, i32>,
    configure: Vec<(ConfigResource, BTreeMap<String, ConfigChange>)>,
    moves: Assignments,
}

/// What became of each topic that was touched.
pub(super) type Outcomes = BTreeMap<String, Result<(), Refused>>;

impl Batch {
    pub(super) fn add(&mut self, topic: &str, action: Action) {
        match action {
            Action::Create(new) => self.create.push(new),
            Action::Grow(partitions) => drop(self.grow.insert(topic.to_owned(), partitions)),
            Action::Move(moves) => self.moves.extend(moves),
            Action::Configure(changes) => self.configure.push((ConfigResource::topic(topic), changes)),
        }
    }

    pub(super) fn delete(&mut self, topic: &str) {
        self.delete.push(topic.to_owned());
    }

    /// Leaves out moves beyond `room`: they are planned again when others are done.
    pub(super) fn limit_moves(&mut self, room: usize) {
        while self.moves.len() > room {
            self.moves.pop_last();
        }
    }

    /// Sends it. A topic that two changes touch is well only if both are.
    pub(super) async fn run(self, admin: &Admin) -> Result<Outcomes, ClientError> {
        let mut outcomes = Outcomes::new();
        if !self.delete.is_empty() {
            merge(
                &mut outcomes,
                admin.delete_topics(&self.delete).await?,
                Some(ErrorCode::UnknownTopicOrPartition),
            );
        }
        if !self.create.is_empty() {
            // Somebody else may have made it since: the next pass sees what there is.
            let created = admin.create_topics(&self.create, false).await?.into_iter();
            let created = created.map(|(name, id)| (name, id.map(|_| ())));
            merge(&mut outcomes, created, Some(ErrorCode::TopicAlreadyExists));
        }
        if !self.grow.is_empty() {
            merge(&mut outcomes, admin.create_partitions(&self.grow).await?, None);
        }
        if !self.configure.is_empty() {
            let altered = admin.incremental_alter_configs(&self.configure, false).await?;
            merge(&mut outcomes, altered.into_iter().map(|(resource, result)| (resource.name, result)), None);
        }
        if !self.moves.is_empty() {
            let moved = admin.alter_reassignments(&self.moves).await?;
            merge(&mut outcomes, moved.into_iter().map(|((topic, _), result)| (topic, result)), None);
        }
        Ok(outcomes)
    }
}

/// `harmless` is the refusal that says that what was wanted is so already.
fn merge(
    outcomes: &mut Outcomes,
    results: impl IntoIterator<Item = (String, Result<(), Refused>)>,
    harmless: Option<ErrorCode>,
) {
    for (name, result) in results {
        let result = match result {
            Err(refused) if Some(refused.code) == harmless => Ok(()),
            result => result,
        };
        if let Err(refused) = &result {
            tracing::warn!(topic = name, error = %refused, "Kafka refused a change");
        } else {
            tracing::info!(topic = name, "changed");
        }
        let slot = outcomes.entry(name).or_insert(Ok(()));
        if slot.is_ok() {
            *slot = result;
        }
    }
}
