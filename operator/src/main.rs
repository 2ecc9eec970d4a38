//! The operator: turns `KafkaCluster` and `KafkaTopic` resources into brokers and topics.
//!
//! What it may do in the namespaces that it serves; `charts/milena/templates/rbac.yaml` grants this and nothing else, and
//! the tests run the operator with that very grant:
//!
//! | group | resources | verbs | for |
//! |---|---|---|---|
//! | kafka.milena.dev | kafkaclusters, kafkatopics | list, watch | |
//! | kafka.milena.dev | kafkatopics | patch | the finalizer |
//! | kafka.milena.dev | kafkaclusters/status, kafkatopics/status | patch | |
//! | kafka.milena.dev | kafkaclusters/finalizers | update | owner references that block the owner's deletion |
//! | apps | statefulsets | get, list, watch, create, patch | `get` before a name is taken for the first time |
//! | core | services, configmaps, serviceaccounts | get, list, watch, create, patch | |
//! | networking.k8s.io | networkpolicies | get, list, watch, create, patch | |
//! | policy | poddisruptionbudgets | get, list, watch, create, patch | |
//! | core | pods, persistentvolumeclaims | list, watch | |
//! | core | pods/eviction | create | |
//! | events.k8s.io | events | create, patch | |
//!
//! And in its own namespace: leases of coordination.k8s.io, create; the one named `milena-operator`, get and update.
//! Nothing is ever deleted by the operator but topics: what a cluster owns goes with it, volumes by the StatefulSet's
//! retention policy.

mod cache;
mod cli;
mod cluster;
mod conditions;
mod crd;
mod http;
mod kafka;
mod lease;
mod metrics;
mod names;
mod operator;
mod queue;
mod replicas;
mod report;
mod run;
mod topic;
mod uninstall;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, LogFormat};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(options) => {
            log_in(options.log_format);
            run::run(options).await
        }
        Command::Crds { write: None } => print_crds(),
        Command::Crds { write: Some(folder) } => write_crds(&folder),
        Command::UninstallCheck(scope) => uninstall::check(&scope).await,
    }
}

fn log_in(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

fn print_crds() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (_, definition) in crd::definitions() {
        out.write_all(crd::yaml(&definition)?.as_bytes())?;
    }
    Ok(())
}

fn write_crds(folder: &Path) -> anyhow::Result<()> {
    for (name, definition) in crd::definitions() {
        let path = folder.join(name);
        std::fs::write(&path, crd::yaml(&definition)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
