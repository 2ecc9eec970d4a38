//! What is said about a cluster: observed objects -> status. Pure.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::observe::ObservedCluster;
use super::roll::{Roll, is_ready};
use super::validate::ValidatedCluster;
use crate::conditions::Outlook;

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
    let status = observed.stateful_set.as_ref().and_then(|set| set.status.as_ref());
    BrokerCount {
        existing: status.map_or(0, |status| status.replicas),
        ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
    }
}

pub(crate) fn assess(cluster: &ValidatedCluster, observed: &ObservedCluster, roll: &Roll) -> Outlook {
    if let Some((reason, message)) = observed.pods.iter().find_map(|pod| trouble(pod)) {
        return Outlook::failing(reason, message);
    }
    let count = count(observed);
    let brokers = format!("{} of {} brokers ready", count.ready, cluster.brokers);
    match roll {
        Roll::Stop { pods } => {
            Outlook::progressing("Rolling", format!("{} restarts for the changed spec", pods.join(", ")))
        }
        Roll::Waiting { reason, message } => Outlook::progressing(reason, message.clone()),
        Roll::Settled if count.ready < cluster.brokers => Outlook::progressing("BrokersStarting", brokers),
        Roll::Settled => Outlook::Ready { message: brokers },
    }
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
            stateful_set: Some(Arc::new(serde_json::from_value(set).unwrap())),
            pods: vec![Arc::new(serde_json::from_value(pod).unwrap())],
            ..ObservedCluster::default()
        }
    }

    #[test]
    fn a_cluster_is_ready_when_all_brokers_are() {
        let outlook = assess(&cluster(), &observed(1, json!({})), &Roll::Settled);
        assert_eq!(outlook, Outlook::Ready { message: "1 of 1 brokers ready".to_owned() });
        let outlook = assess(&cluster(), &observed(0, json!({})), &Roll::Settled);
        assert_eq!(outlook, Outlook::progressing("BrokersStarting", "0 of 1 brokers ready"));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let waiting = json!({"reason": "ErrImagePull", "message": "no such image"});
        let pod = json!({
            "metadata": {"name": "c-broker-0"},
            "status": {"containerStatuses": [{"name": "broker", "state": {"waiting": waiting}, "image": "", "imageID": "", "ready": false, "restartCount": 0}]},
        });
        let outlook = assess(&cluster(), &observed(0, pod), &Roll::Settled);
        assert_eq!(outlook, Outlook::failing("ErrImagePull", "c-broker-0: no such image"));
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"});
        let pod = json!({"metadata": {"name": "c-broker-0"}, "status": {"conditions": [condition]}});
        let outlook = assess(&cluster(), &observed(0, pod), &Roll::Settled);
        assert_eq!(outlook, Outlook::failing("Unschedulable", "c-broker-0: 0/1 nodes"));
    }
}
