//! The zone of a pod, copied from its node where Kubernetes does not do that itself (before version 1.35).
//!
//! A broker reads its rack from the label when its process starts. It starts later than the label is there, as a rule:
//! volume, network and image come in between. A broker that was faster gets its rack with its next start.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::observe::ObservedCluster;
use crate::names::{ClusterKey, ZONE_LABEL};

/// The version of Kubernetes (1.x) that gives pods the labels of their node's place.
const LABELLED_SINCE: u32 = 35;

/// Whether the API server is too old to label pods.
pub(crate) async fn is_copied(client: &Client) -> Result<bool, kube::Error> {
    let version = client.apiserver_version().await?;
    Ok(is_older(&version.major, &version.minor))
}

/// Providers write minor versions such as `34+`.
fn is_older(major: &str, minor: &str) -> bool {
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    major == "1" && digits.parse().is_ok_and(|minor: u32| minor < LABELLED_SINCE)
}

/// Labels the pods that have a node and no zone. What fails is tried again with the next pass.
pub(crate) async fn copy(client: &Client, key: &ClusterKey, observed: &ObservedCluster) {
    for (pod, node) in observed.pods.values().filter_map(|pod| unlabelled(pod)) {
        if let Err(error) = label(client, key, &pod, &node).await {
            tracing::warn!(cluster = %key, pod, node, %error, "the zone of the node was not copied");
        }
    }
}

fn unlabelled(pod: &Pod) -> Option<(String, String)> {
    let node = pod.spec.as_ref()?.node_name.clone()?;
    let is_new = pod.metadata.deletion_timestamp.is_none() && !pod.labels().contains_key(ZONE_LABEL);
    is_new.then(|| (pod.name_any(), node))
}

async fn label(client: &Client, key: &ClusterKey, pod: &str, node: &str) -> Result<(), kube::Error> {
    let node = Api::<Node>::all(client.clone()).get(node).await?;
    let Some(zone) = node.labels().get(ZONE_LABEL) else { return Ok(()) };
    let patch = json!({"metadata": {"labels": {ZONE_LABEL: zone}}});
    let pods = Api::<Pod>::namespaced(client.clone(), &key.namespace);
    pods.patch(pod, &PatchParams::default(), &Patch::Merge(patch)).await?;
    tracing::info!(cluster = %key, pod, zone, "labelled with the zone of its node");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_versions_are_told_apart() {
        for (major, minor, older) in
            [("1", "33", true), ("1", "34+", true), ("1", "35", false), ("1", "40", false), ("2", "0", false)]
        {
            assert_eq!(is_older(major, minor), older, "{major}.{minor}");
        }
    }

    #[test]
    fn a_pod_with_a_node_and_no_zone_gets_one() {
        let pod = |text: &str| serde_saphyr::from_str::<Pod>(text).unwrap();
        let bound = pod("{metadata: {name: p}, spec: {nodeName: n, containers: []}}");
        assert_eq!(unlabelled(&bound), Some(("p".to_owned(), "n".to_owned())));
        for text in [
            "{metadata: {name: p}, spec: {containers: []}}",
            "{metadata: {name: p, labels: {topology.kubernetes.io/zone: a}}, spec: {nodeName: n, containers: []}}",
        ] {
            assert_eq!(unlabelled(&pod(text)), None, "{text}");
        }
    }
}
