//! Requests of clients that only the active controller may answer, on brokers that are not it (KIP-590).
//!
//! The request goes on as it came, in an Envelope with the client's principal and address. Where no controller answers
//! in time the request is handled here, which is NOT_CONTROLLER unless this process became the controller meanwhile.
//! After an answer this broker catches up with the controller before it passes the answer on: a client never sees
//! metadata that is older than what it was told of.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use milena_core::config::broker::server;
use milena_protocol::messages::client_data::DefaultPrincipalData;
use milena_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, RequestPartitionData, RequestTopicData,
};
use milena_protocol::messages::envelope::EnvelopeRequest;
use milena_protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use milena_protocol::{ErrorCode, Message as _, Offset, Request, frames};
use tokio::time::timeout;

use crate::broker::{Broker, RequestContext};
use crate::dispatch::Served;

/// How long an answer waits for this broker to have seen what it tells of.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(5);
/// The metadata log as a topic.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Requests that change nothing.
const READ_ONLY: [i16; 2] = [DescribeQuorumRequest::KEY, ListPartitionReassignmentsRequest::KEY];

/// The active controller's answer to a request that came in here; `None` where the controller of this process must
/// answer, because it is active or because no other one does.
pub(crate) async fn forward<R: Served>(
    broker: &Broker,
    context: &RequestContext,
    request: &R,
) -> Option<R::Response> {
    if context.listener.is_controller || broker.quorum.leader().borrow().is_local {
        return None;
    }
    let envelope = envelope(context, request)?;
    let patience_ms = broker.config.properties.int(&server::REQUEST_TIMEOUT_MS);
    let patience = Duration::from_millis(u64::try_from(patience_ms).unwrap_or_default());
    let answer = match broker.forwarding.send_within(&envelope, patience).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, api = R::NAME, "no controller answers a forwarded request");
            return None;
        }
    };
    let response = answer.response_data.filter(|_| answer.error_code == 0);
    let response = response.and_then(|bytes| frames::decode_response::<R>(bytes, context.version).ok());
    if response.is_none() {
        let code = ErrorCode::from(answer.error_code);
        tracing::warn!(%code, api = R::NAME, "the controller cannot read a forwarded request");
    }
    if !READ_ONLY.contains(&R::KEY) && timeout(CATCH_UP_PATIENCE, catch_up(broker)).await.is_err() {
        tracing::warn!(api = R::NAME, "answering before this broker has seen the metadata of the answer");
    }
    response
}

fn envelope<R: Request>(context: &RequestContext, request: &R) -> Option<EnvelopeRequest> {
    let client_id = Some(context.client_id.clone());
    // The answer is told apart by its envelope.
    let frame = frames::request_frame(0, client_id, context.version, request).into_bytes().ok()?;
    Some(EnvelopeRequest {
        request_data: frame.slice(size_of::<i32>()..),
        request_principal: Some(anonymous().to_versioned_bytes(0)),
        client_host_address: address_bytes(context.peer.ip()),
    })
}

/// Who speaks on a listener without authentication.
fn anonymous() -> DefaultPrincipalData {
    DefaultPrincipalData { r#type: "User".into(), name: "ANONYMOUS".into(), token_authenticated: false }
}

fn address_bytes(address: IpAddr) -> Bytes {
    match address.to_canonical() {
        IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
        IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
    }
}

/// Resolves when this broker has acted on everything that is committed now.
async fn catch_up(broker: &Broker) {
    let partitions = vec![RequestPartitionData { partition_index: 0 }];
    let topics = vec![RequestTopicData { topic_name: METADATA_TOPIC.into(), partitions }];
    let answer = broker.forwarding.ask_leader(&DescribeQuorumRequest { topics }).await;
    let partition = match answer {
        Ok(answer) => answer.topics.into_iter().flat_map(|topic| topic.partitions).next(),
        Err(error) => return tracing::debug!(%error, "the end of the metadata is not known"),
    };
    if let Some(partition) = partition.filter(|partition| partition.error_code == 0) {
        broker.quorum.applied(Offset(partition.high_watermark)).await;
    }
}
