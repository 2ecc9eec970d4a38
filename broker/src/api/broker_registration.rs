//! BrokerRegistration (key 62, versions 0-4, controller listener): a broker process joins the cluster, fenced.
//!
//! - Answers with the epoch of the registration once it is committed. A process that asks again keeps its epoch.
//! - INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION, INVALID_REGISTRATION and UNSUPPORTED_VERSION are decided by
//!   `core::controller`; NOT_CONTROLLER where this process is not the active controller.
//! - Version 1 on: brokers of ZooKeeper clusters, which are refused; 2: ids of log directories (KIP-858); 3: the epoch
//!   that the former process had, which tells whether it ended in order (KIP-966); 4: features whose lowest level is 0.

use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_protocol::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};

use crate::broker::{Broker, RequestContext};

/// The first version that tells the epoch of the former process.
const PREVIOUS_EPOCH_VERSION: i16 = 3;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: BrokerRegistrationRequest,
) -> BrokerRegistrationResponse {
    let tells_previous_epoch = context.version >= PREVIOUS_EPOCH_VERSION;
    let request = ControllerRequest::BrokerRegistration { request, tells_previous_epoch };
    match broker.quorum.submit_for_peer(request).await {
        ControllerReply::Registration(Ok(broker_epoch)) => {
            BrokerRegistrationResponse { broker_epoch, ..Default::default() }
        }
        ControllerReply::Registration(Err(refusal)) | ControllerReply::Refused(refusal) => {
            BrokerRegistrationResponse { error_code: refusal.code.code(), ..Default::default() }
        }
        other => unreachable!("BrokerRegistration was answered by {other:?}"),
    }
}
