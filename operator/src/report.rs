//! Status and Events: written when they differ from what the cached object says, and not otherwise.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use thiserror::Error;

use crate::conditions::{Outlook, find};
use crate::crd::{ClusterStatus, KafkaCluster, KafkaTopic, TopicStatus};
use crate::names::MANAGER;
use crate::operator::Operator;

/// An Event's note holds at most this much.
const NOTE_BYTES_MAX: usize = 1000;
const NOT_FOUND: u16 = 404;

/// Why a status could not be written.
#[derive(Debug, Error)]
#[error("write the status of {name}: {}", told(source))]
pub(crate) struct ReportError {
    name: String,
    source: Box<kube::Error>,
}

/// An error in the words of the API server, without the rest of its answer.
pub(crate) fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Reports on a cluster; `outlook` where there is one to tell people about.
pub(crate) async fn cluster(
    operator: &Operator,
    cluster: &KafkaCluster,
    status: ClusterStatus,
    outlook: Option<&Outlook>,
) -> Result<(), ReportError> {
    let before = cluster.status.clone().unwrap_or_default();
    if before != status {
        write(operator, cluster, &status).await?;
    }
    tell(operator, cluster, &before.conditions, outlook).await;
    Ok(())
}

/// Reports on a topic; `outlook` where there is one to tell people about.
pub(crate) async fn topic(
    operator: &Operator,
    topic: &KafkaTopic,
    status: TopicStatus,
    outlook: Option<&Outlook>,
) -> Result<(), ReportError> {
    let before = topic.status.clone().unwrap_or_default();
    if before != status {
        write(operator, topic, &status).await?;
    }
    tell(operator, topic, &before.conditions, outlook).await;
    Ok(())
}

async fn write<K>(operator: &Operator, resource: &K, status: &impl Serialize) -> Result<(), ReportError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let name = resource.name_any();
    let api: Api<K> = Api::namespaced(operator.client.clone(), &resource.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name, "uid": resource.uid()},
        "status": status,
    });
    match api.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await {
        Ok(_) => Ok(()),
        // It went meanwhile: there is nobody to report to.
        Err(kube::Error::Api(status)) if status.code == NOT_FOUND => Ok(()),
        Err(source) => Err(ReportError { name, source: Box::new(source) }),
    }
}

/// An Event for each refusal and each concern, when it begins or changes.
async fn tell<K>(operator: &Operator, resource: &K, before: &[Condition], outlook: Option<&Outlook>)
where
    K: Resource<DynamicType = ()>,
{
    let (reason, message) = match outlook {
        Some(Outlook::Refused { reason, message }) => (reason.as_str(), message),
        Some(Outlook::ReadyBut { reason, concern, .. }) => (*reason, concern),
        _ => return,
    };
    let known = find(before, "Degraded").is_some_and(|it| it.reason == reason && it.message == *message);
    if known {
        return;
    }
    tracing::warn!(kind = %K::kind(&()), name = resource.meta().name, reason, message, "not as it should be");
    publish(operator, resource, EventType::Warning, (reason, message)).await;
}

/// An Event for what a cluster offers to do, when it begins to.
pub(crate) async fn offer(operator: &Operator, cluster: &KafkaCluster, message: Option<String>) {
    const REASON: &str = "RebalanceOffered";
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let is_known = conditions.into_iter().any(|condition| condition.reason == REASON);
    if let Some(message) = message.filter(|_| !is_known) {
        publish(operator, cluster, EventType::Normal, (REASON, &message)).await;
    }
}

/// A lost Event is not tried again: a condition says it too.
async fn publish<K>(operator: &Operator, resource: &K, kind: EventType, (reason, message): (&str, &str))
where
    K: Resource<DynamicType = ()>,
{
    let event = Event {
        type_: kind,
        reason: reason.to_owned(),
        note: Some(message.chars().scan(0, within).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = operator.events.publish(&event, &resource.object_ref(&())).await {
        tracing::warn!(%error, "an Event was lost");
    }
}

fn within(bytes: &mut usize, c: char) -> Option<char> {
    *bytes += c.len_utf8();
    (*bytes <= NOTE_BYTES_MAX).then_some(c)
}
