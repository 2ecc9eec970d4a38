//! BrokerHeartbeat (key 63, versions 0-2, controller listener): a broker lives, and says what it wants.
//!
//! - It wants to be unfenced once it has recovered, which is granted when it has seen its own registration; or to shut
//!   down, which is granted when it leads nothing and every other broker has seen who leads instead.
//! - A registration that is not the current one is STALE_BROKER_EPOCH.
//! - Version 1 on: log directories that are offline (KIP-858); 2: those that take no new replicas (KIP-1066).

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_protocol::NodeId;
use milena_protocol::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};

use crate::broker::{Broker, RequestContext};
use crate::prober::Registered;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: BrokerHeartbeatRequest,
) -> BrokerHeartbeatResponse {
    let registered = Registered { broker: NodeId(request.broker_id), epoch: request.broker_epoch };
    match broker.quorum.submit_for_peer(ControllerRequest::BrokerHeartbeat(request)).await {
        ControllerReply::Heartbeat(Ok(heartbeat)) => {
            // The end of this connection is a hint that the process has ended.
            context.heard.of(registered);
            BrokerHeartbeatResponse {
                is_caught_up: heartbeat.is_caught_up,
                is_fenced: heartbeat.is_fenced,
                should_shut_down: heartbeat.should_shut_down,
                ..Default::default()
            }
        }
        ControllerReply::Heartbeat(Err(refusal)) | ControllerReply::Refused(refusal) => {
            BrokerHeartbeatResponse { error_code: refusal.code.code(), ..Default::default() }
        }
        other => unreachable!("BrokerHeartbeat was answered by {other:?}"),
    }
}
