//! The custom resources of group `kafka.milena.dev/v1alpha1`, and the YAML that `crds/` holds.
//!
//! The rules that the API server can check itself (immutable fields, growing partitions, names) are CEL rules here; all
//! others are in `cluster::validate` and `topic::validate`, and show up as conditions.

mod cluster;
mod schema;
mod topic;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, ResourceExt};

pub(crate) use cluster::{
    ClusterStatus, Controllers, KafkaCluster, KafkaClusterSpec, Listener, ListenerStatus, ListenerType,
    PodTemplate, Storage,
};
pub(crate) use schema::ConfigValue;
pub(crate) use topic::{DeletionPolicy, KafkaTopic, TopicStatus};

use crate::names::ClusterKey;

/// API group of both resources; also the prefix of our annotations, labels and finalizers.
pub(crate) const GROUP: &str = "kafka.milena.dev";
/// While this annotation is `true`, nothing is done about a resource.
pub(crate) const PAUSED: &str = "kafka.milena.dev/paused";
/// What one CRD may weigh as YAML: `kubectl apply` copies it into an annotation.
#[cfg(test)]
const CRD_BYTES_MAX: usize = 60_000;

impl KafkaTopic {
    /// Name of the topic in Kafka.
    pub(crate) fn topic(&self) -> String {
        self.spec.topic_name.clone().unwrap_or_else(|| self.name_any())
    }

    /// The cluster that it names.
    pub(crate) fn cluster(&self) -> ClusterKey {
        let reference = &self.spec.cluster_ref;
        let namespace = reference.namespace.clone().or_else(|| self.namespace()).unwrap_or_default();
        ClusterKey::new(namespace, reference.name.clone())
    }
}

/// Both definitions with the file names they have under `crds/`.
pub(crate) fn definitions() -> [(&'static str, CustomResourceDefinition); 2] {
    [("kafkaclusters.yaml", KafkaCluster::crd()), ("kafkatopics.yaml", KafkaTopic::crd())]
}

/// The text of one file under `crds/`.
pub(crate) fn yaml(definition: &CustomResourceDefinition) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(definition)?;
    schema::tidy(&mut value);
    Ok(format!("---\n{}", serde_saphyr::to_string(&value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_under_crds_are_the_generated_ones() {
        for (name, definition) in definitions() {
            let path = format!("{}/../crds/{name}", env!("CARGO_MANIFEST_DIR"));
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == yaml(&definition).unwrap(), "{name} is out of date: run `make crds`");
        }
    }

    #[test]
    fn every_definition_fits_into_an_annotation() {
        for (name, definition) in definitions() {
            let bytes = yaml(&definition).unwrap().len();
            assert!(bytes < CRD_BYTES_MAX, "{name} has {bytes} bytes");
        }
    }
}
