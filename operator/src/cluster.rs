//! One cluster: observe -> validate -> roll -> build -> apply -> evict and grow -> status.
//!
//! Only `observe`, `apply`, `view::look` and what is in this file touch a client or a cache; everything decided is decided in pure
//! functions. All progress is read back, so an operator that is killed at any point resumes at the next pass.

pub(crate) mod apply;
pub(crate) mod build;
mod grow;
mod observe;
mod roll;
mod status;
pub(crate) mod validate;
pub(crate) mod view;
pub(crate) mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::EvictParams;
use milena_client::{ClientError, Refused};
use thiserror::Error;

use self::apply::ApplyError;
use self::build::{Kind, Surroundings};
use self::grow::{Growth, Step};
use self::observe::ObservedCluster;
use self::roll::{PodView, Roll};
use self::status::Seen;
use self::validate::{Refusal, ValidatedCluster};
use self::view::ClusterView;
use crate::conditions::{self, Outlook};
use crate::crd::{ClusterStatus, KafkaCluster};
use crate::names::{ClusterKey, Role};
use crate::operator::{Operator, is_paused};
use crate::queue::Again;
use crate::report::{self, ReportError};

/// How soon an eviction that the budget forbade is tried again.
const EVICTION_RETRY: Duration = Duration::from_secs(5);
/// How soon a cluster of several nodes is looked at again while it is not as it should be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long an eviction is waited for: the client asks again by itself where a budget forbids it, while the pass that
/// would raise the budget waits.
const EVICTION_PATIENCE: Duration = Duration::from_secs(3);
/// An API server answers so when a budget forbids an eviction.
const TOO_MANY_REQUESTS: u16 = 429;

/// Why a pass over a cluster did not reach its end. The variant's name is the metric's label.
#[derive(Debug, Error)]
pub(crate) enum ClusterError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("evict {pod}: {}", report::told(source))]
    EvictionFailed { pod: String, source: Box<kube::Error> },
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl ClusterError {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Apply(error) => error.reason(),
            Self::EvictionFailed { .. } => "EvictionFailed",
            Self::Report(_) => "ReportFailed",
        }
    }
}

/// What a pass learned, to be reported.
struct Finding {
    outlook: Outlook,
    again: Again,
    cluster_id: Option<String>,
    validated: Option<ValidatedCluster>,
    growth: Option<Growth>,
}

/// One pass over the cluster `key`.
pub(crate) async fn reconcile(operator: &Operator, key: &ClusterKey) -> Result<Again, ClusterError> {
    let Some(cluster) = operator.caches.clusters.get(&key.namespace, &key.name) else {
        forget(operator, key);
        return Ok(Again::Never);
    };
    // What the cluster owns is deleted by Kubernetes, volumes included where the spec says so.
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(Again::Never);
    }
    if is_paused(&*cluster) {
        let mut status = cluster.status.clone().unwrap_or_default();
        status.conditions =
            conditions::paused(&status.conditions, cluster.metadata.generation, Timestamp::now());
        report::cluster(operator, &cluster, status, None).await?;
        return Ok(Again::Never);
    }
    let observed = observe::observe(&operator.caches, key, &cluster.spec);
    let validated = validate::validate(&cluster, &operator.options.broker_image);
    let finding = match validated.and_then(|validated| may_resize(validated, &observed)) {
        Err(refusal) => refused(&refusal, &cluster),
        Ok(validated) => realise(operator, &cluster, validated, &observed).await?,
    };
    let again = finding.again;
    let outlook = finding.outlook.clone();
    let offer = finding.growth.as_ref().and_then(status::offer);
    let status = status_of(&cluster, &observed, finding);
    report::cluster(operator, &cluster, status, Some(&outlook)).await?;
    report::offer(operator, &cluster, offer).await;
    Ok(again)
}

/// The gate before every change of the number of pods.
fn may_resize(cluster: ValidatedCluster, observed: &ObservedCluster) -> Result<ValidatedCluster, Refusal> {
    for role in Role::ALL {
        validate::may_resize(role, observed.replicas(role), cluster.replicas(role))?;
    }
    Ok(cluster)
}

