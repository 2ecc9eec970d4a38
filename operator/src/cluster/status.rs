//! What is said about a cluster: observed objects -> status. Pure.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use milena_client::ClientError;

use super::grow::{Balance, Growth};
use super::observe::ObservedCluster;
use super::roll::{Roll, is_ready};
use super::validate::ValidatedCluster;
use super::view::ClusterView;
use crate::conditions::{self, Outlook};
use crate::names::Role;

/// Reasons for which a container waits that do not pass by themselves soon.
const TROUBLES: [&str; 6] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
];

/// Brokers that exist and brokers that are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BrokerCount {
    pub(crate) existing: i32,
    pub(crate) ready: i32,
}

pub(crate) fn count(observed: &ObservedCluster) -> BrokerCount {
    let set = observed.stateful_sets.get(&Role::Broker);
    let status = set.and_then(|set| set.status.as_ref());
    BrokerCount {
        existing: status.map_or(0, |status| status.replicas),
        ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
    }
}

/// What a pass saw and did beyond the objects.
#[derive(Debug, Clone)]
pub(crate) struct Seen<'a> {
    pub(crate) roll: &'a Roll,
    /// Absent where nobody could be asked.
    pub(crate) view: Option<&'a Result<ClusterView, ClientError>>,
    pub(crate) growth: Option<&'a Growth>,
    /// What the cluster has against a step of its growth.
    pub(crate) failure: Option<String>,
}

pub(crate) fn assess(cluster: &ValidatedCluster, observed: &ObservedCluster, seen: &Seen<'_>) -> Outlook {
    if let Some((reason, message)) = observed.pods.values().find_map(|pod| trouble(pod)) {
        return Outlook::failing(reason, message);
    }
    let count = count(observed);
    let brokers = format!("{} of {} brokers ready", count.ready, cluster.brokers);
    match seen.roll {
        Roll::Stop { pods } => {
            let restart = if pods.len() == 1 { "restarts" } else { "restart" };
            let message = format!("{} {restart} for the changed spec", pods.join(", "));
            Outlook::progressing("Rolling", message)
        }
        Roll::Waiting { reason, message } => Outlook::progressing(reason, message.clone()),
        Roll::Settled if count.ready < cluster.brokers => Outlook::progressing("BrokersStarting", brokers),
        Roll::Settled => match &seen.view {
            None => Outlook::Ready { message: brokers },
            Some(Err(error)) => Outlook::failing("ClusterUnreachable", error.to_string()),
            Some(Ok(view)) => in_kafka(cluster, view, seen).unwrap_or(Outlook::Ready { message: brokers }),
        },
    }
}

/// What the cluster itself has yet to do, all pods being ready.
fn in_kafka(cluster: &ValidatedCluster, view: &ClusterView, seen: &Seen<'_>) -> Option<Outlook> {
    let absent = view.absent(cluster.ids(Role::Broker));
    if !absent.is_empty() {
        let ids: Vec<_> = absent.iter().map(i32::to_string).collect();
        return Some(Outlook::progressing("BrokersJoining", format!("waits for brokers {}", ids.join(", "))));
    }
    if let Some(failure) = &seen.failure {
        return Some(Outlook::failing("GrowthFailed", failure.clone()));
    }
    if let Some((reason, message)) = seen.growth.and_then(|growth| growth.progress.clone()) {
        return Some(Outlook::progressing(reason, message));
    }
    view.unsettled().map(|message| Outlook::progressing("CatchingUp", message))
}

/// The fourth condition of a cluster of several brokers: whether they have about as many replicas.
pub(crate) const BALANCED: &str = "Balanced";

pub(crate) fn balanced(
    growth: &Growth,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let (is_even, reason, message) = match &growth.balance {
        Balance::Even => (true, "Even", String::new()),
        Balance::Moving(left) => (false, "Moving", format!("{left} partitions are moving or will")),
        Balance::Offered(count) => (false, "RebalanceOffered", offered(*count)),
    };
    conditions::one(before, BALANCED, is_even, (reason, &message), (generation, now))
}

/// What people are told once, when there is something to offer.
pub(crate) fn offer(growth: &Growth) -> Option<String> {
    match growth.balance {
        Balance::Offered(count) => Some(offered(count)),
        Balance::Even | Balance::Moving(_) => None,
    }
}

fn offered(count: usize) -> String {
    format!(
        "brokers have unequal numbers of replicas: with spec.rebalance set to true, {count} partitions move"
    )
}

/// Why a pod does not get ready, in Kubernetes' own words.
fn trouble(pod: &Pod) -> Option<(String, String)> {
    if is_ready(pod) {
        return None;
    }
    let status = pod.status.as_ref()?;
    for container in status.container_statuses.iter().flatten() {
        let Some(waiting) = container.state.as_ref().and_then(|state| state.waiting.as_ref()) else {
            continue;
        };
        let reason = waiting.reason.clone().unwrap_or_default();
        if TROUBLES.contains(&reason.as_str()) {
            let message = waiting.message.clone().unwrap_or_default();
            return Some((reason, format!("{}: {message}", pod.name_any())));
        }
    }
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled")?;
    if scheduled.status == "False" {
        let message = scheduled.message.clone().unwrap_or_default();
        return Some(("Unschedulable".to_owned(), format!("{}: {message}", pod.name_any())));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::crd::KafkaCluster;

    fn cluster() -> ValidatedCluster {
        let spec = json!({"brokers": 1, "storage": {"size": "1Gi"}});
        super::super::validate::validate(
            &KafkaCluster::new("c", serde_json::from_value(spec).unwrap()),
            "image",
        )
        .unwrap()
    }

    fn observed(ready: i32, pod: serde_json::Value) -> ObservedCluster {
        let set = json!({"spec": {"serviceName": "s", "selector": {}, "template": {}}, "status": {"replicas": 1, "readyReplicas": ready}});
        ObservedCluster {
            stateful_sets: [(Role::Broker, Arc::new(serde_json::from_value(set).unwrap()))].into(),
            pods: [((Role::Broker, 0), Arc::new(serde_json::from_value(pod).unwrap()))].into(),
            ..ObservedCluster::default()
        }
    }

    fn settled() -> Seen<'static> {
        Seen { roll: &Roll::Settled, view: None, growth: None, failure: None }
    }

    #[test]
    fn a_cluster_is_ready_when_all_brokers_are() {
        let outlook = assess(&cluster(), &observed(1, json!({})), &settled());
        assert_eq!(outlook, Outlook::Ready { message: "1 of 1 brokers ready".to_owned() });
        let outlook = assess(&cluster(), &observed(0, json!({})), &settled());
        assert_eq!(outlook, Outlook::progressing("BrokersStarting", "0 of 1 brokers ready"));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let waiting = json!({"reason": "ErrImagePull", "message": "no such image"});
        let pod = json!({
            "metadata": {"name": "c-broker-0"},
            "status": {"containerStatuses": [{"name": "broker", "state": {"waiting": waiting}, "image": "", "imageID": "", "ready": false, "restartCount": 0}]},
        });
        let outlook = assess(&cluster(), &observed(0, pod), &settled());
        assert_eq!(outlook, Outlook::failing("ErrImagePull", "c-broker-0: no such image"));
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"});
        let pod = json!({"metadata": {"name": "c-broker-0"}, "status": {"conditions": [condition]}});
        let outlook = assess(&cluster(), &observed(0, pod), &settled());
        assert_eq!(outlook, Outlook::failing("Unschedulable", "c-broker-0: 0/1 nodes"));
    }
}
