//! CreatePartitions (key 37, versions 0-3): topics grow.
//!
//! - The count is the new total. A total that is not larger is INVALID_PARTITIONS, with both numbers in the message:
//!   partitions never go away.
//! - Answers once this broker's image has the partitions and their logs are open.
//! - Assignments, where given, are one list of brokers for each new partition.
//! - `validate_only` answers the same and changes nothing. Each topic is accepted or refused by itself.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let CreatePartitionsRequest { topics, validate_only, timeout_ms, .. } = request;
    let names: Vec<ByteString> = topics.iter().map(|topic| topic.name.clone()).collect();
    let request = ControllerRequest::CreatePartitions { topics, validate_only };
    let results = match broker.quorum.submit_within(request, timeout_ms).await {
        ControllerReply::PartitionsCreated(results) => results,
        ControllerReply::Refused(refusal) => {
            names.into_iter().map(|name| (name, Err(refusal.clone()))).collect()
        }
        other => unreachable!("CreatePartitions was answered by {other:?}"),
    };
    CreatePartitionsResponse { results: results.into_iter().map(result).collect(), ..Default::default() }
}

fn result((name, result): (ByteString, Result<(), Refusal>)) -> CreatePartitionsTopicResult {
    let refusal = result.err();
    CreatePartitionsTopicResult {
        name,
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
        error_message: refusal.and_then(|refusal| refusal.message).map(ByteString::from),
    }
}
