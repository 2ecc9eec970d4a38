//! The headers of requests and responses.

use crate::{ByteString, Message};

/// Request header, versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "2+")]
pub struct RequestHeader {
    pub request_api_key: i16,
    pub request_api_version: i16,
    pub correlation_id: i32,
    #[field(nullable, inflexible)]
    pub client_id: Option<ByteString>,
}

/// Response header, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct ResponseHeader {
    pub correlation_id: i32,
}