fn refused(refusal: &Refusal, cluster: &KafkaCluster) -> Finding {
    let outlook = Outlook::refused(refusal.reason(), refusal.to_string());
    let cluster_id = cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
    Finding { outlook, again: Again::Never, cluster_id, validated: None, growth: None }
}

/// Looks at the cluster, applies what differs, then goes on with a roll and with what growth asks for.
async fn realise(
    operator: &Operator,
    cluster: &Arc<KafkaCluster>,
    validated: ValidatedCluster,
    observed: &ObservedCluster,
) -> Result<Finding, ClusterError> {
    if operator.copies_zones {
        zone::copy(&operator.client, &validated.key, observed).await;
    }
    let (pods, applying) = match roll::pods(observed) {
        Ok(pods) => (pods, None),
        Err(applying) => (Vec::new(), Some(applying)),
    };
    let answer = look(operator, &validated, &pods).await;
    let view = answer.as_ref().and_then(|view| view.as_ref().ok());
    let single = validated.is_single();
    let planned = applying.unwrap_or_else(|| roll::next_pods(view, &pods, single));
    let cluster_id = observed.cluster_id(cluster);
    let around = Surroundings {
        cluster_id: &cluster_id,
        initial_controllers: observed.initial_controllers(&validated),
        budget: roll::budget(view, &pods, &planned, single),
        operator_namespace: &operator.options.namespace,
    };
    // Whether pods have something new to come: then the caches are behind.
    let changed = match apply_all(operator, &validated, observed, around).await {
        Ok(changed) => changed,
        Err(error) => return Ok(not_applied(operator, validated, cluster_id, &error)),
    };
    let growth = view.filter(|_| !changed).map(|view| grow::plan(&validated, view));
    let failure = take_step(operator, &validated, &cluster_id, growth.as_ref()).await;
    let (roll, again) = roll_on(operator, &validated.key, observed, planned, changed).await?;
    let seen = Seen { roll: &roll, view: answer.as_ref(), growth: growth.as_ref(), failure };
    let outlook = status::assess(&validated, observed, &seen);
    let is_calm = matches!(outlook, Outlook::Ready { .. }) && growth.as_ref().is_none_or(Growth::is_done);
    let again = match again {
        Again::Never if single => Again::Never,
        Again::Never if seen.failure.is_some() => Again::Backoff,
        Again::Never => Again::After(if is_calm { operator.options.drift_interval } else { LOOK_AGAIN }),
        again => again,
    };
    Ok(Finding { outlook, again, cluster_id: Some(cluster_id), validated: Some(validated), growth })
}

fn not_applied(
    operator: &Operator,
    cluster: ValidatedCluster,
    cluster_id: String,
    error: &ApplyError,
) -> Finding {
    tracing::warn!(cluster = %cluster.key, %error, "apply failed");
    operator.metrics.failed("cluster", error.reason());
    Finding {
        outlook: Outlook::failing(error.reason(), error.to_string()),
        again: if error.is_farewell() { Again::Never } else { Again::Backoff },
        cluster_id: Some(cluster_id),
        validated: Some(cluster),
        growth: None,
    }
}

/// Asks a cluster of several nodes how it is, once there is somebody to answer.
async fn look(
    operator: &Operator,
    cluster: &ValidatedCluster,
    pods: &[PodView],
) -> Option<Result<ClusterView, ClientError>> {
    if cluster.is_single() || !pods.iter().any(|pod| pod.ready && pod.role == Role::Broker) {
        return None;
    }
    let admin = operator.sessions.admin(&cluster.key, cluster.brokers);
    let mut view = view::look(&admin).await;
    // The broker that was asked may be the one that has just stopped: the next connection finds another.
    if matches!(view, Err(ClientError::Closed { .. })) {
        view = view::look(&admin).await;
    }
    if let Err(error) = &view {
        tracing::warn!(cluster = %cluster.key, %error, "the cluster does not answer");
        operator.sessions.close(&cluster.key);
    }
    Some(view)
}

