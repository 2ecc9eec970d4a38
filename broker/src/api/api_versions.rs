//! ApiVersions (key 18, versions 0-4): what this listener serves, and the cluster's feature levels as far as they are
//! served.
//!
//! - A version above the range is answered with the version 0 body, error UNSUPPORTED_VERSION and the range of this
//!   API itself, so that a newer client can step down (KIP-511).
//! - From version 3 on the client names itself; a malformed name or version is INVALID_REQUEST.
//! - Produce is advertised from version 0 although versions 0 to 2 are gone: old librdkafka turns features off
//!   otherwise (KAFKA-18659).
//! - A level that Apache Kafka finalized and that is not built is kept in the metadata, but not told: transactional
//!   producers choose their protocol by `transaction.version`.
//! - Versions below 4 leave out features whose lowest level is 0, which older clients cannot read (KAFKA-17492).

use std::sync::Arc;

use bytestring::ByteString;
use milena_core::metadata::features::{KRAFT_VERSION, SUPPORTED, is_supported};
use milena_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use milena_protocol::{ErrorCode, Request};

use crate::broker::{Broker, Origin, RequestContext};
use crate::dispatch;

/// Longest client software name or version that is looked at.
const SOFTWARE_NAME_CHARS_MAX: usize = 1024;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    if context.version >= 3
        && !(is_token(&request.client_software_name) && is_token(&request.client_software_version))
    {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    let image = broker.image_at(&context.listener);
    let features = image.features();
    ApiVersionsResponse {
        api_keys: dispatch::advertised()
            .into_iter()
            .filter(|api| api.reach.includes(&context.listener))
            .map(|api| ApiVersion {
                api_key: api.key,
                min_version: *api.versions.start(),
                max_version: *api.versions.end(),
            })
            .collect(),
        supported_features: SUPPORTED
            .iter()
            .filter(|feature| context.version >= 4 || *feature.levels.start() > 0)
            .map(|feature| SupportedFeatureKey {
                name: ByteString::from_static(feature.name),
                min_version: *feature.levels.start(),
                max_version: *feature.levels.end(),
            })
            .collect(),
        finalized_features_epoch: image.features_epoch(),
        finalized_features: features
            .iter()
            .map(|(name, level)| (name.clone(), *level))
            .chain([(ByteString::from_static(KRAFT_VERSION), broker.quorum.leader().borrow().kraft_version)])
            .filter(|(name, level)| *level > 0 && is_supported(name, *level))
            .map(|(name, level)| FinalizedFeatureKey {
                name,
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..Default::default()
    }
}

/// The answer to a version this broker does not know; to be written with version 0.
pub(crate) fn unknown_version(_origin: &Origin) -> ApiVersionsResponse {
    let own = dispatch::advertised().into_iter().find(|api| api.key == ApiVersionsRequest::KEY);
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own
            .into_iter()
            .map(|api| ApiVersion {
                api_key: api.key,
                min_version: *api.versions.start(),
                max_version: *api.versions.end(),
            })
            .collect(),
        ..Default::default()
    }
}

/// Letters, digits, dots and hyphens, the ends alphanumeric (KIP-511).
fn is_token(text: &str) -> bool {
    let alphanumeric = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= SOFTWARE_NAME_CHARS_MAX
        && alphanumeric(text.bytes().next())
        && alphanumeric(text.bytes().next_back())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::is_token;

    #[test]
    fn software_names_are_tokens_with_alphanumeric_ends() {
        for good in ["a", "librdkafka", "apache-kafka-java", "2.3.0-rc1"] {
            assert!(is_token(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".1", "a b", "é"] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}
