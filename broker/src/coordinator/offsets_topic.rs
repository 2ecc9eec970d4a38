//! Creates `__consumer_offsets` when the first group is looked up.

use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_protocol::ErrorCode;

use super::OFFSETS_TOPIC;
use crate::broker::Broker;
use crate::topics;

/// Resolves when this broker's image has the topic. A failure is logged; clients are told to come back.
pub(super) async fn create(broker: &Broker) -> Result<(), ErrorCode> {
    let topic = topics::automatic(&broker.config.properties, ByteString::from_static(OFFSETS_TOPIC));
    let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
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
