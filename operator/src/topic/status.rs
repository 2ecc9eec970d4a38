//! What is said about a topic: what there is and what was tried -> status. Pure.

use k8s_openapi::jiff::Timestamp;
use milena_client::Refused;

use super::Owner;
use super::plan::ObservedTopic;
use super::validate::Refusal;
use crate::conditions::Outlook;
use crate::crd::{KafkaTopic, TopicStatus};

/// What a pass concludes about a resource that owns its topic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) outlook: Outlook,
    /// `None` where there is no such topic.
    observed: Option<ObservedTopic>,
    /// Whether the spec's configuration is on the topic now.
    configured: bool,
}

impl Verdict {
    /// Whether the topic is not there, and that is no error.
    pub(super) fn is_gone(&self) -> bool {
        self.observed.is_none() && !self.outlook.is_failing()
    }
}

/// What a pass did about a topic.
#[derive(Debug, Default)]
pub(super) struct Tried<'a> {
    /// Kafka's answer, where something was asked of it.
    pub(super) outcome: Option<&'a Result<(), Refused>>,
    /// Why nothing was asked.
    pub(super) refusal: Option<Refusal>,
}

/// `topic` is what Kafka has after all that was tried.
pub(super) fn judge(
    owner: &Owner,
    topic: Option<Result<Option<ObservedTopic>, Refused>>,
    tried: Tried<'_>,
) -> Verdict {
    let observed = match topic.transpose() {
        Ok(observed) => observed.flatten(),
        Err(refused) => {
            let outlook = Outlook::failing("DescribeFailed", refused.to_string());
            return Verdict { outlook, observed: None, configured: false };
        }
    };
    let outlook = match (tried.refusal, tried.outcome) {
        (Some(refusal), _) => Outlook::refused(refusal.reason(), refusal.to_string()),
        (None, Some(Err(error))) if error.code.retriable() => {
            Outlook::failing("ChangeFailed", error.to_string())
        }
        (None, Some(Err(error))) => {
            let refusal = Refusal::RefusedByKafka { message: error.to_string() };
            Outlook::refused(refusal.reason(), refusal.to_string())
        }
        (None, _) => progress(owner, observed.as_ref()),
    };
    let configured = matches!(outlook, Outlook::Ready { .. });
    Verdict { outlook, observed, configured }
}

fn progress(owner: &Owner, observed: Option<&ObservedTopic>) -> Outlook {
    let Some(there) = observed else {
        return Outlook::progressing("Creating", "the topic is not visible yet");
    };
    if owner.is_going() {
        return Outlook::progressing("Deleting", "the topic is being deleted");
    }
    match &owner.wanted {
        Ok(wanted) if there.partitions < wanted.partitions => {
            let message = format!("the topic has {} of {} partitions", there.partitions, wanted.partitions);
            Outlook::progressing("Growing", message)
        }
        _ => Outlook::Ready { message: format!("the topic has {}", partitions(there.partitions)) },
    }
}

fn partitions(count: i32) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}

/// The status that tells a verdict.
pub(super) fn status(topic: &KafkaTopic, verdict: Verdict, now: Timestamp) -> TopicStatus {
    let before = topic.status.clone().unwrap_or_default();
    let generation = topic.metadata.generation;
    let config_keys =
        if verdict.configured { topic.spec.config.keys().cloned().collect() } else { before.config_keys };
    let observed = verdict.observed.as_ref();
    TopicStatus {
        observed_generation: generation,
        conditions: verdict.outlook.conditions(&before.conditions, generation, now),
        topic_name: Some(topic.topic()),
        topic_id: observed.map(|topic| topic.id.clone()),
        partitions: observed.map(|topic| topic.partitions),
        replication_factor: observed.map(|topic| topic.replication_factor),
        config_keys,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use milena_protocol::ErrorCode;
    use serde_json::json;

    use super::*;

    fn owner() -> Owner {
        let spec = json!({"clusterRef": {"name": "demo"}, "partitions": 3, "config": {"retention.ms": 1}});
        let mut resource = KafkaTopic::new("orders", serde_json::from_value(spec).unwrap());
        let status = json!({"configKeys": ["flush.ms"], "topicId": "old"});
        resource.status = serde_json::from_value(status).unwrap();
        let refusal = Refusal::InvalidConfig { key: "unused".to_owned() };
        Owner { name: "orders".to_owned(), resource: Arc::new(resource), wanted: Err(refusal) }
    }

    fn there(partitions: i32) -> Option<Result<Option<ObservedTopic>, Refused>> {
        let topic =
            ObservedTopic { id: "id".to_owned(), partitions, replication_factor: 1, ..Default::default() };
        Some(Ok(Some(topic)))
    }

    fn refused(code: ErrorCode) -> Result<(), Refused> {
        Err(Refused { code, message: Some("because".to_owned()) })
    }

    #[test]
    fn a_topic_as_wanted_is_ready_and_its_keys_are_remembered() {
        let verdict = judge(&owner(), there(3), Tried::default());
        assert_eq!(verdict.outlook, Outlook::Ready { message: "the topic has 3 partitions".to_owned() });
        let status = status(&owner().resource, verdict, Timestamp::UNIX_EPOCH);
        assert_eq!((status.partitions, status.replication_factor), (Some(3), Some(1)));
        assert_eq!(
            (status.topic_id.as_deref(), status.config_keys),
            (Some("id"), vec!["retention.ms".to_owned()])
        );
    }

    #[test]
    fn a_refusal_by_kafka_waits_for_a_change_and_an_error_of_the_moment_does_not() {
        let outcome = refused(ErrorCode::InvalidConfig);
        let verdict = judge(&owner(), there(3), Tried { outcome: Some(&outcome), refusal: None });
        let message = "Kafka refuses it: INVALID_CONFIG: because";
        assert_eq!(verdict.outlook, Outlook::refused("RefusedByKafka", message));
        let status = status(&owner().resource, verdict, Timestamp::UNIX_EPOCH);
        assert_eq!(status.config_keys, ["flush.ms"], "what was set before is still to be taken back");

        let outcome = refused(ErrorCode::NotController);
        let verdict = judge(&owner(), there(3), Tried { outcome: Some(&outcome), refusal: None });
        assert_eq!(verdict.outlook, Outlook::failing("ChangeFailed", "NOT_CONTROLLER: because"));
    }

    #[test]
    fn a_topic_that_cannot_be_described_is_not_gone() {
        let unknown = Refused { code: ErrorCode::LeaderNotAvailable, message: None };
        let verdict = judge(&owner(), Some(Err(unknown)), Tried::default());
        assert!(!verdict.is_gone());
        assert!(judge(&owner(), Some(Ok(None)), Tried::default()).is_gone());
        assert!(!judge(&owner(), there(1), Tried::default()).is_gone());
    }
}
