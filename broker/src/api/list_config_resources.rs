//! ListConfigResources (key 74, versions 0-1): the names of the resources that can be, or are, configured.
//!
//! - Topics and live brokers are listed whether anything is set on them or not; client-metrics subscriptions and groups
//!   exist as configurations only, and are listed while something is set.
//! - No type asks for every type. One that the version does not know is UNSUPPORTED_VERSION, for the whole request.
//! - Brokers count as live when they are unfenced and have the listener that was asked.
//!
//! Version 0 is KIP-714's ListClientMetricsResources: it knows client-metrics subscriptions only. Version 1 adds the
//! other types (KIP-1142).
//!
//! Deliberate difference from Apache Kafka's `KafkaApis.handleListConfigResources`: brokers are not listed as broker
//! loggers, because no logger of this broker can be set.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::metadata::{MetadataImage, ResourceType};
use milena_protocol::ErrorCode;
use milena_protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use crate::broker::{Broker, RequestContext};

/// The types of version 1, in the order they are answered.
const ALL: [ResourceType; 5] = [
    ResourceType::Group,
    ResourceType::ClientMetrics,
    ResourceType::BrokerLogger,
    ResourceType::Broker,
    ResourceType::Topic,
];

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let served = if context.version == 0 { &[ResourceType::ClientMetrics][..] } else { &ALL };
    let wanted = request.resource_types;
    if wanted.iter().any(|code| served.iter().all(|kind| *kind as i8 != *code)) {
        let error_code = ErrorCode::UnsupportedVersion.code();
        return ListConfigResourcesResponse { error_code, ..Default::default() };
    }
    let image = broker.image();
    let kinds = served.iter().filter(|kind| wanted.is_empty() || wanted.contains(&(**kind as i8)));
    let config_resources = kinds.flat_map(|kind| {
        let resource = |resource_name| ConfigResource { resource_name, resource_type: *kind as i8 };
        names(&image, *kind, &context.listener.name).into_iter().map(resource)
    });
    ListConfigResourcesResponse { config_resources: config_resources.collect(), ..Default::default() }
}

fn names(image: &MetadataImage, kind: ResourceType, listener: &str) -> Vec<ByteString> {
    match kind {
        ResourceType::Topic => image.topics().map(|topic| topic.name.clone()).collect(),
        ResourceType::Broker => {
            let brokers = image.brokers();
            let live = brokers.filter(|broker| !broker.fenced && broker.endpoint(listener).is_some());
            live.map(|broker| broker.id.to_string().into()).collect()
        }
        ResourceType::BrokerLogger => Vec::new(),
        ResourceType::ClientMetrics | ResourceType::Group => {
            let set = image.configs().map(|(resource, _)| resource);
            set.filter(|resource| resource.resource_type == kind)
                .map(|resource| resource.name.clone())
                .collect()
        }
    }
}
