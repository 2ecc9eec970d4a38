//! Refuses an uninstall that would leave topics behind whose deletion nobody could finish.

use anyhow::{Context, bail};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::cli::Scope;
use crate::crd::{DeletionPolicy, KafkaTopic};

/// How many topics are named.
const NAMED_MAX: usize = 10;

/// Fails when there are topics with a finalizer, or that would get one, and says which.
pub(crate) async fn check(scope: &Scope) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("find the API server")?;
    let mut apis: Vec<Api<KafkaTopic>> =
        scope.namespaces().iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect();
    if apis.is_empty() {
        apis.push(Api::all(client));
    }
    let mut names = Vec::new();
    for api in apis {
        let topics = match api.list(&ListParams::default()).await {
            Ok(topics) => topics,
            // No definition, no topics.
            Err(kube::Error::Api(status)) if status.code == 404 => continue,
            Err(error) => return Err(error).context("list the topics"),
        };
        let bound =
            topics.items.into_iter().filter(|topic| topic.spec.deletion_policy == DeletionPolicy::Delete);
        names.extend(
            bound.map(|topic| format!("{}/{}", topic.namespace().unwrap_or_default(), topic.name_any())),
        );
    }
    if names.is_empty() {
        return Ok(());
    }
    let count = names.len();
    names.truncate(NAMED_MAX);
    bail!(
        "{count} KafkaTopic resources have deletionPolicy Delete, which only a running operator can carry out: {}{}. \
         Delete them first, or set their deletionPolicy to Retain.",
        names.join(", "),
        if count > NAMED_MAX { ", ..." } else { "" }
    )
}
