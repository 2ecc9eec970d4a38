//! SaslAuthenticate: the request of key 36 and its response.

use crate::{ByteString, Bytes, Message};

/// Sasl authenticate request, key 36, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 36, response = SaslAuthenticateResponse, versions = "0-2", flexible = "2+")]
pub struct SaslAuthenticateRequest {
    pub auth_bytes: Bytes,
}

/// Sasl authenticate response, key 36, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-2", flexible = "2+")]
pub struct SaslAuthenticateResponse {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub auth_bytes: Bytes,
    #[field(versions = "1+")]
    pub session_lifetime_ms: i64,
}
