//! Envelope: the request of key 58 and its response.

use crate::{Bytes, Message};

/// Envelope request, key 58, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 58, response = EnvelopeResponse, versions = "0", flexible = "0+")]
pub struct EnvelopeRequest {
    pub request_data: Bytes,
    #[field(nullable)]
    pub request_principal: Option<Bytes>,
    pub client_host_address: Bytes,
}

/// Envelope response, key 58, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct EnvelopeResponse {
    #[field(nullable, default = null)]
    pub response_data: Option<Bytes>,
    pub error_code: i16,
}
