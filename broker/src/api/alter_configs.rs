//! AlterConfigs (key 33, versions 0-2): all values of a resource are replaced; what the request leaves out goes back to
//! its default.
//!
//! - Resources: topics, brokers (an empty name means all of them), groups, client-metrics subscriptions. Each is
//!   accepted or refused as a whole and by itself; one that is named twice is INVALID_REQUEST, and so is a key that is.
//! - A value must not be null: leaving the key out is how to remove it.
//! - Values are checked as IncrementalAlterConfigs checks them (KIP-339, which replaces this API).
//! - Answers once this broker's image has the change and its logs follow it.
//!
//! Deliberate difference: Apache Kafka's `AlterConfigsResponse.errors` fails on a resource that is named twice, so that
//! such a request is never answered there.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::incremental_alter_configs::refusal;
use crate::broker::{Broker, RequestContext};
use crate::forward::forward;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    mut request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    let mut resources = Vec::with_capacity(request.resources.len());
    for resource in std::mem::take(&mut request.resources) {
        let set = resource.configs.iter();
        let set = set.filter_map(|config| Some((&*config.name, &**config.value.as_ref()?)));
        match refusal(broker, context, (resource.resource_type, &resource.resource_name), set) {
            None => resources.push(resource),
            Some(refusal) => {
                responses.push(response(resource.resource_type, resource.resource_name, Some(refusal)));
            }
        }
    }
    let request = AlterConfigsRequest { resources, ..request };
    if let Some(answer) = forward(broker, context, &request).await {
        responses.extend(answer.responses);
        return AlterConfigsResponse { responses, ..answer };
    }
    let AlterConfigsRequest { resources, validate_only } = request;
    let names: Vec<_> = resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let request = ControllerRequest::AlterConfigs { resources, validate_only };
    let results = match broker.quorum.submit(request).await {
        ControllerReply::ConfigsAltered(results) => results,
        ControllerReply::Refused(refusal) => {
            names.into_iter().map(|(kind, name)| (kind, name, Err(refusal.clone()))).collect()
        }
        other => unreachable!("AlterConfigs was answered by {other:?}"),
    };
    responses.extend(results.into_iter().map(|(kind, name, result)| response(kind, name, result.err())));
    AlterConfigsResponse { responses, ..Default::default() }
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
