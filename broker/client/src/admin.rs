//! What an administrator asks of a cluster: topics, partitions and where they lie, configurations, brokers, the quorum.
//!
//! One connection to any bootstrap address serves all calls (brokers forward what only the controller decides), except
//! for the configuration of a broker, which that broker answers itself. Each call is one request for all its items, and
//! an answer per item. A connection that is gone is dialled again by the next call; a call is never repeated, since the
//! broker may have carried it out.

use std::collections::BTreeMap;
use std::time::Duration;

use bytestring::ByteString;
use milena_protocol::NodeId;
use tokio::sync::Mutex;

use crate::{ClientError, Connection, Options, Refused};

mod cluster;
mod configs;
mod quorum;
mod reassignments;
mod topics;

pub use cluster::{BrokerDescription, ClusterDescription};
pub use configs::{ConfigChange, ConfigEntries, ConfigEntry, ConfigKind, ConfigResource, ConfigSource};
pub use quorum::{NewVoter, QuorumDescription, QuorumReplica};
pub use reassignments::{Reassignment, TopicPartition};
pub use topics::{NewTopic, PartitionDescription, TopicDescription};

/// One answer per item, by its name.
pub type PerItem<K, V> = BTreeMap<K, Result<V, Refused>>;

/// How long the brokers may take over a change before they answer `REQUEST_TIMED_OUT`.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of one cluster. Cheap to make: it dials with the first call.
#[derive(Debug)]
pub struct Admin {
    bootstrap: Vec<String>,
    options: Options,
    /// Stands in for the address of every broker; tests reach a cluster's pods this way.
    address_override: Option<String>,
    current: Mutex<Option<Connection>>,
    brokers: Mutex<BTreeMap<NodeId, Connection>>,
}

impl Admin {
    /// A client that dials the first of `bootstrap` (`host:port`) that answers.
    pub fn new(bootstrap: impl IntoIterator<Item = String>, options: Options) -> Self {
        Self {
            bootstrap: bootstrap.into_iter().collect(),
            options,
            address_override: None,
            current: Mutex::default(),
            brokers: Mutex::default(),
        }
    }

    /// Dials `address` wherever the cluster names the address of a broker.
    #[must_use]
    pub fn with_address_override(mut self, address: Option<String>) -> Self {
        self.address_override = address;
        self
    }

    /// The connection to any broker.
    pub async fn connection(&self) -> Result<Connection, ClientError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = self.dial_any().await?;
        *current = Some(connection.clone());
        Ok(connection)
    }

    async fn dial_any(&self) -> Result<Connection, ClientError> {
        let mut failure =
            ClientError::Dial { address: String::new(), reason: "no bootstrap address is known".to_owned() };
        for address in &self.bootstrap {
            match Connection::dial(address, self.options.clone()).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The connection to one broker, at the address that the cluster names.
    pub async fn broker(&self, node: NodeId) -> Result<Connection, ClientError> {
        let mut brokers = self.brokers.lock().await;
        if let Some(connection) = brokers.get(&node).filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let address = match &self.address_override {
            Some(address) => address.clone(),
            None => self.address_of(node).await?,
        };
        let connection = Connection::dial(&address, self.options.clone()).await?;
        brokers.insert(node, connection.clone());
        Ok(connection)
    }

    async fn address_of(&self, node: NodeId) -> Result<String, ClientError> {
        let cluster = self.describe_cluster().await?;
        let broker = cluster.brokers.into_iter().find(|broker| broker.id == node);
        broker.map(|broker| format!("{}:{}", broker.host, broker.port)).ok_or_else(|| ClientError::Dial {
            address: format!("broker {node}"),
            reason: "the cluster does not know it".to_owned(),
        })
    }
}

fn change_timeout_ms() -> i32 {
    i32::try_from(CHANGE_TIMEOUT.as_millis()).unwrap_or(i32::MAX)
}

fn text(value: &str) -> ByteString {
    ByteString::from(value)
}
