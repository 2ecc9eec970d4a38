//! SaslHandshake: the request of key 17 and its response.

use crate::{ByteString, Message};

/// Sasl handshake request, key 17, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 17, response = SaslHandshakeResponse, versions = "0-1")]
pub struct SaslHandshakeRequest {
    pub mechanism: ByteString,
}

/// Sasl handshake response, key 17, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1")]
pub struct SaslHandshakeResponse {
    pub error_code: i16,
    pub mechanisms: Vec<ByteString>,
}
