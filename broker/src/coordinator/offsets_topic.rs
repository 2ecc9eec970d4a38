//! Creates `__consumer_offsets` when the first group is looked up.

use std::sync::Arc;

use bytestring::ByteString;
use milena_protocol::ErrorCode;

use super::OFFSETS_TOPIC;
use crate::api::create_topics;
use crate::broker::{Broker, RequestContext};
use crate::topics;

/// Resolves when this broker's image has the topic. A failure is logged; clients are told to come back.
pub(super) async fn create(broker: &Arc<Broker>, context: &RequestContext) -> Result<(), ErrorCode> {
    let topic = topics::automatic(&broker.config.properties, ByteString::from_static(OFFSETS_TOPIC));
    for result in create_topics::ask(broker, context, vec![topic]).await {
        let name = result.name;
        match ErrorCode::from(result.error_code) {
            ErrorCode::None => tracing::info!(%name, "topic of groups created"),
            ErrorCode::TopicAlreadyExists => {}
            code => {
                let message = result.error_message.unwrap_or_default();
                tracing::warn!(%name, %code, %message, "create the topic of groups");
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
        }
    }
    Ok(())
}
