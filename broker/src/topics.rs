//! The topics that come into being by themselves: internal ones in their own shape, others with the broker's defaults.

use bytestring::ByteString;
use milena_core::config::Properties;
use milena_core::config::broker::coordinators as keys;
use milena_core::metadata::topic_name;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};

/// The topic that comes into being when a client looks `name` up; internal topics have a shape of their own.
pub(crate) fn automatic(properties: &Properties, name: ByteString) -> CreatableTopic {
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
