//! What there is of a cluster, read from the caches.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{Resource, ResourceExt};
use milena_protocol::TopicId;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::build::Kind;
use crate::cache::{Cache, Caches};
use crate::crd::KafkaCluster;
use crate::names::{CLUSTER_ID_ANNOTATION, ClusterKey};

/// A moment's view of a cluster.
#[derive(Debug, Default)]
pub(crate) struct ObservedCluster {
    /// The objects that `build` names, as the API server has them.
    pub(crate) objects: HashMap<(Kind, String), Value>,
    pub(crate) stateful_set: Option<Arc<StatefulSet>>,
    /// By ordinal.
    pub(crate) pods: Vec<Arc<Pod>>,
    /// By ordinal.
    pub(crate) claims: Vec<Arc<PersistentVolumeClaim>>,
}

/// Looks up what a cluster of `brokers` brokers has.
pub(crate) fn observe(caches: &Caches, key: &ClusterKey, brokers: i32) -> ObservedCluster {
    let mut observed = ObservedCluster::default();
    let ordinals = 0..brokers.clamp(0, 1000);
    let services = [key.headless_service(), key.bootstrap_service()].into_iter();
    for name in services.chain(ordinals.clone().map(|ordinal| key.broker(ordinal))) {
        observed.add(Kind::Service, &caches.services, key, name);
    }
    observed.add(Kind::ServiceAccount, &caches.service_accounts, key, key.brokers());
    observed.add(Kind::ConfigMap, &caches.config_maps, key, key.brokers());
    observed.add(Kind::NetworkPolicy, &caches.network_policies, key, key.brokers());
    observed.add(Kind::PodDisruptionBudget, &caches.disruption_budgets, key, key.brokers());
    observed.add(Kind::StatefulSet, &caches.stateful_sets, key, key.brokers());
    observed.stateful_set = caches.stateful_sets.get(&key.namespace, &key.brokers());
    observed.pods =
        ordinals.clone().filter_map(|n| caches.pods.get(&key.namespace, &key.broker(n))).collect();
    observed.claims = ordinals.filter_map(|n| caches.claims.get(&key.namespace, &key.claim(n))).collect();
    observed
}

impl ObservedCluster {
    fn add<K>(&mut self, kind: Kind, cache: &Cache<K>, key: &ClusterKey, name: String)
    where
        K: Resource<DynamicType = ()> + Clone + Serialize + 'static,
    {
        let object = cache.get(&key.namespace, &name).and_then(|object| serde_json::to_value(&*object).ok());
        if let Some(object) = object {
            self.objects.insert((kind, name), object);
        }
    }

    /// Kafka's id of the cluster: the one that its volumes have, so that a cluster which is made again takes them up;
    /// else the one it was given before; else its own UID.
    pub(crate) fn cluster_id(&self, cluster: &KafkaCluster) -> String {
        let on_volume =
            self.claims.iter().find_map(|claim| claim.annotations().get(CLUSTER_ID_ANNOTATION).cloned());
        let in_template = || {
            let templates = self.stateful_set.as_ref()?.spec.as_ref()?.volume_claim_templates.as_ref()?;
            templates.iter().find_map(|claim| claim.annotations().get(CLUSTER_ID_ANNOTATION).cloned())
        };
        let before = || cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
        // The template cannot change while the StatefulSet lives.
        in_template()
            .or(on_volume)
            .or_else(before)
            .unwrap_or_else(|| kafka_uuid(&cluster.uid().unwrap_or_default()))
    }
}

/// A UID as Kafka writes ids.
fn kafka_uuid(uid: &str) -> String {
    TopicId(Uuid::parse_str(uid).unwrap_or_default()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_becomes_the_id_that_kafka_prints() {
        assert_eq!(kafka_uuid("00000000-0000-0000-0000-000000000000"), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(kafka_uuid("ffffffff-ffff-ffff-ffff-ffffffffffff"), "_____________________w");
        assert_eq!(kafka_uuid("12345678-9abc-def0-1234-56789abcdef0"), "EjRWeJq83vASNFZ4mrze8A");
    }

    #[test]
    fn the_id_on_the_volumes_wins_over_the_uid() {
        let mut cluster = KafkaCluster::new("a", Default::default());
        cluster.metadata.uid = Some("12345678-9abc-def0-1234-56789abcdef0".to_owned());
        let mut observed = ObservedCluster::default();
        assert_eq!(observed.cluster_id(&cluster), "EjRWeJq83vASNFZ4mrze8A");
        let mut claim = PersistentVolumeClaim::default();
        claim.annotations_mut().insert(CLUSTER_ID_ANNOTATION.to_owned(), "old".to_owned());
        observed.claims.push(Arc::new(claim));
        assert_eq!(observed.cluster_id(&cluster), "old");
    }
}
