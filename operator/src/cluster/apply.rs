//! Server-side apply of what differs from the cached object, and of nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::{Api, Client};
use serde_json::{Map, Value};
use thiserror::Error;

use super::build::{Kind, Manifest};
use crate::names::{ClusterKey, MANAGER};
use crate::report::told;

/// Why an object could not be applied. The variant's name is the reason in conditions, Events and metrics.
#[derive(Debug, Error)]
pub(crate) enum ApplyError {
    #[error("{kind:?} {name} exists and is not this cluster's: it belongs to {owner}")]
    ObjectConflict { kind: Kind, name: String, owner: String },
    #[error("{kind:?} {name} belongs to an earlier cluster of this name and is about to go")]
    EarlierCluster { kind: Kind, name: String },
    #[error("apply {kind:?} {name}: {}", told(source))]
    ApplyFailed { kind: Kind, name: String, source: Box<kube::Error> },
}

impl ApplyError {
    /// Whether the namespace is being deleted, and the cluster with it.
    pub(crate) fn is_farewell(&self) -> bool {
        let Self::ApplyFailed { source, .. } = self else { return false };
        let kube::Error::Api(status) = source.as_ref() else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ObjectConflict { .. } => "ObjectConflict",
            Self::EarlierCluster { .. } => "EarlierCluster",
            Self::ApplyFailed { .. } => "ApplyFailed",
        }
    }
}

/// What the API server made of manifests that it stores in another form (`0.5` processors become `500m`), so that the
/// same manifest is not applied again and again; and what was written that the cache has not seen yet: an older state in
/// the cache says nothing of what is there. One entry of each for each object at most.
#[derive(Debug, Default)]
pub(crate) struct Normalised {
    forms: Mutex<HashMap<Place, Form>>,
    /// What was written last, until the cache has it: its version and the manifest.
    written: Mutex<HashMap<Place, (u64, Value)>>,
}

/// Kind, namespace and name.
type Place = (Kind, String, String);
/// A manifest, and the part of the stored object that it speaks of.
type Form = (Value, Value);

impl Normalised {
    fn matches(&self, key: &ClusterKey, manifest: &Manifest, cached: &Value) -> bool {
        let known = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(&(manifest.kind, key.namespace.clone(), manifest.name.clone()));
        entry.is_some_and(|(body, stored)| *body == manifest.body && project(cached, body) == *stored)
    }

    fn learn(&self, key: &ClusterKey, manifest: &Manifest, stored: &Value) {
        let entry = (manifest.kind, key.namespace.clone(), manifest.name.clone());
        let mut known = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if covers(stored, &manifest.body) {
            known.remove(&entry);
        } else {
            known.insert(entry, (manifest.body.clone(), project(stored, &manifest.body)));
        }
    }

    /// Forgets all objects of a cluster that is gone. Names begin with the cluster's; one of another cluster whose name
    /// begins the same is learned again.
    pub(crate) fn forget(&self, key: &ClusterKey) {
        let others =
            |(_, namespace, name): &Place| *namespace != key.namespace || !name.starts_with(&key.name);
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).retain(|place, _| others(place));
        self.written.lock().unwrap_or_else(PoisonError::into_inner).retain(|place, _| others(place));
    }

    /// Notes what was written, which the cache may not have yet.
    fn wrote(&self, key: &ClusterKey, manifest: &Manifest, stored: &Value) {
        let place = (manifest.kind, key.namespace.clone(), manifest.name.clone());
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend(version(stored).map(|version| (place, (version, manifest.body.clone()))));
    }

    /// Whether what was written last, and the cache lacks, is this manifest; `None` where the cache has it.
    fn wrote_same(&self, key: &ClusterKey, manifest: &Manifest, cached: Option<&Value>) -> Option<bool> {
        let place = (manifest.kind, key.namespace.clone(), manifest.name.clone());
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let (newest, body) = written.get(&place)?;
        if cached.and_then(version).is_some_and(|cached| cached < *newest) {
            return Some(*body == manifest.body);
        }
        written.remove(&place);
        None
    }
}

