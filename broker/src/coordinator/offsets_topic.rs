//! Creates `__consumer_offsets` when the first group is looked up.

use bytestring::ByteString;
use milena_core::config::broker::coordinators as keys;
use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_protocol::ErrorCode;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};

use super::OFFSETS_TOPIC;
use crate::broker::Broker;

/// Resolves when this broker's image has the topic. A failure is logged; clients are told to come back.
pub(super) async fn create(broker: &Broker) -> Result<(), ErrorCode> {
    let request = ControllerRequest::CreateTopics { topics: vec![topic(broker)], validate_only: false };
    let ControllerReply::TopicsCreated(results) = broker.quorum.submit(request).await else {
        return Err(ErrorCode::CoordinatorNotAvailable);
    };
    for (name, result) in results {
        match result {
            Ok(_) => tracing::info!(%name, "topic of groups created"),
            Err(refusal) if refusal.code == ErrorCode::TopicAlreadyExists => {}
            Err(refusal) => {
                let message = refusal.message.unwrap_or_default();
                tracing::warn!(%name, code = %refusal.code, message, "create the topic of groups");
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
        }
    }
    Ok(())
}

fn topic(broker: &Broker) -> CreatableTopic {
    let properties = &broker.config.properties;
    let config = |name: &'static str, value: String| CreatableTopicConfig {
        name: ByteString::from_static(name),
        value: Some(value.into()),
    };
    CreatableTopic {
        name: ByteString::from_static(OFFSETS_TOPIC),
        num_partitions: properties.int(&keys::OFFSETS_TOPIC_NUM_PARTITIONS),
        replication_factor: i16::try_from(properties.int(&keys::OFFSETS_TOPIC_REPLICATION_FACTOR))
            .unwrap_or(i16::MAX),
        assignments: Vec::new(),
        configs: vec![
            config("cleanup.policy", "compact".to_owned()),
            config("compression.type", "producer".to_owned()),
            config("segment.bytes", properties.int(&keys::OFFSETS_TOPIC_SEGMENT_BYTES).to_string()),
        ],
    }
}
