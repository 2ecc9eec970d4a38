//! CreateTopics (key 19, versions 2-7): new topics, each accepted or refused by itself.
//!
//! - Answers once this broker's image has the topics and their logs are open, so that the client's next Metadata shows
//!   them (librdkafka #4970). The request's timeout is not looked at: a quorum of one answers at once or not at all.
//! - -1 asks for `num.partitions` and `default.replication.factor`; manual assignments exclude both.
//! - `validate_only` answers the same and creates nothing.
//! - Names, counts, assignments and configurations are checked by `core::controller`, with Kafka's messages.
//! - Version 5 on: partitions, replication factor and every effective configuration of the new topic; 7 on: its id.

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::config::broker::coordinators as keys;
use milena_core::config::effective::Values;
use milena_core::config::topic;
use milena_core::controller::{ControllerReply, ControllerRequest, CreatedTopic, Refusal};
use milena_core::metadata::topic_name;
use milena_protocol::ErrorCode;
use milena_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let CreateTopicsRequest { topics, validate_only, .. } = request;
    let wanted: HashMap<ByteString, CreatableTopic> =
        topics.iter().map(|topic| (topic.name.clone(), topic.clone())).collect();
    let results = create(broker, topics, validate_only).await;
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
    _context: &RequestContext,
    names: Vec<ByteString>,
) -> Vec<(ByteString, ErrorCode)> {
    let topics = names.into_iter().map(|name| automatic(broker, name)).collect();
    let results = create(broker, topics, false).await;
    results
        .into_iter()
        .filter_map(|(name, result)| Some((name, result.err()?)))
        .filter(|(_, refusal)| refusal.code != ErrorCode::TopicAlreadyExists)
        .map(|(name, refusal)| {
            tracing::info!(topic = %name, code = %refusal.code, message = refusal.message, "topic was not auto-created");
            (name, refusal.code)
        })
        .collect()
}

async fn create(
    broker: &Broker,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
) -> Vec<(ByteString, Result<CreatedTopic, Refusal>)> {
    let names: Vec<ByteString> = topics.iter().map(|topic| topic.name.clone()).collect();
    match broker.quorum.submit(ControllerRequest::CreateTopics { topics, validate_only }).await {
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

/// The topic that comes into being when a client looks `name` up; internal topics have a shape of their own.
fn automatic(broker: &Broker, name: ByteString) -> CreatableTopic {
    let (partitions, replicas, segment_bytes) = match &*name {
        topic_name::CONSUMER_OFFSETS => (
            &keys::OFFSETS_TOPIC_NUM_PARTITIONS,
            &keys::OFFSETS_TOPIC_REPLICATION_FACTOR,
            &keys::OFFSETS_TOPIC_SEGMENT_BYTES,
        ),
        topic_name::TRANSACTION_STATE => (
            &keys::TRANSACTION_STATE_LOG_NUM_PARTITIONS,
            &keys::TRANSACTION_STATE_LOG_REPLICATION_FACTOR,
            &keys::TRANSACTION_STATE_LOG_SEGMENT_BYTES,
        ),
        topic_name::SHARE_GROUP_STATE => (
            &keys::SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS,
            &keys::SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR,
            &keys::SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES,
        ),
        _ => {
            return CreatableTopic {
                name,
                num_partitions: -1,
                replication_factor: -1,
                ..CreatableTopic::default()
            };
        }
    };
    let properties = &broker.config.properties;
    let config = |name: &'static str, value: String| CreatableTopicConfig {
        name: ByteString::from_static(name),
        value: Some(value.into()),
    };
    let configs = vec![
        config("cleanup.policy", "compact".to_owned()),
        config("compression.type", "producer".to_owned()),
        config("segment.bytes", properties.int(segment_bytes).to_string()),
    ];
    let replication_factor = i16::try_from(properties.int(replicas)).unwrap_or(i16::MAX);
    CreatableTopic {
        name,
        num_partitions: properties.int(partitions),
        replication_factor,
        configs,
        ..CreatableTopic::default()
    }
}
