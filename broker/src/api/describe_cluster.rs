//! DescribeCluster (key 60, versions 0-2): the nodes of the cluster behind this listener.
//!
//! - On a broker listener the brokers, on a controller listener the controllers (KIP-919). Asking one for the other is
//!   MISMATCHED_ENDPOINT_TYPE (version 1 on).
//! - Fenced brokers are left out, unless version 2 asks for them.
//! - The controller named to clients is any alive broker, since controllers are not reachable for them (KIP-590); to those
//!   of a controller listener the active one.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::metadata::{BrokerImage, MetadataImage};
use milena_protocol::ErrorCode;
use milena_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use rand::seq::IteratorRandom as _;

use crate::api::authorized_operations;
use crate::broker::{Broker, RequestContext};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let served = if context.listener.is_controller { CONTROLLERS } else { BROKERS };
    if request.endpoint_type != served && context.version >= 1 {
        return mismatch(&request, served);
    }
    let image = broker.image_at(&context.listener);
    let (controller_id, brokers) = if context.listener.is_controller {
        let controllers = controllers(&image, &context.listener.name);
        let active = broker.quorum.leader().borrow().id.map_or(-1, |id| id.0);
        let is_known = controllers.iter().any(|node| node.broker_id == active);
        (if is_known { active } else { -1 }, controllers)
    } else {
        let wanted = |broker: &&BrokerImage| request.include_fenced_brokers || !broker.fenced;
        let address = |broker: &BrokerImage| address(broker, &context.listener.name);
        let brokers: Vec<_> = image.brokers().filter(wanted).filter_map(address).collect();
        let alive = brokers.iter().filter(|broker| !broker.is_fenced);
        (alive.choose(&mut rand::rng()).map_or(-1, |broker| broker.broker_id), brokers)
    };
    DescribeClusterResponse {
        endpoint_type: served,
        cluster_id: broker.cluster_id.clone(),
        controller_id,
        brokers,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            authorized_operations::CLUSTER
        } else {
            authorized_operations::OMITTED
        },
        ..Default::default()
    }
}

fn address(broker: &BrokerImage, listener: &str) -> Option<DescribeClusterBroker> {
    let endpoint = broker.endpoint(listener)?;
    Some(DescribeClusterBroker {
        broker_id: broker.id.0,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
        is_fenced: broker.fenced,
    })
}

fn controllers(image: &MetadataImage, listener: &str) -> Vec<DescribeClusterBroker> {
    let address = |controller: &milena_protocol::messages::metadata_records::RegisterControllerRecord| {
        let endpoint = controller.end_points.iter().find(|endpoint| endpoint.name == listener)?;
        Some(DescribeClusterBroker {
            broker_id: controller.controller_id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..Default::default()
        })
    };
    image.controllers().filter_map(address).collect()
}

fn mismatch(request: &DescribeClusterRequest, served: i8) -> DescribeClusterResponse {
    let name = |kind| if kind == BROKERS { "BROKER" } else { "CONTROLLER" };
    let (code, message) = match request.endpoint_type {
        BROKERS | CONTROLLERS => (
            ErrorCode::MismatchedEndpointType,
            format!(
                "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                name(served),
                name(request.endpoint_type)
            ),
        ),
        other => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
    };
    DescribeClusterResponse {
        error_code: code.code(),
        error_message: Some(ByteString::from(message)),
        ..Default::default()
    }
}
