//! One connection for each cluster, dialled when it is first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytestring::ByteString;
use milena_client::{Admin, Options};

use crate::names::{ClusterKey, MANAGER, REPLICATION_PORT, Role};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

/// The clients of the clusters that have topics or several nodes.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Stands in for the address of every broker where no DNS leads to pods.
    address_override: Option<String>,
    /// With the number of brokers whose addresses each knows.
    admins: Mutex<HashMap<ClusterKey, (i32, Arc<Admin>)>>,
}

impl Sessions {
    pub(crate) fn new(address_override: Option<String>) -> Self {
        Self { address_override, admins: Mutex::default() }
    }

    /// Whether brokers are reached without a look at their pods.
    pub(crate) fn is_overridden(&self) -> bool {
        self.address_override.is_some()
    }

    /// The client of a cluster of `brokers` brokers.
    pub(crate) fn admin(&self, key: &ClusterKey, brokers: i32) -> Arc<Admin> {
        let mut admins = self.admins.lock().unwrap_or_else(PoisonError::into_inner);
        let entry =
            admins.entry(key.clone()).or_insert_with(|| (brokers, Arc::new(self.connect(key, brokers))));
        if entry.0 != brokers {
            *entry = (brokers, Arc::new(self.connect(key, brokers)));
        }
        entry.1.clone()
    }

    /// Closes the connection to a cluster that is gone, or that nobody asks anything.
    pub(crate) fn close(&self, key: &ClusterKey) {
        self.admins.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn connect(&self, key: &ClusterKey, brokers: i32) -> Admin {
        let addresses = match &self.address_override {
            Some(address) => vec![address.clone()],
            None => (0..brokers)
                .map(|ordinal| format!("{}:{REPLICATION_PORT}", key.pod_host(Role::Broker, ordinal)))
                .collect(),
        };
        let options = Options {
            client_id: ByteString::from_static(MANAGER),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            ..Options::default()
        };
        Admin::new(addresses, options).with_address_override(self.address_override.clone())
    }
}
