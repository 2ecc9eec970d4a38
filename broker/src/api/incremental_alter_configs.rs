//! IncrementalAlterConfigs (key 44, versions 0-1): single values are set, removed, or change as lists.
//!
//! - Resources: topics, brokers (an empty name means all of them), groups, client-metrics subscriptions. Each is
//!   accepted or refused as a whole and by itself.
//! - APPEND and SUBTRACT work on keys of type LIST only, starting from the value in effect or the default.
//! - Values are checked as the set they lead to. INVALID_CONFIG for topics and groups, INVALID_REQUEST for brokers, as
//!   Apache Kafka has it.
//! - A pool of threads at most doubles or halves at once.
//! - Read-only broker keys, listeners and security keys cannot change while a broker runs. Unknown broker keys are
//!   refused; Apache Kafka stores them for plugged-in classes.
//! - Answers once this broker's image has the change and its logs follow it.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::config::broker;
use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_core::metadata::ResourceType;
use milena_protocol::ErrorCode;
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use crate::broker::{Broker, RequestContext};
use crate::forward::forward;

/// The operation that sets a value.
const SET: i8 = 0;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    mut request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    let mut resources = Vec::with_capacity(request.resources.len());
    for resource in std::mem::take(&mut request.resources) {
        let set = resource.configs.iter().filter(|config| config.config_operation == SET);
        let set = set.filter_map(|config| Some((&*config.name, &**config.value.as_ref()?)));
        match refusal(broker, context, (resource.resource_type, &resource.resource_name), set) {
            None => resources.push(resource),
            Some(refusal) => {
                responses.push(response(resource.resource_type, resource.resource_name, Some(refusal)));
            }
        }
    }
    let request = IncrementalAlterConfigsRequest { resources, ..request };
    if let Some(answer) = forward(broker, context, &request).await {
        responses.extend(answer.responses);
        return IncrementalAlterConfigsResponse { responses, ..answer };
    }
    let IncrementalAlterConfigsRequest { resources, validate_only } = request;
    let names: Vec<_> = resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let request = ControllerRequest::IncrementalAlterConfigs { resources, validate_only };
    let results = match broker.quorum.submit(request).await {
        ControllerReply::ConfigsAltered(results) => results,
        ControllerReply::Refused(refusal) => {
            names.into_iter().map(|(kind, name)| (kind, name, Err(refusal.clone()))).collect()
        }
        other => unreachable!("IncrementalAlterConfigs was answered by {other:?}"),
    };
    responses.extend(results.into_iter().map(|(kind, name, result)| response(kind, name, result.err())));
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

/// What a broker refuses without asking the controller: the configuration of another broker, and pools of threads that
/// would change too much at once.
pub(super) fn refusal<'a>(
    broker: &Broker,
    context: &RequestContext,
    (resource_type, name): (i8, &str),
    mut set: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<Refusal> {
    if context.listener.is_controller {
        // The broker has had its say.
        return None;
    }
    let properties = broker.live.current();
    let resize = |(name, value): (&str, &str)| {
        let key = broker::key(name).filter(|key| broker::is_pool(key))?;
        let (current, next) = (properties.integer(key)?, value.trim().parse().ok()?);
        broker::check_resize(key, current, next).err()
    };
    let mut resizes = || set.find_map(resize).map(|error| Refusal::new(ErrorCode::InvalidRequest, error.0));
    refusal_of_other_broker(broker, resource_type, name)
        .or_else(|| if resource_type == ResourceType::Broker as i8 { resizes() } else { None })
}

/// Clients send the configuration of a broker to that broker.
fn refusal_of_other_broker(broker: &Broker, resource_type: i8, name: &str) -> Option<Refusal> {
    let is_broker = [ResourceType::Broker, ResourceType::BrokerLogger]
        .into_iter()
        .any(|kind| kind as i8 == resource_type);
    let is_other = is_broker && name.parse::<i32>().is_ok_and(|id| id != broker.node_id.0);
    let expected = broker.node_id;
    is_other.then(|| {
        let message =
            format!("Unexpected broker id, expected {expected} or empty string, but received {name}");
        Refusal::new(ErrorCode::InvalidRequest, message)
    })
}

fn response(
    resource_type: i8,
    resource_name: ByteString,
    refusal: Option<Refusal>,
) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
        error_message: refusal.map(Refusal::text),
        resource_type,
        resource_name,
    }
}
