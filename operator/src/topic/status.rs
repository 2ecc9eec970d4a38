//! What is said about a topic: what there is and what was tried -> status. Pure.

use k8s_openapi::jiff::Timestamp;
use milena_client::Refused;

use super::Owner;
use super::plan::ObservedTopic;
use super::validate::Refusal;
use crate::conditions::Outlook;
use crate::crd::{KafkaTopic, TopicStatus};

/// The reason while replicas move.
const MOVING: &str = "MovingReplicas";

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
    /// Whether it is worth another try soon. Replicas move by themselves.
    pub(super) fn is_tried_again(&self) -> bool {
        match &self.outlook {
            Outlook::Failing { .. } => true,
            Outlook::Progressing { reason, .. } => *reason != MOVING,
            Outlook::Ready { .. } | Outlook::ReadyBut { .. } | Outlook::Refused { .. } => false,
        }
    }

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
        (Some(refusal), _) if refusal.passes() => Outlook::progressing(refusal.reason(), refusal.to_string()),
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
    let is_moving = matches!(&outlook, Outlook::Progressing { reason, .. } if *reason == MOVING);
    let configured = is_moving || matches!(outlook, Outlook::Ready { .. } | Outlook::ReadyBut { .. });
    Verdict { outlook, observed, configured }
}

fn progress(owner: &Owner, observed: Option<&ObservedTopic>) -> Outlook {
    let Some(there) = observed else {
        return Outlook::progressing("Creating", "the topic is not visible yet");
    };
    if owner.is_going() {
        return Outlook::progressing("Deleting", "the topic is being deleted");
    }
    let Ok(wanted) = &owner.wanted else { return ready(there) };
    let has = there.partition_count();
    if has < wanted.partitions {
        let message = format!("the topic has {has} of {} partitions", wanted.partitions);
        return Outlook::progressing("Growing", message);
    }
    let wants = wanted.replication_factor.and_then(|wants| usize::try_from(wants).ok());
    match wants.filter(|wants| there.settled(*wants) < there.partitions.len()) {
        Some(wants) => {
            let (done, all) = (there.settled(wants), there.partitions.len());
            Outlook::progressing(MOVING, format!("{done} of {all} partitions have {wants} replicas"))
        }
        None => ready(there),
    }
}

/// Ready, and not without saying so when a record is acknowledged by fewer brokers than the configuration asks for.
fn ready(there: &ObservedTopic) -> Outlook {
    let message = format!("the topic has {}", partitions(there.partition_count()));
    let has = there.replication_factor();
    match there.min_in_sync.and_then(|wants| i32::try_from(wants).ok()) {
        Some(wants) if has < wants => Outlook::ReadyBut {
            message,
            reason: "BelowMinInSync",
            concern: format!("each partition has {has} replicas, min.insync.replicas asks for {wants}"),
        },
        _ => Outlook::Ready { message },
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
        partitions: observed.map(ObservedTopic::partition_count),
        replication_factor: observed.map(ObservedTopic::replication_factor),
        partitions_moving: observed.map_or(0, |topic| i32::try_from(topic.moving()).unwrap_or(i32::MAX)),
        config_keys,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use milena_protocol::{ErrorCode, NodeId};
    use serde_json::json;

    use super::*;
    use crate::cluster::view::PartitionView;

    fn owner() -> Owner {
        let spec = json!({"clusterRef": {"name": "demo"}, "partitions": 3, "config": {"retention.ms": 1}});
        let mut resource = KafkaTopic::new("orders", serde_json::from_value(spec).unwrap());
        let status = json!({"configKeys": ["flush.ms"], "topicId": "old"});
        resource.status = serde_json::from_value(status).unwrap();
        let refusal = Refusal::InvalidConfig { key: "unused".to_owned() };
        Owner { name: "orders".to_owned(), resource: Arc::new(resource), wanted: Err(refusal) }
    }

    fn there(partitions: i32) -> Option<Result<Option<ObservedTopic>, Refused>> {
        let partition = PartitionView { replicas: vec![NodeId(0)], ..PartitionView::default() };
        let partitions = vec![partition; usize::try_from(partitions).unwrap()];
        let topic = ObservedTopic { id: "id".to_owned(), partitions, ..Default::default() };
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

    #[test]
    fn fewer_replicas_than_must_be_in_sync_are_ready_and_degraded() {
        let Some(Ok(Some(mut topic))) = there(3) else { unreachable!() };
        topic.min_in_sync = Some(2);
        let verdict = judge(&owner(), Some(Ok(Some(topic))), Tried::default());
        let status = status(&owner().resource, verdict, Timestamp::UNIX_EPOCH);
        let degraded = crate::conditions::find(&status.conditions, "Degraded").unwrap();
        assert_eq!((degraded.status.as_str(), degraded.reason.as_str()), ("True", "BelowMinInSync"));
        assert_eq!(degraded.message, "each partition has 1 replicas, min.insync.replicas asks for 2");
        assert_eq!(crate::conditions::find(&status.conditions, "Ready").unwrap().status, "True");
        assert_eq!(status.config_keys, ["retention.ms"], "the configuration is on the topic");
    }

    #[test]
    fn replicas_that_are_made_are_progress_and_those_that_move_are_not() {
        let nodes = |ids: &[i32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let mut owner = owner();
        owner.wanted = Ok(crate::topic::validate::ValidatedTopic {
            name: "orders".to_owned(),
            partitions: 2,
            replication_factor: Some(3),
            initial_replication_factor: 3,
            config: Default::default(),
        });
        let grown = PartitionView { replicas: nodes(&[0, 1, 2]), ..PartitionView::default() };
        let growing = PartitionView { adding: nodes(&[1, 2]), ..grown.clone() };
        let moving = PartitionView {
            replicas: nodes(&[0, 1, 2, 3]),
            adding: nodes(&[3]),
            removing: nodes(&[0]),
            ..PartitionView::default()
        };
        let judged = |partitions: &[PartitionView]| {
            let topic = ObservedTopic { partitions: partitions.to_vec(), ..Default::default() };
            judge(&owner, Some(Ok(Some(topic))), Tried::default())
        };
        let verdict = judged(&[grown.clone(), growing.clone()]);
        let message = "1 of 2 partitions have 3 replicas";
        assert_eq!(verdict.outlook, Outlook::progressing("MovingReplicas", message));
        assert!(!verdict.is_tried_again(), "the replicas move by themselves");
        let status = status(&owner.resource, verdict, Timestamp::UNIX_EPOCH);
        assert_eq!((status.replication_factor, status.partitions_moving), (Some(1), 1));
        assert!(matches!(judged(&[grown, moving]).outlook, Outlook::Ready { .. }));
    }
}
