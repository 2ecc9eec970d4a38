//! Which pods are stopped next, so that they come back with the newest revision. Pure.
//!
//! | pods and cluster | next |
//! |---|---|
//! | none is outdated | settled |
//! | one is stopping | wait for it |
//! | outdated ones do not run, or no pod at all is ready | stop those: they serve nobody |
//! | a single node | stop it |
//! | the cluster does not answer | wait |
//! | an outdated one is not ready, and the cluster can do without it | stop it |
//! | another one that the cluster knows is not ready | wait for it |
//! | something has not caught up | wait for it |
//! | else | the outdated ones of one rack that the cluster can do without together, the active controller last |

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use milena_protocol::NodeId;

use super::build::Budget;
use super::observe::ObservedCluster;
use super::view::ClusterView;
use crate::names::Role;

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

/// What matters of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodView {
    pub(crate) id: NodeId,
    pub(crate) role: Role,
    pub(crate) name: String,
    /// Whether it has an older revision than the StatefulSet.
    pub(crate) outdated: bool,
    pub(crate) ready: bool,
    /// Whether its process runs.
    pub(crate) running: bool,
    pub(crate) stopping: bool,
}

/// The label that the StatefulSet's controller gives to pods.
const REVISION_LABEL: &str = "controller-revision-hash";

/// The pods of a cluster; an error while a StatefulSet's controller has not seen the newest spec.
pub(crate) fn pods(observed: &ObservedCluster) -> Result<Vec<PodView>, Roll> {
    let mut newest = BTreeMap::new();
    for (role, set) in &observed.stateful_sets {
        newest.insert(*role, newest_revision(set).ok_or_else(applying)?);
    }
    let view = |((role, id), pod): (&(Role, i32), &std::sync::Arc<Pod>)| {
        let newest = newest.get(role)?;
        Some(PodView {
            id: NodeId(*id),
            role: *role,
            name: pod.name_any(),
            outdated: pod.labels().get(REVISION_LABEL).is_some_and(|revision| revision != newest),
            ready: is_ready(pod),
            running: is_running(pod),
            stopping: pod.metadata.deletion_timestamp.is_some(),
        })
    };
    Ok(observed.pods.iter().filter_map(view).collect())
}

fn newest_revision(set: &StatefulSet) -> Option<String> {
    let status = set.status.as_ref()?;
    let is_seen = status.observed_generation >= set.metadata.generation;
    status.update_revision.clone().filter(|_| is_seen)
}

/// `view` is absent where the cluster does not answer; `single` says that it is one node, which nobody can stand in for.
pub(crate) fn next_pods(view: Option<&ClusterView>, pods: &[PodView], single: bool) -> Roll {
    let outdated: Vec<_> = pods.iter().filter(|pod| pod.outdated).collect();
    if outdated.is_empty() {
        return Roll::Settled;
    }
    if let Some(pod) = pods.iter().find(|pod| pod.stopping) {
        return rolling(format!("{} is stopping", pod.name));
    }
    let nobody_serves = single || pods.iter().all(|pod| !pod.ready);
    let idle: Vec<_> = outdated.iter().filter(|pod| nobody_serves || !pod.running).copied().collect();
    if !idle.is_empty() {
        return stop(&idle);
    }
    let Some(view) = view else {
        return rolling("the cluster does not say whether a broker may stop".to_owned());
    };
    let is_free = |pod: &&&PodView| !pod.ready && view.hold(&BTreeSet::from([pod.id])).is_none();
    if let Some(down) = outdated.iter().find(is_free) {
        return stop(&[down]);
    }
    if let Some(pod) = pods.iter().find(|pod| !pod.ready && view.knows(pod.id)) {
        return rolling(format!("{} is not ready yet", pod.name));
    }
    let has_pod = |id: &&NodeId| pods.iter().any(|pod| pod.id == **id);
    if let Some(id) = view.brokers.keys().chain(view.voters.keys()).find(|id| !has_pod(id)) {
        return rolling(format!("node {id} has no pod"));
    }
    if let Some(message) = view.unsettled() {
        return rolling(message);
    }
    choose(view, &outdated)
}

/// The first outdated pod that may stop, and those of its rack that may stop with it.
fn choose(view: &ClusterView, outdated: &[&PodView]) -> Roll {
    let is_last = |pod: &&&PodView| Some(pod.id) == view.leader;
    let mut candidates: Vec<_> = outdated.iter().filter(|pod| !is_last(pod)).copied().collect();
    if candidates.is_empty() {
        candidates.extend(outdated);
    }
    let rack_of = |pod: &PodView| view.brokers.get(&pod.id).and_then(|broker| broker.rack.clone());
    let mut held = None;
    for (at, first) in candidates.iter().enumerate() {
        let mut ids = BTreeSet::from([first.id]);
        if let Some(message) = view.hold(&ids) {
            held.get_or_insert(format!("{}: {message}", first.name));
            continue;
        }
        let mut group = vec![*first];
        for next in &candidates[at + 1..] {
            if rack_of(first).is_none() || rack_of(next) != rack_of(first) {
                continue;
            }
            let together = ids.iter().copied().chain([next.id]).collect();
            if view.hold(&together).is_none() {
                ids = together;
                group.push(next);
            }
        }
        return stop(&group);
    }
    rolling(held.unwrap_or_default())
}

/// How many healthy pods the disruption budgets let go: those of a roll's step, else one where the cluster can do without
/// any one. New pods that the cluster has not met yet are unavailable without harm.
pub(crate) fn budget(view: Option<&ClusterView>, pods: &[PodView], roll: &Roll, single: bool) -> Budget {
    if single {
        return Budget { brokers: 1, controllers: 1 };
    }
    let spares_any = view.is_some_and(ClusterView::spares_any);
    let of = |role: Role| {
        let count = |wanted: &dyn Fn(&PodView) -> bool| {
            pods.iter().filter(|pod| pod.role == role && wanted(pod)).count()
        };
        let healthy = match roll {
            Roll::Stop { pods: stopped } => count(&|pod| pod.ready && stopped.contains(&pod.name)),
            _ => usize::from(spares_any),
        };
        let is_new = |pod: &PodView| !pod.ready && view.is_some_and(|view| !view.knows(pod.id));
        if healthy == 0 { 0 } else { healthy + count(&is_new) }
    };
    Budget { brokers: of(Role::Broker), controllers: of(Role::Controller) }
}

fn stop(pods: &[&PodView]) -> Roll {
    Roll::Stop { pods: pods.iter().map(|pod| pod.name.clone()).collect() }
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

/// Whether a process of the pod runs; unknown counts as yes where the pod is said to be ready.
fn is_running(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let runs = statuses.is_some_and(|all| {
        all.iter().any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()))
    });
    runs || is_ready(pod)
}

#[cfg(test)]
mod tests;
