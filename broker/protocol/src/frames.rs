//! Frames: the size prefix, the request and response headers, and which header version goes with which message.
//!
//! | request | header | | response | header |
//! |---|---|---|---|---|
//! | not flexible | 1 | | not flexible | 0 |
//! | flexible | 2 | | flexible | 1 |
//! | | | | ApiVersions, always | 0 |
//!
//! A client that asks for ApiVersions does not know yet what the broker speaks, hence the exception (KIP-511), and
//! hence the client id in the older form in both request headers. Source: `ApiMessageType` and `RequestHeader` of
//! Apache Kafka.
//!
//! Bytes that follow the body of a request are ignored, as `AbstractRequest.parseRequest` ignores them.

use bytes::Bytes;
use bytestring::ByteString;

use crate::messages::{self, RequestHeader, ResponseHeader};
use crate::primitives::{DecodeError, Decoder, Encoder};
use crate::wire::{Message, Request};

/// The key of ApiVersions, whose response header stays at version 0.
const API_VERSIONS_KEY: i16 = 18;
/// The header version that a request of an unknown key is read with.
const HEADER_VERSION_MIN: i16 = 1;

/// A request whose header was read.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestFrame {
    /// The API key.
    pub key: i16,
    /// The version of the API.
    pub version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<ByteString>,
    /// The request, as a slice of the frame.
    pub body: Bytes,
}

/// Reads the header of a request, whose size prefix is gone already. The key and version may be unknown ones.
pub fn parse_request(frame: Bytes) -> Result<RequestFrame, DecodeError> {
    let mut decoder = Decoder::new(frame);
    let mut ahead = decoder.clone();
    let (key, version) = (ahead.i16()?, ahead.i16()?);
    let header_version = match messages::request_flexible(key, version) {
        Some(flexible) => request_header_version(flexible),
        None => HEADER_VERSION_MIN,
    };
    let header = RequestHeader::decode(&mut decoder, header_version)?;
    let (correlation_id, client_id) = (header.correlation_id, header.client_id);
    Ok(RequestFrame { key, version, correlation_id, client_id, body: decoder.rest() })
}

/// Reads the body of a request.
pub fn decode_request<R: Request>(frame: &RequestFrame) -> Result<R, DecodeError> {
    R::decode(&mut Decoder::new(frame.body.clone()), frame.version)
}

/// The whole response to `frame`, size prefix included.
pub fn response_frame<M: Message>(frame: &RequestFrame, response: &M) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.i32(0);
    let header = ResponseHeader { correlation_id: frame.correlation_id };
    header.encode(&mut encoder, response_header_version(frame.key, M::is_flexible(frame.version)));
    response.encode(&mut encoder, frame.version);
    prefix_size(encoder)
}

/// A whole request, size prefix included.
pub fn request_frame<R: Request>(
    correlation_id: i32,
    client_id: Option<ByteString>,
    version: i16,
    request: &R,
) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.i32(0);
    let header =
        RequestHeader { request_api_key: R::KEY, request_api_version: version, correlation_id, client_id };
    header.encode(&mut encoder, request_header_version(R::is_flexible(version)));
    request.encode(&mut encoder, version);
    prefix_size(encoder)
}

/// The correlation id of a response, whose size prefix is gone already: the first field in every header version.
pub fn correlation_id(frame: &Bytes) -> Result<i32, DecodeError> {
    Decoder::new(frame.clone()).i32()
}

/// Reads the response to a request that was sent at `version`, whose size prefix is gone already.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<R::Response, DecodeError> {
    let mut decoder = Decoder::new(frame);
    let flexible = <R::Response as Message>::is_flexible(version);
    ResponseHeader::decode(&mut decoder, response_header_version(R::KEY, flexible))?;
    R::Response::decode(&mut decoder, version)
}

/// The header version of a request.
pub fn request_header_version(flexible: bool) -> i16 {
    if flexible { 2 } else { 1 }
}

/// The header version of a response.
pub fn response_header_version(key: i16, flexible: bool) -> i16 {
    if flexible && key != API_VERSIONS_KEY { 1 } else { 0 }
}

fn prefix_size(mut encoder: Encoder) -> Encoder {
    let size = i32::try_from(encoder.len() - 4).unwrap_or(i32::MAX);
    encoder.patch_i32(0, size);
    encoder
}

#[cfg(test)]
mod tests;
