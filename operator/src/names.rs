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

/// On a claim: how many controllers the metadata quorum began with, where it was more than one.
pub(crate) const INITIAL_CONTROLLERS_ANNOTATION: &str = "kafka.milena.dev/initial-controllers";
/// The zone of a node, and of a pod from Kubernetes 1.35 on.
pub(crate) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// Node id of the first dedicated controller. Brokers count from 0.
pub(crate) const FIRST_CONTROLLER_ID: i32 = 1000;

/// What the pods of a StatefulSet are. Brokers are controllers too, where no controllers are dedicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    Broker,
    Controller,
}

impl Role {
    pub(crate) const ALL: [Self; 2] = [Self::Broker, Self::Controller];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Controller => "controller",
        }
    }

    /// Node id of the first pod: the ordinal of a pod is its node id.
    pub(crate) fn first_id(self) -> i32 {
        match self {
            Self::Broker => 0,
            Self::Controller => FIRST_CONTROLLER_ID,
        }
    }
}

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

    /// StatefulSet, ConfigMap, NetworkPolicy and PodDisruptionBudget of the pods of a role.
    pub(crate) fn pods(&self, role: Role) -> String {
        format!("{}-{}", self.name, role.as_str())
    }

    /// What there is once for all brokers, and their ServiceAccount, which all pods of the cluster run as.
    pub(crate) fn brokers(&self) -> String {
        self.pods(Role::Broker)
    }

    /// The headless Service of a role: addresses of pods whether they are ready or not.
    pub(crate) fn headless_service(&self, role: Role) -> String {
        format!("{}s", self.pods(role))
    }

    /// The Service that clients begin with.
    pub(crate) fn bootstrap_service(&self) -> String {
        format!("{}-bootstrap", self.name)
    }

    /// The pod of a node. `id` may be a reference to a variable.
    pub(crate) fn pod(&self, role: Role, id: impl fmt::Display) -> String {
        format!("{}-{id}", self.pods(role))
    }

    /// A broker's pod, and the Service that leads clients to it.
    pub(crate) fn broker(&self, id: impl fmt::Display) -> String {
        self.pod(Role::Broker, id)
    }

    /// The claim of a node's volume.
    pub(crate) fn claim(&self, role: Role, id: impl fmt::Display) -> String {
        format!("data-{}", self.pod(role, id))
    }

    /// A pod as its peers and the operator reach it.
    pub(crate) fn pod_host(&self, role: Role, id: impl fmt::Display) -> String {
        format!("{}.{}.{}.svc", self.pod(role, id), self.headless_service(role), self.namespace)
    }

    /// A Service as clients in any namespace reach it.
    pub(crate) fn service_host(&self, service: &str) -> String {
        format!("{service}.{}.svc", self.namespace)
    }

    /// What selects the pods of a role.
    pub(crate) fn selector(&self, role: Role) -> BTreeMap<String, String> {
        [(CLUSTER_LABEL, self.name.as_str()), (COMPONENT_LABEL, role.as_str())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// What every object of the cluster carries; those that belong to no role carry the brokers'.
    pub(crate) fn labels(&self, role: Role) -> BTreeMap<String, String> {
        let mut labels = self.selector(role);
        labels.insert("app.kubernetes.io/name".to_owned(), "milena".to_owned());
        labels.insert("app.kubernetes.io/instance".to_owned(), self.name.clone());
        labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
        labels
    }
}
