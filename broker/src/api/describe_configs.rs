//! DescribeConfigs (key 32, versions 1-4): every key of a resource with its value, where that comes from, and what
//! would hold without it.
//!
//! - Topics, brokers (an empty name: the dynamic values of all brokers), groups and client-metrics subscriptions.
//! - All keys of the resource are listed, set or not; a list of names restricts them. Keys internal to Kafka are left
//!   out, but for those that are set.
//! - The first synonym is the value in effect; synonyms are listed on demand, documentation (version 3 on) too.
//! - Passwords are sensitive and their values null.
//! - One answer holds at most [`ENTRIES_MAX`] configurations; resources beyond are POLICY_VIOLATION. Deliberate difference
//!   from Apache Kafka, which answers a few bytes of any name with a hundred times as many, without bound.
//! - Broker loggers: this broker has none that can be set.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::config::effective::{Found, Layers, Source, client_metrics};
use milena_core::config::{Key, broker, group, topic};
use milena_core::controller::Refusal;
use milena_core::metadata::{ConfigResource, MetadataImage, ResourceType, topic_name};
use milena_protocol::ErrorCode;
use milena_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use crate::broker::{Broker, RequestContext};

/// Most configurations in one answer: those of 10,000 topics.
const ENTRIES_MAX: usize = 400_000;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = broker.image_at(&context.listener);
    let mut entries_left = ENTRIES_MAX;
    let describe = |resource: &DescribeConfigsResource| {
        let described = describe(broker, &image, resource).and_then(|described| {
            entries_left = entries_left.checked_sub(described.len()).ok_or_else(too_many)?;
            Ok(described)
        });
        let (configs, refusal) = match described {
            Ok(described) => (described.into_iter().map(|entry| entry.shown(&request)).collect(), None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        DescribeConfigsResult {
            error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
            error_message: Some(refusal.map(Refusal::text).unwrap_or_default()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
        }
    };
    if request.resources.iter().any(|resource| ResourceType::from_code(resource.resource_type).is_none()) {
        return all_refused(&request);
    }
    // A few bytes of request ask for many of response, so what is asked twice is answered once.
    let mut seen = HashSet::new();
    let mut wanted: Vec<&DescribeConfigsResource> = request.resources.iter().collect();
    wanted.retain(|one| seen.insert((one.resource_type, &one.resource_name, &one.configuration_keys)));
    DescribeConfigsResponse { results: wanted.into_iter().map(describe).collect(), ..Default::default() }
}

/// One resource of an unknown type fails the request.
fn all_refused(request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let refused = |resource: &DescribeConfigsResource| DescribeConfigsResult {
        error_code: ErrorCode::InvalidRequest.code(),
        error_message: Some("Unexpected resource type".into()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        configs: Vec::new(),
    };
    let results = request.resources.iter().map(refused).collect();
    DescribeConfigsResponse { results, ..Default::default() }
}

fn too_many() -> Refusal {
    let message = format!("More than {ENTRIES_MAX} configurations in one answer: ask for fewer resources.");
    Refusal::new(ErrorCode::PolicyViolation, message)
}

/// A key with everything that is known about its value, the value in effect first.
struct Entry {
    key: &'static Key,
    /// The key's name, with the prefix of a listener where it has one.
    name: ByteString,
    read_only: bool,
    found: Vec<Found>,
}

impl Entry {
    fn new(key: &'static Key, read_only: bool, found: Vec<Found>) -> Self {
        Self { key, name: ByteString::from_static(key.name), read_only, found }
    }

    fn shown(self, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
        let Self { key, name, read_only, found } = self;
        let visible = |value: Option<String>| value.filter(|_| !key.is_sensitive()).map(ByteString::from);
        // Values of the resource itself are shown parsed, those of brokers as they were written.
        let synonym = |found: Found| DescribeConfigsSynonym {
            name: found.name,
            source: found.source as i8,
            value: visible(match found.source {
                Source::Topic | Source::Group | Source::ClientMetrics => {
                    found.value.map(|value| key.shown(&value))
                }
                _ => found.value,
            }),
        };
        let effective = found.first().cloned();
        let set = found.into_iter().filter(|found| found.listed && found.value.is_some());
        DescribeConfigsResourceResult {
            name,
            config_source: effective.as_ref().map_or(-1, |found| found.source as i8),
            value: effective.and_then(|found| visible(found.value.map(|value| key.shown(&value)))),
            read_only,
            is_sensitive: key.is_sensitive(),
            synonyms: if request.include_synonyms { set.map(synonym).collect() } else { Vec::new() },
            config_type: key.value_type as i8,
            documentation: request.include_documentation.then(|| key.documentation.into()),
        }
    }
}

fn describe(
    broker: &Broker,
    image: &MetadataImage,
    wanted: &DescribeConfigsResource,
) -> Result<Vec<Entry>, Refusal> {
    let name = &wanted.resource_name;
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let Some(kind) = ResourceType::from_code(wanted.resource_type) else {
        return invalid(format!("Unsupported resource type: {}", wanted.resource_type));
    };
    let resource = ConfigResource::new(kind, name.clone());
    let layers = image.layers(broker.node_id, Some(&resource), &broker.config.properties);
    let mut entries = match kind {
        ResourceType::Topic => {
            topic_name::validate(name).map_err(|m| Refusal::new(ErrorCode::InvalidTopicException, m))?;
            image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            of_table(topic::KEYS, |key| layers.shown_topic(key))
        }
        ResourceType::Group if name.is_empty() => return invalid("Group name must not be empty".to_owned()),
        ResourceType::Group => of_table(group::KEYS, |key| layers.group(key)),
        ResourceType::ClientMetrics if name.is_empty() => {
            return invalid("Client metrics subscription name must not be empty".to_owned());
        }
        ResourceType::ClientMetrics => {
            of_table(milena_core::config::client_metrics::KEYS, |key| client_metrics(layers.own, key))
        }
        ResourceType::Broker => of_broker(broker, name, &layers)?,
        ResourceType::BrokerLogger => {
            check_broker(broker, name)?;
            Vec::new()
        }
    };
    let keys: BTreeSet<&ByteString> = wanted.configuration_keys.iter().flatten().collect();
    entries.retain(|entry| keys.is_empty() || keys.contains(&entry.name));
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn of_table(keys: &[&'static Key], found: impl Fn(&'static Key) -> Vec<Found>) -> Vec<Entry> {
    let is_set = |entry: &Entry| entry.found.iter().any(|found| found.source == Source::Topic);
    let entries = keys.iter().map(|key| Entry::new(key, false, found(key)));
    entries.filter(|entry| !entry.key.internal || is_set(entry)).collect()
}

fn of_broker(broker: &Broker, name: &str, layers: &Layers<'_>) -> Result<Vec<Entry>, Refusal> {
    if name.is_empty() {
        let set =
            broker::keys().filter(|key| layers.cluster.is_some_and(|values| values.contains_key(key.name)));
        let only_cluster = Layers { own: None, broker: None, ..*layers };
        let is_dynamic = |found: &Found| found.source == Source::DynamicDefaultBroker;
        let found = |key| only_cluster.broker(key).into_iter().filter(is_dynamic).collect();
        let set = set.map(|key| Entry::new(key, false, found(key)));
        let mut of_listeners = of_listeners(&only_cluster);
        of_listeners.iter_mut().for_each(|entry| entry.found.retain(is_dynamic));
        of_listeners.retain(|entry| !entry.found.is_empty());
        return Ok(set.chain(of_listeners).collect());
    }
    check_broker(broker, name)?;
    let entry = |key: &'static Key| Entry::new(key, !key.is_dynamic(), layers.broker(key));
    let is_set = |entry: &Entry| entry.found.iter().any(|found| found.source != Source::Default);
    let visible = broker::keys().map(entry).filter(|entry| !entry.key.internal || is_set(entry));
    Ok(visible.chain(of_listeners(layers)).collect())
}

fn of_listeners(layers: &Layers<'_>) -> Vec<Entry> {
    let entry = |(name, (key, found))| Entry { key, name, read_only: false, found };
    layers.of_listeners().into_iter().map(entry).collect()
}

/// Clients ask a broker about itself.
fn check_broker(broker: &Broker, name: &str) -> Result<(), Refusal> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == broker.node_id.0 => return Ok(()),
        Ok(id) => {
            format!("Unexpected broker id, expected {} or empty string, but received {id}", broker.node_id)
        }
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}
