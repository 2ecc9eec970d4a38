//! UpdateFeatures (key 57, versions 0-2): the cluster's finalized feature levels change.
//!
//! - All changes of a request are made, or none: the first that is refused is named in the answer's message.
//! - A level must be supported by the controller and by every registered broker, INVALID_UPDATE_VERSION otherwise; lower
//!   levels need an upgrade type that says so.
//! - `validate_only` (version 1 on) answers the same and changes nothing. Version 0 has no upgrade type: it upgrades.
//! - Versions 0 and 1 name every feature in a success; version 2 says it once.
//! - REQUEST_TIMED_OUT after `timeout_ms`.

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::controller::{ControllerReply, ControllerRequest, Refusal};
use milena_protocol::messages::update_features::{
    UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use crate::broker::{Broker, RequestContext};

/// What Kafka says of a feature that was changed.
const SUCCESS: &str = "NONE";

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let UpdateFeaturesRequest { timeout_ms, feature_updates, validate_only } = request;
    let names: Vec<ByteString> = feature_updates.iter().map(|update| update.feature.clone()).collect();
    let request = ControllerRequest::UpdateFeatures { updates: feature_updates, validate_only };
    match broker.quorum.submit_within(request, timeout_ms).await {
        ControllerReply::Done(Ok(())) => {
            let message = Some(ByteString::from_static(SUCCESS));
            let result =
                |feature| UpdatableFeatureResult { feature, error_code: 0, error_message: message.clone() };
            let results = names.into_iter().filter(|_| context.version < 2).map(result).collect();
            UpdateFeaturesResponse { results, error_message: None, ..Default::default() }
        }
        ControllerReply::Done(Err(refusal)) | ControllerReply::Refused(refusal) => refused(refusal),
        other => unreachable!("UpdateFeatures was answered by {other:?}"),
    }
}

fn refused(Refusal { code, message }: Refusal) -> UpdateFeaturesResponse {
    let reason = message.unwrap_or_else(|| code.to_string());
    let message =
        format!("The update failed for all features since the following feature had an error: {reason}");
    UpdateFeaturesResponse {
        error_code: code.code(),
        error_message: Some(message.into()),
        ..Default::default()
    }
}
