//! Which pods are stopped next, so that they come back with the newest revision. Pure.
//!
//! One broker at a time, and only while all others are ready: a broker that is down anyway goes first.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// Where a roll stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roll {
    /// Every pod has the newest revision.
    Settled,
    /// Something has to happen by itself first. The reason is the condition's.
    Waiting { reason: &'static str, message: String },
    /// These pods may be evicted now.
    Stop { pods: Vec<String> },
}

/// The label that the StatefulSet's controller gives to pods.
const REVISION_LABEL: &str = "controller-revision-hash";

pub(crate) fn next_pods(set: &StatefulSet, pods: &[Arc<Pod>]) -> Roll {
    let status = set.status.clone().unwrap_or_default();
    if status.observed_generation < set.metadata.generation {
        return applying();
    }
    let Some(newest) = status.update_revision else {
        return applying();
    };
    let is_outdated =
        |pod: &&Arc<Pod>| pod.labels().get(REVISION_LABEL).is_some_and(|revision| *revision != newest);
    let outdated: Vec<_> = pods.iter().filter(is_outdated).collect();
    if outdated.is_empty() {
        return Roll::Settled;
    }
    if let Some(pod) = pods.iter().find(|pod| pod.metadata.deletion_timestamp.is_some()) {
        return rolling(format!("{} is stopping", pod.name_any()));
    }
    if let Some(down) = outdated.iter().find(|pod| !is_ready(pod)) {
        return Roll::Stop { pods: vec![down.name_any()] };
    }
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    if i64::try_from(ready).unwrap_or(i64::MAX) < i64::from(wanted) {
        return rolling("a broker that was restarted is not ready yet".to_owned());
    }
    outdated.first().map_or(Roll::Settled, |pod| Roll::Stop { pods: vec![pod.name_any()] })
}

/// The StatefulSet's controller has not seen the newest spec yet.
pub(crate) fn applying() -> Roll {
    Roll::Waiting { reason: "Applying", message: "the changed spec is on its way to the pods".to_owned() }
}

pub(crate) fn rolling(message: String) -> Roll {
    Roll::Waiting { reason: "Rolling", message }
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(replicas: i32, revision: &str) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": replicas, "serviceName": "s", "selector": {}, "template": {}},
            "status": {"observedGeneration": 2, "updateRevision": revision, "replicas": replicas},
        }))
        .unwrap()
    }

    fn pod(name: &str, revision: &str, ready: bool) -> Arc<Pod> {
        let status = if ready { "True" } else { "False" };
        let pod = json!({
            "metadata": {"name": name, "labels": {REVISION_LABEL: revision}},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn stop(name: &str) -> Roll {
        Roll::Stop { pods: vec![name.to_owned()] }
    }

    #[test]
    fn a_single_outdated_broker_is_stopped_ready_or_not() {
        assert_eq!(next_pods(&set(1, "b"), &[pod("p-0", "a", true)]), stop("p-0"));
        assert_eq!(next_pods(&set(1, "b"), &[pod("p-0", "a", false)]), stop("p-0"));
        assert_eq!(next_pods(&set(1, "b"), &[pod("p-0", "b", true)]), Roll::Settled);
    }

    #[test]
    fn a_second_broker_waits_for_the_first() {
        let restarted = [pod("p-0", "b", false), pod("p-1", "a", true), pod("p-2", "a", true)];
        assert!(matches!(next_pods(&set(3, "b"), &restarted), Roll::Waiting { .. }));
        let back = [pod("p-0", "b", true), pod("p-1", "a", true), pod("p-2", "a", true)];
        assert_eq!(next_pods(&set(3, "b"), &back), stop("p-1"));
        let gone = [pod("p-1", "a", true), pod("p-2", "a", true)];
        assert!(matches!(next_pods(&set(3, "b"), &gone), Roll::Waiting { .. }));
    }

    #[test]
    fn a_broker_that_is_down_goes_first() {
        let pods = [pod("p-0", "a", true), pod("p-1", "a", false), pod("p-2", "a", true)];
        assert_eq!(next_pods(&set(3, "b"), &pods), stop("p-1"));
    }

    #[test]
    fn nothing_is_stopped_before_the_change_is_seen() {
        let mut set = set(1, "b");
        set.metadata.generation = Some(3);
        assert_eq!(next_pods(&set, &[pod("p-0", "a", true)]), applying());
    }
}
