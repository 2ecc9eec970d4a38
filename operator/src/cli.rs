//! The command line: every flag of `run` has an environment variable, which the chart sets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs Kafka clusters of Milena brokers on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "milena-operator", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reconcile clusters and topics until stopped.
    Run(RunOptions),
    /// Print the custom resource definitions.
    Crds {
        /// Write them into this folder, one file each, instead.
        #[arg(long, value_name = "FOLDER")]
        write: Option<PathBuf>,
    },
    /// Fail, and say which, when topics exist whose deletion only a running operator can finish.
    UninstallCheck(Scope),
}

/// Which namespaces are served.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scope {
    /// Namespaces to serve, separated by commas; all when empty.
    #[arg(long, env = "MILENA_WATCH_NAMESPACES", value_delimiter = ',', default_value = "")]
    watch_namespaces: Vec<String>,
}

impl Scope {
    /// The namespaces; empty stands for all.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        self.watch_namespaces
            .iter()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// The operator's own namespace, where its Lease is.
    #[arg(long, env = "MILENA_NAMESPACE", default_value = "default")]
    pub(crate) namespace: String,
    /// Who holds the Lease: the pod's name.
    #[arg(long, env = "POD_NAME", default_value = "milena-operator")]
    pub(crate) identity: String,
    /// Image of the brokers of clusters that name none.
    #[arg(long, env = "MILENA_BROKER_IMAGE", default_value = "localhost/milena-broker:dev")]
    pub(crate) broker_image: String,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "MILENA_HTTP_LISTEN", default_value = "0.0.0.0:8080")]
    pub(crate) http_listen: SocketAddr,
    /// Reach every broker at this host:port, where no cluster DNS leads to the pods.
    #[arg(long, env = "MILENA_BROKER_ADDRESS_OVERRIDE")]
    pub(crate) broker_address_override: Option<String>,
    /// Whether pods are labelled with the zone of their node; by default where Kubernetes is older than 1.35, which does it
    /// itself.
    #[arg(long, env = "MILENA_COPY_ZONES")]
    pub(crate) copy_zones: Option<bool>,
    /// Seconds between two looks at the topics of a cluster for changes made in Kafka itself.
    #[arg(long, env = "MILENA_DRIFT_INTERVAL", default_value = "30", value_parser = seconds)]
    pub(crate) drift_interval: Duration,
    /// Seconds for which a Lease holds without being renewed.
    #[arg(long, env = "MILENA_LEASE_DURATION", default_value = "15", value_parser = seconds)]
    pub(crate) lease_duration: Duration,
    /// Format of the log.
    #[arg(long, env = "MILENA_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    let limits = 0.1..=86_400.0;
    if limits.contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err("between 0.1 and 86400 seconds".to_owned())
}
