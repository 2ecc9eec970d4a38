//! CreateTopics (key 19, versions 2-7): new topics, each accepted or refused by itself.
//!
//! - Answers once this broker's image has the topics and their logs are open, so that the client's next Metadata shows
//!   them (librdkafka #4970). REQUEST_TIMED_OUT after `timeout_ms`; the topics may come into being
//!   all the same.
//! - -1 asks for `num.partitions` and `default.replication.factor`; manual assignments exclude both.
//! - `validate_only` answers the same and creates nothing.
//! - Names, counts, assignments and configurations are checked by `core::controller`, with Kafka's messages.
//! - Version 5 on: partitions, replication factor and every effective configuration of the new topic; 7 on: its id.

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::config::broker::server;
use milena_core::config::effective::Values;
use milena_core::config::topic;
use milena_core::controller::{ControllerReply, ControllerRequest, CreatedTopic, Refusal};
use milena_protocol::ErrorCode;
use milena_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};

use crate::broker::{Broker, RequestContext};
use crate::dispatch::Served;
use crate::forward::forward;
use crate::topics;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let CreateTopicsRequest { topics, validate_only, timeout_ms } = request;
    let wanted: HashMap<ByteString, CreatableTopic> =
        topics.iter().map(|topic| (topic.name.clone(), topic.clone())).collect();
    let results = create(broker, topics, validate_only, timeout_ms).await;
    let respond = |(name, result): (ByteString, Result<CreatedTopic, Refusal>)| match result {
        Ok(created) => CreatableTopicResult {
            topic_id: created.id.0,
            num_partitions: created.partitions,
            replication_factor: created.replication_factor,
            error_message: None,
            configs: wanted.get(&name).map(|topic| configs(broker, topic)),
            name,
            ..Default::default()
        },
        Err(refusal) => CreatableTopicResult {
            name,
            error_code: refusal.code.code(),
            error_message: Some(refusal.text()),
            ..Default::default()
        },
    };
    CreateTopicsResponse { topics: results.into_iter().map(respond).collect(), ..Default::default() }
}

/// Creates what a client asked for by looking it up. Yields the topics that could not be created, with the reason.
pub(crate) async fn auto_create(
    broker: &Arc<Broker>,
    context: &RequestContext,
    names: Vec<ByteString>,
) -> Vec<(ByteString, ErrorCode)> {
    let properties = &broker.config.properties;
    let topics = names.into_iter().map(|name| topics::automatic(properties, name)).collect();
    let results = ask(broker, context, topics).await;
    let failed = results.into_iter().map(|result| {
        let code = ErrorCode::from(result.error_code);
        (result.name, code, result.error_message)
    });
    failed
        .filter(|(_, code, _)| !matches!(code, ErrorCode::None | ErrorCode::TopicAlreadyExists))
        .map(|(topic, code, message)| {
            let message = message.as_deref();
            tracing::info!(%topic, %code, message, "topic was not auto-created");
            (topic, code)
        })
        .collect()
}

/// Has the active controller create `topics` for this broker itself, on behalf of the client of `context`. Resolves when
/// this broker has them.
pub(crate) async fn ask(
    broker: &Arc<Broker>,
    context: &RequestContext,
    topics: Vec<CreatableTopic>,
) -> Vec<CreatableTopicResult> {
    let timeout_ms = broker.config.properties.int(&server::REQUEST_TIMEOUT_MS);
    let request = CreateTopicsRequest { topics, timeout_ms, validate_only: false };
    let context = RequestContext { version: *CreateTopicsRequest::SERVED.end(), ..context.clone() };
    let response = match forward(broker, &context, &request).await {
        Some(response) => response,
        None => handle(broker, &context, request).await,
    };
    response.topics
}

async fn create(
    broker: &Broker,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
    timeout_ms: i32,
) -> Vec<(ByteString, Result<CreatedTopic, Refusal>)> {
    let names: Vec<ByteString> = topics.iter().map(|topic| topic.name.clone()).collect();
    let request = ControllerRequest::CreateTopics { topics, validate_only };
    match broker.quorum.submit_within(request, timeout_ms).await {
        ControllerReply::TopicsCreated(results) => results,
        ControllerReply::Refused(refusal) => {
            names.into_iter().map(|name| (name, Err(refusal.clone()))).collect()
        }
        other => unreachable!("CreateTopics was answered by {other:?}"),
    }
}

/// Every configuration the new topic has, as DescribeConfigs would show it.
fn configs(broker: &Broker, created: &CreatableTopic) -> Vec<CreatableTopicConfigs> {
    let own: Values = created
        .configs
        .iter()
        .filter_map(|config| Some((config.name.clone(), config.value.clone()?)))
        .collect();
    let image = broker.image();
    let mut layers = image.layers(broker.node_id, None, &broker.config.properties);
    layers.own = Some(&own);
    let mut keys: Vec<_> = topic::KEYS.iter().filter(|key| !key.internal).collect();
    keys.sort_by_key(|key| key.name);
    let entry = |key: &&&'static milena_core::config::Key| {
        let found = layers.topic(key).into_iter().next()?;
        Some(CreatableTopicConfigs {
            name: key.name.into(),
            value: found.value.map(|value| key.shown(&value).into()),
            read_only: false,
            config_source: found.source as i8,
            is_sensitive: key.is_sensitive(),
        })
    };
    keys.iter().filter_map(entry).collect()
}