/// Applies `manifest` unless `cached` already says the same. True when the object changed.
pub(crate) async fn apply(
    client: &Client,
    key: &ClusterKey,
    manifest: &Manifest,
    cached: Option<&Value>,
    normalised: &Normalised,
) -> Result<bool, ApplyError> {
    let says_the_same = |cached| covers(cached, &manifest.body) || normalised.matches(key, manifest, cached);
    let is_there = normalised.wrote_same(key, manifest, cached);
    if is_there.unwrap_or_else(|| cached.is_some_and(says_the_same)) {
        return Ok(false);
    }
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &key.namespace, &manifest.kind.resource());
    let failed = |source| ApplyError::ApplyFailed {
        kind: manifest.kind,
        name: manifest.name.clone(),
        source: Box::new(source),
    };
    match cached {
        Some(cached) => check_owner(manifest, cached)?,
        // Not in the cache may also mean that it lacks our label: applying would take it from its owner.
        None => {
            if let Some(found) = api.get_opt(&manifest.name).await.map_err(failed)? {
                check_owner(manifest, &serde_json::to_value(found).unwrap_or_default())?;
            }
        }
    }
    let mut params = PatchParams::apply(MANAGER).force();
    params.field_validation = Some(ValidationDirective::Strict);
    let stored = api.patch(&manifest.name, &params, &Patch::Apply(&manifest.body)).await.map_err(failed)?;
    tracing::info!(cluster = %key, kind = ?manifest.kind, name = manifest.name, "applied");
    let stored = serde_json::to_value(stored).unwrap_or_default();
    normalised.learn(key, manifest, &stored);
    normalised.wrote(key, manifest, &stored);
    // Writing what was there already leaves the version as it was.
    Ok(cached
        .is_none_or(|cached| cached["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]))
}

/// An object is ours when our cluster owns it, or when nobody does and it carries our labels.
fn check_owner(manifest: &Manifest, found: &Value) -> Result<(), ApplyError> {
    let owners: Vec<OwnerReference> =
        serde_json::from_value(found["metadata"]["ownerReferences"].clone()).unwrap_or_default();
    let ours = &manifest.body["metadata"]["ownerReferences"][0];
    let (kind, name) = (manifest.kind, manifest.name.clone());
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        Some(owner) if ours["uid"] == owner.uid.as_str() => Ok(()),
        Some(owner) if ours["kind"] == owner.kind.as_str() && ours["name"] == owner.name.as_str() => {
            Err(ApplyError::EarlierCluster { kind, name })
        }
        Some(owner) => {
            Err(ApplyError::ObjectConflict { kind, name, owner: format!("{} {}", owner.kind, owner.name) })
        }
        None if covers(&found["metadata"]["labels"], &manifest.body["metadata"]["labels"]) => Ok(()),
        None => Err(ApplyError::ObjectConflict { kind, name, owner: "somebody else".to_owned() }),
    }
}

/// The version of an object: they grow, which Kubernetes promises from 1.35 on and always did.
fn version(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// Whether `stored` has every field of `wanted` with the same value; it may have more.
fn covers(stored: &Value, wanted: &Value) -> bool {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => {
            wanted.iter().all(|(field, value)| stored.get(field).is_some_and(|stored| covers(stored, value)))
        }
        (Value::Array(stored), Value::Array(wanted)) => {
            stored.len() == wanted.len()
                && stored.iter().zip(wanted).all(|(stored, wanted)| covers(stored, wanted))
        }
        (stored, wanted) => stored == wanted,
    }
}

/// The part of `stored` that `wanted` speaks of.
fn project(stored: &Value, wanted: &Value) -> Value {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => {
            let part = |(field, value)| {
                let stored: &Value = stored.get(field)?;
                Some((String::clone(field), project(stored, value)))
            };
            Value::Object(wanted.iter().filter_map(part).collect::<Map<_, _>>())
        }
        (Value::Array(stored), Value::Array(wanted)) if stored.len() == wanted.len() => {
            Value::Array(stored.iter().zip(wanted).map(|(stored, wanted)| project(stored, wanted)).collect())
        }
        (stored, _) => stored.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(body: Value) -> Manifest {
        Manifest { kind: Kind::Service, name: "a".to_owned(), body }
    }

    #[test]
    fn defaults_that_the_server_adds_are_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 1}], "type": "ClusterIP"}});
        assert!(covers(
            &json!({"spec": {"ports": [{"port": 1, "protocol": "TCP"}], "type": "ClusterIP", "x": 1}}),
            &wanted
        ));
        assert!(!covers(&json!({"spec": {"ports": [{"port": 2}], "type": "ClusterIP"}}), &wanted));
        assert!(!covers(
            &json!({"spec": {"ports": [{"port": 1}, {"port": 2}], "type": "ClusterIP"}}),
            &wanted
        ));
        assert!(!covers(&json!({"spec": {"type": "ClusterIP"}}), &wanted));
    }

    #[test]
    fn what_the_server_writes_differently_is_learned_and_its_drift_still_seen() {
        let key = ClusterKey::new("ns", "c");
        let wanted = manifest(json!({"cpu": "0.5", "name": "x"}));
        let normalised = Normalised::default();
        let stored = json!({"cpu": "500m", "name": "x", "extra": true});
        assert!(!normalised.matches(&key, &wanted, &stored));
        normalised.learn(&key, &wanted, &stored);
        assert!(normalised.matches(&key, &wanted, &json!({"cpu": "500m", "name": "x", "extra": false})));
        assert!(!normalised.matches(&key, &wanted, &json!({"cpu": "900m", "name": "x"})));
        assert!(!normalised.matches(&key, &manifest(json!({"cpu": "0.7"})), &stored));
    }

    #[test]
    fn an_object_is_taken_only_from_nobody_or_from_ourselves() {
        let owner = |kind, name, uid| json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
        let wanted = manifest(
            json!({"metadata": {"labels": {"a": "b"}, "ownerReferences": owner("KafkaCluster", "c", "1")}}),
        );
        let check = |owners: Value, labels: Value| {
            let found = json!({"metadata": {"labels": labels, "ownerReferences": owners}});
            check_owner(&wanted, &found).map_err(|error| error.reason())
        };
        assert_eq!(check(owner("KafkaCluster", "c", "1"), json!({})), Ok(()));
        assert_eq!(check(owner("KafkaCluster", "c", "2"), json!({})), Err("EarlierCluster"));
        assert_eq!(check(owner("Deployment", "c", "3"), json!({})), Err("ObjectConflict"));
        assert_eq!(check(json!([]), json!({"a": "b"})), Ok(()));
        assert_eq!(check(json!([]), json!({"a": "x"})), Err("ObjectConflict"));
    }
}
