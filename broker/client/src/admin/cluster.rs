//! The cluster and its brokers.

use bytestring::ByteString;
use milena_protocol::NodeId;
use milena_protocol::messages::DescribeClusterRequest;

use super::Admin;
use crate::{ClientError, Refused};

/// A cluster as one of its brokers sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: ByteString,
    /// The broker to which changes may be sent.
    pub controller: Option<NodeId>,
    /// Registered brokers; fenced ones only where the broker speaks version 2 (KIP-1073).
    pub brokers: Vec<BrokerDescription>,
}

/// A registered broker.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerDescription {
    /// Its node id.
    pub id: NodeId,
    /// Advertised host of the listener that was asked.
    pub host: ByteString,
    /// Advertised port of the listener that was asked.
    pub port: u16,
    /// Its rack.
    pub rack: Option<ByteString>,
    /// Whether it is registered but takes no part.
    pub fenced: bool,
}

impl Admin {
    /// Describes the cluster, fenced brokers included.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        let request = DescribeClusterRequest { include_fenced_brokers: true, ..Default::default() };
        let response = self.connection().await?.send(&request).await?;
        Refused::check(response.error_code, response.error_message.as_ref())?;
        let brokers = response.brokers.into_iter().map(|broker| BrokerDescription {
            id: NodeId(broker.broker_id),
            host: broker.host,
            port: u16::try_from(broker.port).unwrap_or_default(),
            rack: broker.rack,
            fenced: broker.is_fenced,
        });
        Ok(ClusterDescription {
            cluster_id: response.cluster_id,
            controller: (response.controller_id >= 0).then_some(NodeId(response.controller_id)),
            brokers: brokers.collect(),
        })
    }
}
