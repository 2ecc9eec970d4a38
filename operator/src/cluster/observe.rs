//! What there is of a cluster, read from the caches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{Resource, ResourceExt};
use milena_protocol::TopicId;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::build::Kind;
use super::roll::is_ready;
use super::validate::ValidatedCluster;
use crate::cache::{Cache, Caches};
use crate::crd::{KafkaCluster, KafkaClusterSpec};
use crate::names::{CLUSTER_ID_ANNOTATION, ClusterKey, INITIAL_CONTROLLERS_ANNOTATION, Role};

/// Pods of a role that are looked for.
const PODS_MAX: i32 = 1000;

/// A moment's view of a cluster.
#[derive(Debug, Default)]
pub(crate) struct ObservedCluster {
    /// The objects that `build` names, as the API server has them.
    pub(crate) objects: HashMap<(Kind, String), Value>,
    pub(crate) stateful_sets: BTreeMap<Role, Arc<StatefulSet>>,
    /// By role and node id.
    pub(crate) pods: BTreeMap<(Role, i32), Arc<Pod>>,
    /// By role and node id.
    pub(crate) claims: BTreeMap<(Role, i32), Arc<PersistentVolumeClaim>>,
}

/// Looks up what a cluster has of the pods that `spec` names, and of those that exist beyond them.
pub(crate) fn observe(caches: &Caches, key: &ClusterKey, spec: &KafkaClusterSpec) -> ObservedCluster {
    let mut observed = ObservedCluster::default();
    observed.add(Kind::ServiceAccount, &caches.service_accounts, key, key.brokers());
    observed.add(Kind::Service, &caches.services, key, key.bootstrap_service());
    let controllers = spec.controllers.as_ref().map_or(0, |controllers| controllers.replicas);
    for (role, wanted) in [(Role::Broker, spec.brokers), (Role::Controller, controllers)] {
        let name = key.pods(role);
        observed.add(Kind::Service, &caches.services, key, key.headless_service(role));
        observed.add(Kind::ConfigMap, &caches.config_maps, key, name.clone());
        observed.add(Kind::NetworkPolicy, &caches.network_policies, key, name.clone());
        observed.add(Kind::PodDisruptionBudget, &caches.disruption_budgets, key, name.clone());
        observed.add(Kind::StatefulSet, &caches.stateful_sets, key, name.clone());
        let set = caches.stateful_sets.get(&key.namespace, &name);
        observed.stateful_sets.extend(set.map(|set| (role, set)));
        let count = wanted.max(observed.replicas(role)).clamp(0, PODS_MAX);
        for id in role.first_id()..role.first_id() + count {
            if role == Role::Broker {
                observed.add(Kind::Service, &caches.services, key, key.broker(id));
            }
            let pod = caches.pods.get(&key.namespace, &key.pod(role, id));
            observed.pods.extend(pod.map(|pod| ((role, id), pod)));
            let claim = caches.claims.get(&key.namespace, &key.claim(role, id));
            observed.claims.extend(claim.map(|claim| ((role, id), claim)));
        }
    }
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

    /// How many pods of a role there are to be, as the API server has it.
    pub(crate) fn replicas(&self, role: Role) -> i32 {
        let spec = self.stateful_sets.get(&role).and_then(|set| set.spec.as_ref());
        spec.and_then(|spec| spec.replicas).unwrap_or(0)
    }

    /// Whether the disruption budgets let these pods go together. A budget that was just raised takes a moment, and tells
    /// when it has; asking the API server too early would mean to ask it again much later. A single broker's is never raised.
    pub(crate) fn lets_go(&self, key: &ClusterKey, pods: &[String]) -> bool {
        let is_single = self.pods.len() == 1;
        let of_role = |role: Role| {
            let stopped =
                self.pods.iter().filter(|((of, _), pod)| *of == role && pods.contains(&pod.name_any()));
            stopped.filter(|(_, pod)| is_ready(pod)).count()
        };
        Role::ALL.into_iter().all(|role| {
            let budget = self.objects.get(&(Kind::PodDisruptionBudget, key.pods(role)));
            let allowed = budget.and_then(|budget| budget["status"]["disruptionsAllowed"].as_u64());
            let wanted = of_role(role) as u64;
            wanted == 0 || is_single || allowed.is_some_and(|allowed| allowed >= wanted)
        })
    }

    /// Kafka's id of the cluster: the one that its volumes have, so that a cluster which is made again takes them up;
    /// else the one it was given before; else its own UID.
    pub(crate) fn cluster_id(&self, cluster: &KafkaCluster) -> String {
        let before = || cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
        let noted = self.noted(Role::Broker, |annotations| annotations.get(CLUSTER_ID_ANNOTATION).cloned());
        noted.or_else(before).unwrap_or_else(|| kafka_uuid(&cluster.uid().unwrap_or_default()))
    }

    /// How many controllers the metadata quorum began with, however many it has now: volumes that are formatted later
    /// must agree with those that were formatted first.
    pub(crate) fn initial_controllers(&self, cluster: &ValidatedCluster) -> i32 {
        let number = |annotations: &BTreeMap<String, String>| {
            let number = annotations.get(INITIAL_CONTROLLERS_ANNOTATION);
            Some(number.and_then(|number| number.parse().ok()).unwrap_or(1))
        };
        let wanted = i32::try_from(cluster.voters().len()).unwrap_or(1);
        self.noted(cluster.voting_role(), number).unwrap_or(wanted)
    }

    /// What the annotations of a claim say: those of the template, which cannot change while the StatefulSet lives, else
    /// those of a volume that an earlier cluster left.
    fn noted<T>(&self, role: Role, read: impl Fn(&BTreeMap<String, String>) -> Option<T>) -> Option<T> {
        let set = self.stateful_sets.get(&role).and_then(|set| set.spec.as_ref());
        let templates = set.and_then(|spec| spec.volume_claim_templates.as_ref());
        let in_template = templates.and_then(|all| all.iter().find_map(|claim| read(claim.annotations())));
        let of_role = self.claims.iter().filter(|((of, _), _)| *of == role);
        in_template.or_else(|| of_role.map(|(_, claim)| claim).find_map(|claim| read(claim.annotations())))
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
    fn pods_wait_for_a_budget_that_lets_all_of_them_go() {
        let key = ClusterKey::new("ns", "demo");
        let ready = serde_json::json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let pod = |id: i32| {
            let name = key.pod(Role::Broker, id);
            let pod: Pod =
                serde_json::from_value(serde_json::json!({"metadata": {"name": name}, "status": ready}))
                    .unwrap();
            ((Role::Broker, id), Arc::new(pod))
        };
        let pods = [0, 1].map(|id| key.broker(id));
        let with_budget = |allowed: i32| {
            let budget = serde_json::json!({"status": {"disruptionsAllowed": allowed}});
            ObservedCluster {
                objects: [((Kind::PodDisruptionBudget, key.brokers()), budget)].into(),
                pods: [pod(0), pod(1)].into(),
                ..ObservedCluster::default()
            }
        };
        assert!(!with_budget(1).lets_go(&key, &pods));
        assert!(with_budget(2).lets_go(&key, &pods));
        assert!(with_budget(1).lets_go(&key, &pods[..1]));
        assert!(!with_budget(0).lets_go(&key, &pods[..1]));
        let mut single = with_budget(0);
        single.pods.remove(&(Role::Broker, 1));
        assert!(single.lets_go(&key, &pods[..1]), "the API server answers");
    }

    #[test]
    fn the_id_on_the_volumes_wins_over_the_uid() {
        let mut cluster = KafkaCluster::new("a", Default::default());
        cluster.metadata.uid = Some("12345678-9abc-def0-1234-56789abcdef0".to_owned());
        let mut observed = ObservedCluster::default();
        assert_eq!(observed.cluster_id(&cluster), "EjRWeJq83vASNFZ4mrze8A");
        let mut claim = PersistentVolumeClaim::default();
        claim.annotations_mut().insert(CLUSTER_ID_ANNOTATION.to_owned(), "old".to_owned());
        observed.claims.insert((Role::Broker, 0), Arc::new(claim));
        assert_eq!(observed.cluster_id(&cluster), "old");
    }
}
