//! The topics of one cluster, together: observe -> validate -> plan -> apply -> status.
//!
//! All resources that name a cluster are one piece of work, so that ten thousand topics cost a handful of requests on one
//! connection. A pass that finds everything as it should be writes nothing.

mod apply;
mod finalizer;
mod observe;
mod plan;
mod status;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use k8s_openapi::jiff::Timestamp;
use milena_client::{Admin, ClientError};
use thiserror::Error;

use self::apply::Batch;
use self::observe::Movement;
use self::status::{Tried, Verdict};
use self::validate::{Refusal, Standing, ValidatedTopic};
use crate::conditions::{self, Outlook, find};
use crate::crd::{KafkaCluster, KafkaTopic};
use crate::names::ClusterKey;
use crate::operator::{Operator, is_paused};
use crate::queue::Again;
use crate::replicas::{MOVING_MAX, Spread};
use crate::report::{self, ReportError};

/// How soon topics are looked at again while replicas move.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Requests to the API server at a time, for each cluster.
const WRITES_AT_ONCE: usize = 16;

/// Why a pass over topics did not reach its end. The variant's name is the metric's label.
#[derive(Debug, Error)]
pub(crate) enum TopicError {
    #[error("cluster {cluster} cannot be reached: {source}")]
    ClusterUnreachable { cluster: ClusterKey, source: ClientError },
    #[error(transparent)]
    Finalizer(#[from] finalizer::FinalizerError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl TopicError {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ClusterUnreachable { .. } => "ClusterUnreachable",
            Self::Finalizer(_) => "FinalizerFailed",
            Self::Report(_) => "ReportFailed",
        }
    }
}

/// A resource that owns its topic.
#[derive(Debug)]
struct Owner {
    resource: Arc<KafkaTopic>,
    name: String,
    wanted: Result<ValidatedTopic, Refusal>,
}

/// One pass over all topics that name the cluster `key`.
pub(crate) async fn reconcile(operator: &Operator, key: &ClusterKey) -> Result<Again, TopicError> {
    let topics = operator.caches.topics.filter(|topic| topic.cluster() == *key);
    let cluster = operator.caches.clusters.get(&key.namespace, &key.name);
    let standings = validate::standings(key, cluster.as_deref(), &topics);
    let mut owners = Vec::new();
    let mut others = Vec::new();
    for (resource, standing) in topics.into_iter().zip(standings) {
        match standing {
            Standing::Owner(wanted) => owners.push(Owner { name: resource.topic(), resource, wanted }),
            Standing::Orphan => others.push((resource, orphaned(key))),
            Standing::Stranger(refusal) => others.push((resource, refused(&refusal))),
        }
    }
    let settle = |(resource, outlook): (Arc<KafkaTopic>, Outlook)| async move {
        without_topic(operator, &resource, outlook).await
    };
    let writes: Vec<_> = others.into_iter().map(settle).collect();
    first_error(stream::iter(writes).buffer_unordered(WRITES_AT_ONCE)).await?;
    let (paused, owners): (Vec<_>, Vec<_>) =
        owners.into_iter().partition(|owner| is_paused(&*owner.resource));
    for owner in paused.iter().filter(|owner| !owner.is_going()) {
        pause(operator, &owner.resource).await?;
    }
    match cluster {
        Some(cluster) if !owners.is_empty() => with_cluster(operator, key, &cluster, owners).await,
        // A cluster of several nodes is asked about itself all the same.
        Some(cluster) if !validate::is_single(&cluster) => Ok(Again::Never),
        _ => {
            operator.sessions.close(key);
            Ok(Again::Never)
        }
    }
}

fn orphaned(key: &ClusterKey) -> Outlook {
    Outlook::progressing("ClusterNotFound", format!("waits for KafkaCluster {key}"))
}

fn refused(refusal: &Refusal) -> Outlook {
    Outlook::refused(refusal.reason(), refusal.to_string())
}

