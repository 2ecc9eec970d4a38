//! What the objects of a cluster are called, how they are labelled, and how the pods are reached.
//!
//! None of it can change once clusters run: selectors, claims and the addresses that clients hold depend on it.

use std::collections::BTreeMap;
use std::fmt;

/// Field manager of everything that is applied, and reporter of Events.
pub(crate) const MANAGER: &str = "milena-operator";
/// On every object of a cluster: the cluster's name.
pub(crate) const CLUSTER_LABEL: &str = "kafka.milena.dev/cluster";
pub(crate) const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
pub(crate) const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// On a claim: the Kafka cluster id of the volume.
pub(crate) const CLUSTER_ID_ANNOTATION: &str = "kafka.milena.dev/cluster-id";

/// Listener of the brokers among each other, and of the operator.
pub(crate) const REPLICATION_PORT: i32 = 9091;
/// Listener of the metadata quorum.
pub(crate) const CONTROLLER_PORT: i32 = 9093;
/// Metrics and probes.
pub(crate) const HTTP_PORT: i32 = 9644;

/// A cluster by namespace and name: the unit of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClusterKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl ClusterKey {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// StatefulSet, ConfigMap, ServiceAccount, NetworkPolicy and PodDisruptionBudget of the brokers.
    pub(crate) fn brokers(&self) -> String {
        format!("{}-broker", self.name)
    }

    /// The headless Service: addresses of pods whether they are ready or not.
    pub(crate) fn headless_service(&self) -> String {
        format!("{}-brokers", self.name)
    }

    /// The Service that clients begin with.
    pub(crate) fn bootstrap_service(&self) -> String {
        format!("{}-bootstrap", self.name)
    }

    /// A broker's pod, and the Service that leads clients to it. `ordinal` may be a reference to a variable.
    pub(crate) fn broker(&self, ordinal: impl fmt::Display) -> String {
        format!("{}-broker-{ordinal}", self.name)
    }

    /// The claim of a broker's volume.
    pub(crate) fn claim(&self, ordinal: impl fmt::Display) -> String {
        format!("data-{}", self.broker(ordinal))
    }

    /// A broker's pod as its peers and the operator reach it.
    pub(crate) fn pod_host(&self, ordinal: impl fmt::Display) -> String {
        format!("{}.{}.{}.svc", self.broker(ordinal), self.headless_service(), self.namespace)
    }

    /// A Service as clients in any namespace reach it.
    pub(crate) fn service_host(&self, service: &str) -> String {
        format!("{service}.{}.svc", self.namespace)
    }

    /// What selects the broker pods.
    pub(crate) fn selector(&self) -> BTreeMap<String, String> {
        [(CLUSTER_LABEL, self.name.as_str()), (COMPONENT_LABEL, "broker")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// What every object of the cluster carries.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.selector();
        labels.insert("app.kubernetes.io/name".to_owned(), "milena".to_owned());
        labels.insert("app.kubernetes.io/instance".to_owned(), self.name.clone());
        labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
        labels
    }
}
