//! One cluster: observe -> validate -> build -> apply -> roll -> status.
//!
//! Only `observe`, `apply` and what is in this file touch a client or a cache; everything decided is decided in pure
//! functions. All progress is read back, so an operator that is killed at any point resumes at the next pass.

pub(crate) mod apply;
pub(crate) mod build;
mod observe;
mod roll;
mod status;
pub(crate) mod validate;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::EvictParams;
use thiserror::Error;

use self::apply::ApplyError;
use self::build::{Kind, Surroundings};
use self::observe::ObservedCluster;
use self::roll::Roll;
use self::validate::{Refusal, ValidatedCluster};
use crate::conditions::{self, Outlook};
use crate::crd::{ClusterStatus, KafkaCluster};
use crate::names::ClusterKey;
use crate::operator::{Operator, is_paused};
use crate::queue::Again;
use crate::report::{self, ReportError};

/// How soon an eviction that the budget forbade is tried again.
const EVICTION_RETRY: Duration = Duration::from_secs(5);
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
    let observed = observe::observe(&operator.caches, key, cluster.spec.brokers);
    let finding = match validate::validate(&cluster, &operator.options.broker_image) {
        Err(refusal) => refused(&refusal, &cluster),
        Ok(validated) => realise(operator, &cluster, validated, &observed).await?,
    };
    let again = finding.again;
    let outlook = finding.outlook.clone();
    report::cluster(operator, &cluster, status_of(&cluster, &observed, finding), Some(&outlook)).await?;
    Ok(again)
}

fn refused(refusal: &Refusal, cluster: &KafkaCluster) -> Finding {
    let outlook = Outlook::refused(refusal.reason(), refusal.to_string());
    let cluster_id = cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
    Finding { outlook, again: Again::Never, cluster_id, validated: None }
}

/// Applies what differs, then goes on with a roll. Objects that cannot be applied are a finding, not an error.
async fn realise(
    operator: &Operator,
    cluster: &Arc<KafkaCluster>,
    validated: ValidatedCluster,
    observed: &ObservedCluster,
) -> Result<Finding, ClusterError> {
    let cluster_id = observed.cluster_id(cluster);
    let around = Surroundings { cluster_id: &cluster_id, operator_namespace: &operator.options.namespace };
    // Whether pods have something new to come: then the caches are behind.
    let mut changed = false;
    for manifest in build::build(&validated, around) {
        let cached = observed.objects.get(&(manifest.kind, manifest.name.clone()));
        match apply::apply(&operator.client, &validated.key, &manifest, cached, &operator.normalised).await {
            Ok(written) => changed |= written && manifest.kind == Kind::StatefulSet,
            Err(error) => {
                let again = if error.is_farewell() { Again::Never } else { Again::Backoff };
                tracing::warn!(cluster = %validated.key, %error, "apply failed");
                operator.metrics.failed("cluster", error.reason());
                let outlook = Outlook::failing(error.reason(), error.to_string());
                let (cluster_id, validated) = (Some(cluster_id), Some(validated));
                return Ok(Finding { outlook, again, cluster_id, validated });
            }
        }
    }
    let (roll, again) = roll_on(operator, &validated.key, observed, changed).await?;
    let outlook = status::assess(&validated, observed, &roll);
    Ok(Finding { outlook, again, cluster_id: Some(cluster_id), validated: Some(validated) })
}

/// Evicts the pods whose turn it is. After a change of the StatefulSet the next event comes from it.
async fn roll_on(
    operator: &Operator,
    key: &ClusterKey,
    observed: &ObservedCluster,
    changed: bool,
) -> Result<(Roll, Again), ClusterError> {
    let Some(set) = observed.stateful_set.as_ref().filter(|_| !changed) else {
        return Ok((roll::applying(), Again::Never));
    };
    let roll = roll::next_pods(set, &observed.pods);
    let Roll::Stop { pods } = &roll else { return Ok((roll, Again::Never)) };
    let api: Api<Pod> = Api::namespaced(operator.client.clone(), &key.namespace);
    for pod in pods {
        match api.evict(pod, &EvictParams::default()).await {
            Ok(_) => tracing::info!(cluster = %key, pod, "evicted to bring in the changed spec"),
            Err(kube::Error::Api(status)) if status.code == TOO_MANY_REQUESTS => {
                let message = format!("the disruption budget does not let {pod} stop yet");
                return Ok((roll::rolling(message), Again::After(EVICTION_RETRY)));
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(source) => {
                return Err(ClusterError::EvictionFailed { pod: pod.clone(), source: Box::new(source) });
            }
        }
    }
    Ok((roll, Again::Never))
}

fn status_of(cluster: &KafkaCluster, observed: &ObservedCluster, finding: Finding) -> ClusterStatus {
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let count = status::count(observed);
    ClusterStatus {
        observed_generation: generation,
        conditions: finding.outlook.conditions(&before.conditions, generation, Timestamp::now()),
        cluster_id: finding.cluster_id,
        listeners: finding.validated.as_ref().map_or(before.listeners, build::bootstrap_servers),
        brokers: count.existing,
        ready_brokers: count.ready,
    }
}

fn forget(operator: &Operator, key: &ClusterKey) {
    let mut names = vec![
        (Kind::ServiceAccount, key.brokers()),
        (Kind::ConfigMap, key.brokers()),
        (Kind::NetworkPolicy, key.brokers()),
        (Kind::PodDisruptionBudget, key.brokers()),
        (Kind::StatefulSet, key.brokers()),
        (Kind::Service, key.headless_service()),
        (Kind::Service, key.bootstrap_service()),
    ];
    names.push((Kind::Service, key.broker(0)));
    names.into_iter().for_each(|(kind, name)| operator.normalised.forget(key, kind, name));
}
