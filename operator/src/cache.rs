//! What the API server has, kept up to date by watches: reconciling reads from here and asks the API server nothing.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crd::{KafkaCluster, KafkaTopic};
use crate::names::{CLUSTER_LABEL, ClusterKey, MANAGED_BY_LABEL, MANAGER};
use crate::queue::Queue;

/// All objects of one kind in the namespaces that are served.
#[derive(Debug)]
pub(crate) struct Cache<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// One for each served namespace, or one for all.
    stores: Vec<Store<K>>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Cache<K> {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let reference = ObjectRef::new(name).within(namespace);
        self.stores.iter().find_map(|store| store.get(&reference))
    }

    pub(crate) fn filter(&self, wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.stores.iter().flat_map(|store| store.state_filter(&wanted)).collect()
    }
}

/// Every kind that is read.
#[derive(Debug)]
pub(crate) struct Caches {
    pub(crate) clusters: Cache<KafkaCluster>,
    pub(crate) topics: Cache<KafkaTopic>,
    pub(crate) stateful_sets: Cache<StatefulSet>,
    pub(crate) services: Cache<Service>,
    pub(crate) config_maps: Cache<ConfigMap>,
    pub(crate) service_accounts: Cache<ServiceAccount>,
    pub(crate) network_policies: Cache<NetworkPolicy>,
    pub(crate) disruption_budgets: Cache<PodDisruptionBudget>,
    pub(crate) pods: Cache<Pod>,
    pub(crate) claims: Cache<PersistentVolumeClaim>,
}

/// The two kinds of work that events lead to.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) clusters: Queue,
    /// The topics of a cluster, as one piece of work.
    pub(crate) topics: Queue,
}

/// Starts the watches.
pub(crate) struct Watches<'a> {
    pub(crate) client: Client,
    /// Empty stands for all.
    pub(crate) namespaces: Vec<String>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: &'a TaskTracker,
}

impl Watches<'_> {
    /// Starts them all and waits until each has seen everything there is.
    pub(crate) async fn start(&self) -> anyhow::Result<Caches> {
        let caches = Caches {
            clusters: self.watch(false, |cluster: &KafkaCluster, queues| {
                let key = ClusterKey::new(cluster.namespace().unwrap_or_default(), cluster.name_any());
                queues.clusters.push(key.clone());
                queues.topics.push(key);
            }),
            topics: self.watch(false, |topic: &KafkaTopic, queues| queues.topics.push(topic.cluster())),
            stateful_sets: self.watch_part::<StatefulSet>(),
            services: self.watch_part::<Service>(),
            config_maps: self.watch_part::<ConfigMap>(),
            service_accounts: self.watch_part::<ServiceAccount>(),
            network_policies: self.watch_part::<NetworkPolicy>(),
            disruption_budgets: self.watch_part::<PodDisruptionBudget>(),
            pods: self.watch_part::<Pod>(),
            claims: self.watch_part::<PersistentVolumeClaim>(),
        };
        caches.wait().await?;
        Ok(caches)
    }

    /// Objects that belong to a cluster, known by their label.
    fn watch_part<K>(&self) -> Cache<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        self.watch(true, |object: &K, queues| {
            if let Some(name) = object.labels().get(CLUSTER_LABEL) {
                queues.clusters.push(ClusterKey::new(object.namespace().unwrap_or_default(), name));
            }
        })
    }

    fn watch<K>(&self, only_ours: bool, seen: impl Fn(&K, &Queues) + Clone + Send + 'static) -> Cache<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let mut apis: Vec<_> = self
            .namespaces
            .iter()
            .map(|namespace| Api::<K>::namespaced(self.client.clone(), namespace))
            .collect();
        if apis.is_empty() {
            apis.push(Api::all(self.client.clone()));
        }
        let stores = apis.into_iter().map(|api| self.watch_one(api, only_ours, seen.clone())).collect();
        Cache { stores }
    }

    fn watch_one<K>(
        &self,
        api: Api<K>,
        only_ours: bool,
        seen: impl Fn(&K, &Queues) + Send + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let (reader, writer) = store();
        let mut config = watcher::Config::default();
        if only_ours {
            config = config.labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"));
        }
        let events = watch(api, config)
            .default_backoff()
            .modify(|object| object.managed_fields_mut().clear())
            .reflect(writer);
        let (queues, known) = (self.queues.clone(), reader.clone());
        let follow = async move {
            tokio::pin!(events);
            // What vanished while the watch was down is found by looking at all that was there before.
            let mut before = Vec::new();
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(object) | Event::Delete(object)) => seen(&object, &queues),
                    Ok(Event::Init) => before = known.state(),
                    Ok(Event::InitDone) => {
                        before.drain(..).chain(known.state()).for_each(|object| seen(&object, &queues));
                    }
                    Ok(Event::InitApply(_)) => {}
                    Err(error) => {
                        tracing::warn!(kind = %K::kind(&()), %error, "watch failed and is tried again")
                    }
                }
            }
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled_owned(follow).await });
        reader
    }
}

impl Caches {
    async fn wait(&self) -> anyhow::Result<()> {
        futures::try_join!(
            ready(&self.clusters),
            ready(&self.topics),
            ready(&self.stateful_sets),
            ready(&self.services),
            ready(&self.config_maps),
            ready(&self.service_accounts),
            ready(&self.network_policies),
            ready(&self.disruption_budgets),
            ready(&self.pods),
            ready(&self.claims),
        )?;
        Ok(())
    }
}

async fn ready<K: Resource<DynamicType = ()> + Clone + 'static>(cache: &Cache<K>) -> anyhow::Result<()> {
    for store in &cache.stores {
        store.wait_until_ready().await?;
    }
    Ok(())
}
