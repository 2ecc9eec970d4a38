//! Connections to leaders, and the few requests that go over them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use milena_client::{ClientError, Connection, Options};
use milena_core::config::broker::server;
use milena_core::follower::Key;
use milena_protocol::messages::fetch::{FetchRequest, FetchResponse};
use milena_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use milena_protocol::{ErrorCode, LeaderEpoch, Message as _, NodeId, Offset, Request as _};

use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::quorum::QuorumHandle;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// The first version of Fetch that names topics by id, which every broker of a KRaft cluster knows (KIP-516).
const FETCH_VERSION_MIN: i16 = 13;
/// Longest wait for a name, a connection and its versions together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// What an answer may hold beside its records.
const OVERHEAD_BYTES: usize = 64 << 20;

/// How leaders are reached.
pub(super) struct Links {
    node_id: NodeId,
    options: Options,
    quorum: QuorumHandle,
    lifecycle: Arc<Lifecycle>,
    /// The listener among brokers.
    listener: String,
}

/// An open connection to a leader.
pub(super) struct Link {
    connection: Connection,
    node_id: NodeId,
}

/// A partition whose ends are asked for.
pub(super) type Asked = (Key, ByteString, LeaderEpoch);
/// Its first offset and its end, as the leader has them.
pub(super) type Ends = (Key, LeaderEpoch, Result<Range<Offset>, ErrorCode>);

impl Links {
    pub(super) fn new(config: &Config, quorum: QuorumHandle, lifecycle: Arc<Lifecycle>) -> Self {
        let (node_id, properties) = (config.node_id, &config.properties);
        let bytes = |value: i32| usize::try_from(value).unwrap_or(0);
        let timeout_ms = u64::try_from(properties.int(&server::REPLICA_SOCKET_TIMEOUT_MS)).unwrap_or(0);
        let records = bytes(properties.int(&server::REPLICA_FETCH_RESPONSE_MAX_BYTES))
            .max(bytes(properties.int(&server::REPLICA_FETCH_MAX_BYTES)));
        let options = Options {
            client_id: format!("broker-{node_id}-fetcher").into(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: Duration::from_millis(timeout_ms),
            in_flight_max: 2,
            // One batch is sent even if it is larger than asked for.
            response_bytes_max: records + OVERHEAD_BYTES,
        };
        Self { node_id, options, quorum, lifecycle, listener: config.inter_broker_listener() }
    }

    /// The epoch of this broker's registration.
    pub(super) fn broker_epoch(&self) -> i64 {
        self.lifecycle.epoch()
    }

    /// Connects to `leader`, wherever the image says that it is by now.
    pub(super) async fn dial(&self, leader: NodeId) -> Result<Link, ClientError> {
        let image = self.quorum.image();
        let endpoint = image.broker(leader).and_then(|broker| broker.endpoint(&self.listener));
        let Some(endpoint) = endpoint else {
            let reason = format!("the metadata has no listener {} of it", self.listener);
            return Err(ClientError::Dial { address: format!("broker {leader}"), reason });
        };
        let address = match endpoint.host.contains(':') {
            true => format!("[{}]:{}", endpoint.host, endpoint.port),
            false => format!("{}:{}", endpoint.host, endpoint.port),
        };
        let connection = Connection::dial(&address, self.options.clone()).await?;
        Ok(Link { connection, node_id: self.node_id })
    }
}

impl Link {
    /// Sends a Fetch.
    pub(super) async fn fetch(&self, request: &FetchRequest) -> Result<FetchResponse, ClientError> {
        let versions = FETCH_VERSION_MIN..=*FetchRequest::VERSIONS.end();
        let version = self.connection.versions().highest(FetchRequest::KEY, versions);
        let address = || self.connection.address().to_owned();
        let version =
            version.ok_or_else(|| ClientError::Version { address: address(), api: FetchRequest::NAME })?;
        self.connection.send_at(version, request).await
    }

    /// Asks where partitions begin and end.
    pub(super) async fn ends(&self, asked: Vec<Asked>) -> Result<Vec<Ends>, ClientError> {
        let latest = self.connection.send(&self.list_offsets(&asked, LATEST)).await?;
        let earliest = self.connection.send(&self.list_offsets(&asked, EARLIEST)).await?;
        let offsets = |topics: Vec<milena_protocol::messages::list_offsets::ListOffsetsTopicResponse>| {
            topics.into_iter().flat_map(|topic| topic.partitions).map(offset).collect::<Vec<_>>()
        };
        let ends = offsets(earliest.topics).into_iter().zip(offsets(latest.topics));
        let answered = asked.into_iter().zip(ends);
        Ok(answered.map(|((key, _, epoch), (start, end))| (key, epoch, range(start, end))).collect())
    }

    /// One entry for each, in order.
    fn list_offsets(&self, asked: &[Asked], timestamp: i64) -> ListOffsetsRequest {
        let topic = |(key, topic, epoch): &Asked| ListOffsetsTopic {
            name: topic.clone(),
            partitions: vec![ListOffsetsPartition {
                partition_index: key.partition.0,
                current_leader_epoch: epoch.0,
                timestamp,
            }],
        };
        ListOffsetsRequest {
            replica_id: self.node_id.0,
            topics: asked.iter().map(topic).collect(),
            ..ListOffsetsRequest::default()
        }
    }
}

fn offset(partition: ListOffsetsPartitionResponse) -> Result<Offset, ErrorCode> {
    match ErrorCode::from(partition.error_code) {
        ErrorCode::None => Ok(Offset(partition.offset)),
        code => Err(code),
    }
}

fn range(
    start: Result<Offset, ErrorCode>,
    end: Result<Offset, ErrorCode>,
) -> Result<Range<Offset>, ErrorCode> {
    Ok(start?..end?)
}