/// A resource that has no topic holds nobody up: it has no finalizer.
async fn without_topic(operator: &Operator, topic: &KafkaTopic, outlook: Outlook) -> Result<(), TopicError> {
    let is_going = topic.metadata.deletion_timestamp.is_some();
    if is_paused(topic) && !is_going {
        return pause(operator, topic).await;
    }
    if !finalizer::set(operator, topic, false).await? || is_going {
        return Ok(());
    }
    let mut status = topic.status.clone().unwrap_or_default();
    status.observed_generation = topic.metadata.generation;
    status.conditions = outlook.conditions(&status.conditions, topic.metadata.generation, Timestamp::now());
    Ok(report::topic(operator, topic, status, Some(&outlook)).await?)
}

async fn pause(operator: &Operator, topic: &KafkaTopic) -> Result<(), TopicError> {
    let mut status = topic.status.clone().unwrap_or_default();
    status.conditions = conditions::paused(&status.conditions, topic.metadata.generation, Timestamp::now());
    Ok(report::topic(operator, topic, status, None).await?)
}

async fn with_cluster(
    operator: &Operator,
    key: &ClusterKey,
    cluster: &KafkaCluster,
    owners: Vec<Owner>,
) -> Result<Again, TopicError> {
    let is_up = cluster.status.as_ref().is_some_and(|status| status.ready_brokers > 0);
    if !is_up && !operator.sessions.is_overridden() {
        operator.sessions.close(key);
        wait(
            operator,
            &owners,
            "ClusterNotReady",
            &format!("waits until KafkaCluster {key} has a ready broker"),
        )
        .await?;
        return Ok(Again::Never);
    }
    let admin = operator.sessions.admin(key, cluster.spec.brokers);
    match in_kafka(operator, &admin, owners, validate::is_single(cluster)).await? {
        Ok(again) => Ok(again),
        Err((owners, source)) => {
            operator.sessions.close(key);
            wait(operator, &owners, "ClusterUnreachable", &format!("KafkaCluster {key}: {source}")).await?;
            Err(TopicError::ClusterUnreachable { cluster: key.clone(), source })
        }
    }
}

