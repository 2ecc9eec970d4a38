//! Which versions the broker speaks: the ApiVersions exchange (KIP-35, KIP-511) that opens every connection.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytestring::ByteString;
use milena_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use milena_protocol::{DecodeError, Decoder, ErrorCode, Message, Request, frames};

use super::Connection;
use crate::{ClientError, Refused};

/// What a broker said about itself when the connection was opened.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    apis: BTreeMap<i16, RangeInclusive<i16>>,
    features: BTreeMap<ByteString, i16>,
}

impl Versions {
    /// The highest version of API `key` that lies in `known` and that the broker speaks.
    pub fn highest(&self, key: i16, known: RangeInclusive<i16>) -> Option<i16> {
        let spoken = self.apis.get(&key)?;
        let highest = *spoken.end().min(known.end());
        (highest >= *spoken.start().max(known.start())).then_some(highest)
    }

    /// The finalized level of a feature such as `metadata.version`.
    pub fn feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).copied()
    }
}

impl From<ApiVersionsResponse> for Versions {
    fn from(response: ApiVersionsResponse) -> Self {
        Self {
            apis: response
                .api_keys
                .iter()
                .map(|api| (api.api_key, api.min_version..=api.max_version))
                .collect(),
            features: response
                .finalized_features
                .into_iter()
                .map(|it| (it.name, it.max_version_level))
                .collect(),
        }
    }
}

/// Asks at the newest version; a broker that does not know it answers in version 0 and names the ones it knows.
pub(super) async fn negotiate(connection: &Connection) -> Result<Versions, ClientError> {
    let response = ask(connection, *ApiVersionsRequest::VERSIONS.end()).await?;
    let response = if ErrorCode::from(response.error_code) == ErrorCode::UnsupportedVersion {
        let highest = Versions::from(response).highest(ApiVersionsRequest::KEY, ApiVersionsRequest::VERSIONS);
        ask(connection, highest.unwrap_or(0)).await?
    } else {
        response
    };
    Refused::check(response.error_code, None)?;
    Ok(response.into())
}

async fn ask(connection: &Connection, version: i16) -> Result<ApiVersionsResponse, ClientError> {
    let request = ApiVersionsRequest {
        client_software_name: ByteString::from_static("milena"),
        client_software_version: ByteString::from_static(env!("CARGO_PKG_VERSION")),
    };
    let frame = connection.exchange(version, &request).await?;
    let answered = if error_code(&frame)? == ErrorCode::UnsupportedVersion { 0 } else { version };
    Ok(frames::decode_response::<ApiVersionsRequest>(frame, answered)?)
}

/// The error code stands right behind the correlation id in every version.
fn error_code(frame: &bytes::Bytes) -> Result<ErrorCode, DecodeError> {
    let mut decoder = Decoder::new(frame.clone());
    decoder.i32()?;
    Ok(ErrorCode::from(decoder.i16()?))
}
