//! The finalizer of topics that are deleted with their resource: the only one that the operator uses.
//!
//! It is there from before the topic can come to be until the topic is gone, and never while the cluster is gone or
//! going, so that a namespace can always be deleted.

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use thiserror::Error;

use crate::crd::KafkaTopic;
use crate::operator::Operator;
use crate::report::told;

const FINALIZER: &str = "kafka.milena.dev/topic";
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;

/// Why the finalizers of a resource could not be changed.
#[derive(Debug, Error)]
#[error("change the finalizers of {name}: {}", told(source))]
pub(crate) struct FinalizerError {
    name: String,
    source: Box<kube::Error>,
}

pub(super) fn is_set(topic: &KafkaTopic) -> bool {
    topic.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Adds or takes away the finalizer where it is not as `wanted`. False when a newer version of the resource is on its
/// way here, and its pass with it.
pub(super) async fn set(
    operator: &Operator,
    topic: &KafkaTopic,
    wanted: bool,
) -> Result<bool, FinalizerError> {
    if is_set(topic) == wanted {
        return Ok(true);
    }
    let mut finalizers: Vec<_> =
        topic.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
    if wanted {
        finalizers.push(FINALIZER.to_owned());
    }
    let name = topic.name_any();
    // The version makes the API server refuse to overwrite finalizers that others changed meanwhile.
    let version = topic.resource_version();
    let patch =
        json!({"metadata": {"resourceVersion": version, "uid": topic.uid(), "finalizers": finalizers}});
    let api: Api<KafkaTopic> =
        Api::namespaced(operator.client.clone(), &topic.namespace().unwrap_or_default());
    match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if [NOT_FOUND, CONFLICT].contains(&status.code) => Ok(false),
        Err(source) => Err(FinalizerError { name, source: Box::new(source) }),
    }
}