/// Says that nothing can be done yet, on those resources that were not well already: a broker that restarts is no news.
async fn wait(
    operator: &Operator,
    owners: &[Owner],
    reason: &'static str,
    message: &str,
) -> Result<(), TopicError> {
    let say = |owner: &Owner| {
        let (topic, outlook) = (owner.resource.clone(), Outlook::progressing(reason, message));
        async move {
            let mut status = topic.status.clone().unwrap_or_default();
            let is_known = status.observed_generation == topic.metadata.generation
                && find(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True");
            if is_known && topic.metadata.deletion_timestamp.is_none() {
                return Ok(());
            }
            status.conditions =
                outlook.conditions(&status.conditions, topic.metadata.generation, Timestamp::now());
            report::topic(operator, &topic, status, Some(&outlook)).await.map_err(TopicError::from)
        }
    };
    let writes: Vec<_> = owners.iter().map(say).collect();
    first_error(stream::iter(writes).buffer_unordered(WRITES_AT_ONCE)).await
}

/// The part of a pass that talks to Kafka. Gives the owners back where Kafka does not answer.
async fn in_kafka(
    operator: &Operator,
    admin: &Admin,
    owners: Vec<Owner>,
    single: bool,
) -> Result<Result<Again, (Vec<Owner>, ClientError)>, TopicError> {
    let names: Vec<_> = owners.iter().map(|owner| owner.name.clone()).collect();
    let configured: Vec<_> =
        owners.iter().filter(|owner| owner.has_config()).map(|owner| owner.name.clone()).collect();
    let (observed, mut movement) = match look(admin, &names, &configured, single).await {
        Ok(seen) => seen,
        Err(error) => return Ok(Err((owners, error))),
    };
    let owners = guard(operator, owners).await?;
    let (batch, mut refusals) = plan_all(&owners, &observed, &movement);
    let outcomes = match batch.run(admin).await {
        Ok(outcomes) => outcomes,
        Err(error) => return Ok(Err((owners, error))),
    };
    let touched: Vec<_> = outcomes.keys().cloned().collect();
    let mut topics = observed;
    if !touched.is_empty() {
        match look(admin, &touched, &[], single).await {
            Ok((newer, since)) => {
                topics.extend(newer);
                movement = since;
            }
            Err(error) => return Ok(Err((owners, error))),
        }
    }
    let interval = operator.options.drift_interval;
    let mut again = Again::After(if movement.len() > 0 { interval.min(LOOK_AGAIN) } else { interval });
    let mut writes = Vec::new();
    for owner in owners {
        let tried = Tried { outcome: outcomes.get(&owner.name), refusal: refusals.remove(&owner.name) };
        let verdict = status::judge(&owner, topics.remove(&owner.name), tried);
        if verdict.is_tried_again() {
            again = Again::Backoff;
        }
        writes.push(conclude(operator, owner, verdict));
    }
    first_error(stream::iter(writes).buffer_unordered(WRITES_AT_ONCE)).await?;
    Ok(Ok(again))
}

async fn look(
    admin: &Admin,
    names: &[String],
    configured: &[String],
    single: bool,
) -> Result<(observe::Topics, Movement), ClientError> {
    let movement = Movement::observe(admin, single).await?;
    let topics = observe::observe(admin, names, configured, &movement).await?;
    Ok((topics, movement))
}

impl Owner {
    fn has_config(&self) -> bool {
        !self.resource.spec.config.is_empty() || !self.applied().is_empty()
    }

    /// The keys that the resource has set before.
    fn applied(&self) -> &[String] {
        self.resource.status.as_ref().map_or(&[], |status| &status.config_keys)
    }

    fn is_going(&self) -> bool {
        self.resource.metadata.deletion_timestamp.is_some()
    }

    /// Whether the topic goes with its resource, now.
    fn deletes(&self) -> bool {
        self.is_going() && validate::deletes(&self.resource) && finalizer::is_set(&self.resource)
    }
}

/// Before a topic can come to be, the finalizer that will delete it. Yields the owners that are as they should be.
async fn guard(operator: &Operator, owners: Vec<Owner>) -> Result<Vec<Owner>, TopicError> {
    let set = |owner: Owner| async move {
        let wanted = validate::deletes(&owner.resource);
        let is_settled = owner.is_going() || finalizer::set(operator, &owner.resource, wanted).await?;
        Ok::<_, TopicError>(is_settled.then_some(owner))
    };
    let writes: Vec<_> = owners.into_iter().map(set).collect();
    let settled: Vec<_> = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
    settled.into_iter().filter_map(Result::transpose).collect()
}

fn plan_all(
    owners: &[Owner],
    observed: &observe::Topics,
    movement: &Movement,
) -> (Batch, BTreeMap<String, Refusal>) {
    let partitions = || observed.values().flatten().flatten().flat_map(|topic| &topic.partitions);
    let mut spread = movement.brokers.as_ref().map(|brokers| Spread::new(brokers, partitions()));
    let mut batch = Batch::default();
    let mut refusals = BTreeMap::new();
    for owner in owners {
        let present = observed.get(&owner.name);
        if owner.is_going() {
            if owner.deletes() && matches!(present, Some(Ok(Some(_)))) {
                batch.delete(&owner.name);
            }
            continue;
        }
        let Some(Ok(present)) = present else { continue };
        let planned = owner
            .wanted
            .clone()
            .and_then(|wanted| plan::plan(&wanted, present.as_ref(), owner.applied(), spread.as_mut()));
        match planned {
            Ok(actions) => actions.into_iter().for_each(|action| batch.add(&owner.name, action)),
            Err(refusal) => drop(refusals.insert(owner.name.clone(), refusal)),
        }
    }
    batch.limit_moves(MOVING_MAX.saturating_sub(movement.len()));
    (batch, refusals)
}

/// Lets a resource go whose topic is gone, and reports on all others.
async fn conclude(operator: &Operator, owner: Owner, verdict: Verdict) -> Result<(), TopicError> {
    if owner.is_going() && (!owner.deletes() || verdict.is_gone()) {
        finalizer::set(operator, &owner.resource, false).await?;
        return Ok(());
    }
    let outlook = verdict.outlook.clone();
    let status = status::status(&owner.resource, verdict, Timestamp::now());
    Ok(report::topic(operator, &owner.resource, status, Some(&outlook)).await?)
}

/// Drives all of them to their end and yields the first error, so that one resource cannot hold up the others.
async fn first_error(results: impl futures::Stream<Item = Result<(), TopicError>>) -> Result<(), TopicError> {
    let keep_first = |first: Result<(), TopicError>, next| async { first.and(next) };
    results.fold(Ok(()), keep_first).await
}
