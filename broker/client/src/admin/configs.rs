//! Configurations of topics, brokers and groups.

use std::collections::BTreeMap;

use milena_protocol::NodeId;
use milena_protocol::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
};
use milena_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::{Admin, PerItem, text};
use crate::{ClientError, Connection, Refused};

/// What kind of thing is configured; the numbers are those of `ConfigResource.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ConfigKind {
    /// A topic, by name.
    Topic = 2,
    /// A broker, by node id; all brokers, by the empty name.
    Broker = 4,
    /// The log levels of a broker, by node id.
    BrokerLogger = 8,
    /// A subscription of client metrics, by name.
    ClientMetrics = 16,
    /// A group, by name.
    Group = 32,
}

impl ConfigKind {
    fn from_wire(kind: i8) -> Option<Self> {
        [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group]
            .into_iter()
            .find(|known| *known as i8 == kind)
    }
}

/// A thing that is configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ConfigKind,
    /// Which one.
    pub name: String,
}

impl ConfigResource {
    /// The topic of that name.
    pub fn topic(name: impl Into<String>) -> Self {
        Self { kind: ConfigKind::Topic, name: name.into() }
    }

    /// The broker of that id.
    pub fn broker(node: NodeId) -> Self {
        Self { kind: ConfigKind::Broker, name: node.to_string() }
    }

    /// The one broker that can answer for it, if there is only one.
    fn only_broker(&self) -> Option<NodeId> {
        match self.kind {
            ConfigKind::Broker | ConfigKind::BrokerLogger => self.name.parse().ok().map(NodeId),
            ConfigKind::Topic | ConfigKind::ClientMetrics | ConfigKind::Group => None,
        }
    }
}

/// Where a value comes from; the numbers are those of `DescribeConfigsResponse.ConfigSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on this broker at run time.
    DynamicBroker,
    /// Set on all brokers at run time.
    DynamicDefaultBroker,
    /// Set in the broker's file or environment.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// Any other.
    Other(i8),
}

impl From<i8> for ConfigSource {
    fn from(source: i8) -> Self {
        match source {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }
}

/// The value of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigEntry {
    /// None where the value is sensitive, or absent.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed at run time.
    pub read_only: bool,
    /// Whether the broker hides it.
    pub sensitive: bool,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigChange {
    /// Sets it.
    Set(String),
    /// Puts it back to what it is without a setting.
    Delete,
    /// Adds to a list.
    Append(String),
    /// Removes from a list.
    Subtract(String),
}

impl ConfigChange {
    fn on_wire(&self) -> (i8, Option<&str>) {
        match self {
            Self::Set(value) => (0, Some(value)),
            Self::Delete => (1, None),
            Self::Append(value) => (2, Some(value)),
            Self::Subtract(value) => (3, Some(value)),
        }
    }
}

/// Every key of a resource.
pub type ConfigEntries = BTreeMap<String, ConfigEntry>;

impl Admin {
    /// Describes every key of each resource.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
    ) -> Result<PerItem<ConfigResource, ConfigEntries>, ClientError> {
        self.describe_config_keys(resources, None).await
    }

    /// Describes these keys of each resource; every key where there are none named.
    pub async fn describe_config_keys(
        &self,
        resources: &[ConfigResource],
        keys: Option<&[&str]>,
    ) -> Result<PerItem<ConfigResource, ConfigEntries>, ClientError> {
        let mut described = BTreeMap::new();
        for (broker, resources) in by_broker(resources, |resource| resource) {
            let resources = resources.into_iter().map(|resource| describable(resource, keys)).collect();
            let request = DescribeConfigsRequest { resources, ..Default::default() };
            let response = self.connection_for(broker).await?.send(&request).await?;
            described.extend(response.results.into_iter().filter_map(entries));
        }
        Ok(described)
    }

    /// Changes single keys of each resource, or only checks that it could; other keys stay as they are.
    pub async fn incremental_alter_configs(
        &self,
        changes: &[(ConfigResource, BTreeMap<String, ConfigChange>)],
        validate_only: bool,
    ) -> Result<PerItem<ConfigResource, ()>, ClientError> {
        let mut altered = BTreeMap::new();
        for (broker, changes) in by_broker(changes, |(resource, _)| resource) {
            let resources = changes.into_iter().map(alterable).collect();
            let request = IncrementalAlterConfigsRequest { resources, validate_only };
            let response = self.connection_for(broker).await?.send(&request).await?;
            altered.extend(response.responses.into_iter().filter_map(|item| {
                let kind = ConfigKind::from_wire(item.resource_type)?;
                let result = Refused::check(item.error_code, item.error_message.as_ref());
                Some((ConfigResource { kind, name: item.resource_name.to_string() }, result))
            }));
        }
        Ok(altered)
    }

    async fn connection_for(&self, broker: Option<NodeId>) -> Result<Connection, ClientError> {
        match broker {
            Some(node) => self.broker(node).await,
            None => self.connection().await,
        }
    }
}

/// Items by the broker that must answer for them; none means any.
fn by_broker<T>(items: &[T], resource: fn(&T) -> &ConfigResource) -> BTreeMap<Option<NodeId>, Vec<&T>> {
    let mut brokers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for item in items {
        brokers.entry(resource(item).only_broker()).or_default().push(item);
    }
    brokers
}

fn describable(resource: &ConfigResource, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type: resource.kind as i8,
        resource_name: text(&resource.name),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| text(key)).collect()),
    }
}

fn alterable((resource, changes): &(ConfigResource, BTreeMap<String, ConfigChange>)) -> AlterConfigsResource {
    let configs = changes.iter().map(|(name, change)| {
        let (config_operation, value) = change.on_wire();
        AlterableConfig { name: text(name), config_operation, value: value.map(text) }
    });
    AlterConfigsResource {
        resource_type: resource.kind as i8,
        resource_name: text(&resource.name),
        configs: configs.collect(),
    }
}

fn entries(result: DescribeConfigsResult) -> Option<(ConfigResource, Result<ConfigEntries, Refused>)> {
    let kind = ConfigKind::from_wire(result.resource_type)?;
    let resource = ConfigResource { kind, name: result.resource_name.to_string() };
    let entries = Refused::check(result.error_code, result.error_message.as_ref())
        .map(|()| result.configs.into_iter().map(entry).collect());
    Some((resource, entries))
}

fn entry(config: DescribeConfigsResourceResult) -> (String, ConfigEntry) {
    let entry = ConfigEntry {
        value: config.value.map(|value| value.to_string()),
        source: config.config_source.into(),
        read_only: config.read_only,
        sensitive: config.is_sensitive,
    };
    (config.name.to_string(), entry)
}
