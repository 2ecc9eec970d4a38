//! DeleteTopics (key 20, versions 1-6): topics go, with their records and their configuration.
//!
//! - Answers once this broker's image lacks them; their files go in the background.
//! - Version 6 on: by name or by id, exactly one of them; an unknown id is UNKNOWN_TOPIC_ID.
//! - `delete.topic.enable=false` is TOPIC_DELETION_DISABLED, INVALID_REQUEST below version 3.
//! - Every topic is accepted or refused by itself; one that is named twice is INVALID_REQUEST the second time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest, DeletedTopic, Refusal, TopicReference};
use milena_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use milena_protocol::{ErrorCode, TopicId, Uuid};

use crate::broker::{Broker, RequestContext};

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState { name: Some(name), topic_id: Uuid::nil() });
    let wanted: Vec<_> = request.topics.into_iter().chain(by_name).collect();
    let mut responses = Vec::with_capacity(wanted.len());
    let mut topics = Vec::with_capacity(wanted.len());
    let mut counts = BTreeMap::<_, usize>::new();
    for state in &wanted {
        *counts.entry((state.name.clone(), state.topic_id)).or_default() += 1;
    }
    for state in wanted.iter().cloned() {
        // What is named twice is refused once.
        let twice = match counts.get_mut(&(state.name.clone(), state.topic_id)) {
            Some(count) if *count > 1 => {
                *count = 0;
                true
            }
            Some(0) => continue,
            _ => false,
        };
        match reference(&state) {
            Ok(_) if twice => {
                let refusal = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic.");
                responses.push(result(state.name, state.topic_id, Some(refusal), context.version));
            }
            Ok(reference) => topics.push(reference),
            Err(refusal) => {
                responses.push(result(state.name, state.topic_id, Some(refusal), context.version))
            }
        }
    }
    for deleted in delete(broker, topics, request.timeout_ms).await {
        let (name, id) = match (deleted.found, deleted.reference) {
            (Some((name, id)), _) => (Some(name), id.0),
            (None, TopicReference::Name(name)) => (Some(name), Uuid::nil()),
            (None, TopicReference::Id(id)) => (None, id.0),
        };
        responses.push(result(name, id, deleted.result.err(), context.version));
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

fn reference(state: &DeleteTopicState) -> Result<TopicReference, Refusal> {
    match (&state.name, state.topic_id.is_nil()) {
        (Some(name), true) => Ok(TopicReference::Name(name.clone())),
        (None, false) => Ok(TopicReference::Id(TopicId(state.topic_id))),
        (Some(_), false) => {
            Err(Refusal::new(ErrorCode::InvalidRequest, "You may not specify both topic name and topic id."))
        }
        (None, true) => {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Neither topic name nor id were specified."))
        }
    }
}

async fn delete(broker: &Broker, topics: Vec<TopicReference>, timeout_ms: i32) -> Vec<DeletedTopic> {
    let request = ControllerRequest::DeleteTopics { topics: topics.clone() };
    match broker.quorum.submit_within(request, timeout_ms).await {
        ControllerReply::TopicsDeleted(results) => results,
        ControllerReply::Refused(refusal) => topics
            .into_iter()
            .map(|reference| DeletedTopic { reference, found: None, result: Err(refusal.clone()) })
            .collect(),
        other => unreachable!("DeleteTopics was answered by {other:?}"),
    }
}

fn result(
    name: Option<ByteString>,
    topic_id: Uuid,
    refusal: Option<Refusal>,
    version: i16,
) -> DeletableTopicResult {
    let code = refusal.as_ref().map_or(ErrorCode::None, |refusal| match refusal.code {
        ErrorCode::TopicDeletionDisabled if version < 3 => ErrorCode::InvalidRequest,
        code => code,
    });
    let error_message = refusal.map(Refusal::text);
    DeletableTopicResult { name, topic_id, error_code: code.code(), error_message }
}