/// Applies every object that differs. True when the pods have something new to come.
async fn apply_all(
    operator: &Operator,
    cluster: &ValidatedCluster,
    observed: &ObservedCluster,
    around: Surroundings<'_>,
) -> Result<bool, ApplyError> {
    let mut changed = false;
    for manifest in build::build(cluster, around) {
        let cached = observed.objects.get(&(manifest.kind, manifest.name.clone()));
        let written =
            apply::apply(&operator.client, &cluster.key, &manifest, cached, &operator.normalised).await?;
        changed |= written && manifest.kind == Kind::StatefulSet;
    }
    Ok(changed)
}

/// Carries out what growth asks for. Yields what the cluster has against it; the next look plans anew.
async fn take_step(
    operator: &Operator,
    cluster: &ValidatedCluster,
    cluster_id: &str,
    growth: Option<&Growth>,
) -> Option<String> {
    let step = growth?.step.as_ref()?;
    let admin = operator.sessions.admin(&cluster.key, cluster.brokers);
    let outcome = match step {
        Step::AddVoter(voter) => {
            tracing::info!(cluster = %cluster.key, node = %voter.id, "becomes a voter");
            admin.add_raft_voter(cluster_id, voter).await
        }
        Step::Move(assignments) => {
            tracing::info!(cluster = %cluster.key, partitions = assignments.len(), "move replicas");
            let outcomes = admin.alter_reassignments(assignments).await;
            let first =
                |outcomes: BTreeMap<_, Result<(), Refused>>| outcomes.into_values().find_map(Result::err);
            outcomes.and_then(|outcomes| first(outcomes).map_or(Ok(()), |refused| Err(refused.into())))
        }
    };
    let error = outcome.err()?;
    tracing::warn!(cluster = %cluster.key, %error, "the cluster refused a step of its growth");
    Some(error.to_string())
}

/// Evicts the pods whose turn it is. After a change of the StatefulSet the next event comes from it.
async fn roll_on(
    operator: &Operator,
    key: &ClusterKey,
    observed: &ObservedCluster,
    roll: Roll,
    changed: bool,
) -> Result<(Roll, Again), ClusterError> {
    if changed || observed.stateful_sets.is_empty() {
        return Ok((roll::applying(), Again::Never));
    }
    let Roll::Stop { pods } = &roll else { return Ok((roll, Again::Never)) };
    if !observed.lets_go(key, pods) {
        let message = format!("the disruption budget has yet to let go of {}", pods.join(", "));
        return Ok((roll::rolling(message), Again::After(LOOK_AGAIN)));
    }
    let api: Api<Pod> = Api::namespaced(operator.client.clone(), &key.namespace);
    for pod in pods {
        let evicted = tokio::time::timeout(EVICTION_PATIENCE, api.evict(pod, &EvictParams::default())).await;
        let Ok(evicted) = evicted else { return Ok((forbidden(pod), Again::After(LOOK_AGAIN))) };
        match evicted {
            Ok(_) => tracing::info!(cluster = %key, pod, "evicted to bring in the changed spec"),
            Err(kube::Error::Api(status)) if status.code == TOO_MANY_REQUESTS => {
                return Ok((forbidden(pod), Again::After(EVICTION_RETRY)));
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(source) => {
                return Err(ClusterError::EvictionFailed { pod: pod.clone(), source: Box::new(source) });
            }
        }
    }
    Ok((roll, Again::Never))
}

fn forbidden(pod: &str) -> Roll {
    roll::rolling(format!("the disruption budget does not let {pod} stop yet"))
}

fn status_of(cluster: &KafkaCluster, observed: &ObservedCluster, finding: Finding) -> ClusterStatus {
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let now = Timestamp::now();
    let count = status::count(observed);
    let mut conditions = finding.outlook.conditions(&before.conditions, generation, now);
    match &finding.growth {
        Some(growth) => conditions.push(status::balanced(growth, &before.conditions, generation, now)),
        None => conditions.extend(conditions::find(&before.conditions, status::BALANCED).cloned()),
    }
    ClusterStatus {
        observed_generation: generation,
        conditions,
        cluster_id: finding.cluster_id,
        listeners: finding.validated.as_ref().map_or(before.listeners, build::bootstrap_servers),
        brokers: count.existing,
        ready_brokers: count.ready,
    }
}

fn forget(operator: &Operator, key: &ClusterKey) {
    operator.sessions.close(key);
    operator.normalised.forget(key);
}
